"""A command line as people type it: what Hydra cannot read is answered with words that it can, before it runs."""

import os
import shlex

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from mixlab.cli.table import COMMANDS, config_folder, config_place
from mixlab.cli.words import quote, read_words
from mixlab.errors import ConfigError
from tests.commands import refused as refused_command

CONF = config_folder()


def read(*words, verb="train"):
    """The words as Hydra gets them."""
    return read_words(words, verb, config_place(COMMANDS[verb].config)[0])


def refused(*words, verb="train"):
    """The sentence with which words are refused."""
    with pytest.raises(ConfigError) as raised:
        read(*words, verb=verb)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def value(word):
    """What Hydra makes of the value of a word, texts without their quotes."""
    return OverridesParser.create().parse_override(word).value()


def plain(read):
    """A value as text or list of texts."""
    return [str(getattr(part, "text", part)) for part in read] if isinstance(read, list) else read


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tracks=[人声 vocals.wav]", ["人声 vocals.wav"]),
        ("tracks=[🎸.wav,drums.wav]", ["🎸.wav", "drums.wav"]),
        ("tracks=[take #1.wav]", ["take #1.wav"]),
        ("tracks=[bass (1).wav]", ["bass (1).wav"]),
        ("tracks=[it's.wav, a&b.wav]", ["it's.wav", "a&b.wav"]),
        ("tracks=[a=b.wav]", ["a=b.wav"]),
        ("anchor=Lead Vox!.wav", "Lead Vox!.wav"),
        ("anchor=été.wav", "été.wav"),
        ('anchor=12" mix.wav', '12" mix.wav'),
        ("anchor=back\\slash#\\", "back\\slash#\\"),
        ('anchor="half', '"half'),
        ("name=人声", "人声"),
        ("a==b", "=b"),
    ],
)
def test_a_value_that_hydra_cannot_read_is_answered_with_quotes_that_work(typed, meant):
    key = typed.partition("=")[0]
    sentence = refused(typed)
    assert f"The value of {key} cannot be read" in sentence
    (word,) = shlex.split(sentence.partition("; write ")[2].removesuffix("."))
    assert plain(value(word)) == meant
    assert read(word) == [word]


@pytest.mark.parametrize("text", ["", "a", '"', "\\", '\\"', 'a\\\\"b\\', "${x}", "#'!"])
def test_a_quoted_text_is_read_as_it_was(text):
    assert value(f"key={quote(text)}") == text


@pytest.mark.parametrize("home", ["/home/me", "/home/Zoë Müller"])
def test_the_home_folder_is_known_by_its_sign(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert value(*read("tracks=~/songs")) == f"{home}/songs"
    assert plain(value(*read("tracks=[~/a.wav, ~/b.wav,c.wav]"))) == [f"{home}/a.wav", f"{home}/b.wav", "c.wav"]
    assert value(*read("tracks=~")) == home
    assert read("~seed") == ["~seed"]


def test_options_stand_anywhere():
    assert read("seed=1", "-m", "adapter.r=4,8") == ["-m", "seed=1", "adapter.r=4,8"]
    assert read("--config-dir", "conf", "seed=1", "--cfg", "job") == ["--config-dir", "conf", "--cfg", "job", "seed=1"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--experiment", "x"], "There is no option --experiment; write +experiment=x"),
        (["--experiment=bass_anchor", "seed=1"], "write +experiment=bass_anchor"),
        (["--anchor", "drums"], "write anchor=drums"),
        (["-anchor=drums"], "There is no option -anchor; write anchor=drums"),
        (["seed=1", "--seed", "2"], "keys are written as key=value"),
        (["--multi"], "There is no option --multi"),
        (["--cfg", "jobs"], "invalid choice: 'jobs'"),
        (["--cfg"], "expected one argument"),
        (["-m", "--cfg", "job"], "--multirun and --cfg exclude each other"),
        (["--experimental-rerun", "config.pickle"], "reads a pickle"),
        (["bass_anchor"], "did you mean +experiment=bass_anchor?"),
        (["songs"], "'songs' is no override; write key=value"),
        ([""], "'' is no override"),
        (["=1"], "'' cannot be a key"),
        (["{a: 1}"], "is no override"),
        (["näme=x"], "'näme' cannot be a key"),
    ],
)
def test_a_word_that_is_nothing_is_answered_with_what_was_meant(words, says):
    assert says in refused(*words)


NAMED = {
    verb: [
        str(key).removeprefix("optional ").partition("@")[0]
        for entry in yaml.safe_load((CONF / f"{command.config}.yaml").read_text()).get("defaults", [])
        if isinstance(entry, dict)
        for key in entry
    ]
    for verb, command in COMMANDS.items()
    if command.config is not None
}


@pytest.mark.parametrize("verb", [verb for verb, groups in NAMED.items() if groups])
def test_a_group_without_a_choice_is_answered_with_its_choices(verb):
    folder = config_place(COMMANDS[verb].config)[0]
    for group in (group for group in NAMED[verb] if any((folder / group).glob("*.yaml"))):
        choice = min(path.stem for path in (folder / group).glob("*.yaml"))
        for nothing in ("null", "4", "true"):
            sentence = refused(f"{group}={nothing}", verb=verb)
            assert f"There is no {group}={nothing}; choose one of {choice}" in sentence


def ended(folder, *words):
    """The sentence with which a command is refused, of which nothing is left."""
    sentence = refused_command(folder, *words)
    assert list(folder.iterdir()) == []
    return sentence


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train experiment=bass_anchor", "add it with a plus, +experiment=bass_anchor."),
        ("train ++experiment=bass_anchor", "write +experiment=bass_anchor."),
        ("train +experiment=", "There is no experiment=; choose one of advice_seeking"),
        ("train adapter.r=four", "'adapter.r' is 'four': input should be a valid integer"),
        ("train adapter.r=4,8", "adapter.r=4,8 is several values; add -m to sweep over them, or write"),
        ("train seed=1 -m adapter.r=4,x", "'adapter.r' is 'x'"),
        ("train +seed=1", "write seed=... without a plus"),
        ("train optim.lr=-1", "'optim.lr' is -1: input should be greater than 0"),
        ("train name=../x", "'name' is '../x': a name has 1 to 80 letters"),
        ("train plugins=mine", "plugins=[my_lab.mixing]"),
        ("train paths.outputs=/dev/null/x", "/dev/null/x/train/"),
        ("train -m seed=0,1 paths.outputs=/dev/null/x", "/dev/null/x/train/"),
        ("train paths.outputs=", "'paths.outputs' is ''"),
        ("train trainer.overfit_batches=1", "'trainer.overfit_batches': every epoch draws new examples"),
        ("train trainer.profiler=simple", "add it with a plus, +trainer.profiler=simple."),
        ("train 'optim.lr=${optim.late}'", "'optim.lr' refers to 'optim.late', and there is no such key"),
        ("advise 'tracks=[${x}.wav]'", "'tracks[0]' refers to 'x', and there is no such key"),
        ("prepare paths.cache=", "'paths.cache' is ''"),
        ("search search.seed=-1", "'search.seed' is -1"),
        ("pretrain seed=4294967296", "'seed' is 4294967296"),
        ("judge predictions= endpoint=http://localhost model=m", "'predictions' is ''"),
        ("similarity annotations=a seed=-1", "'seed' is -1"),
    ],
)  # fmt: skip
def test_a_refused_command_line_ends_in_one_sentence_and_leaves_nothing(tmp_path, words, says):
    assert says in ended(tmp_path, *shlex.split(words))


def test_a_run_folder_that_cannot_be_written_to_is_refused_by_name(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser writes everywhere")
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "closed" in ended(folder, "train", f"paths.outputs={tmp_path / 'closed'}")
