"""What help, README, docs and the comments of `conf/` tell people to type: verbs and keys exist, and all composes."""

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from mixlab.cli.help import help_text
from mixlab.cli.table import COMMANDS, config_folder, config_place, kind_of
from mixlab.cli.words import read_words
from mixlab.settings import parse
from tests.commands import CHECKOUT
from tests.conftest import composed, train_settings

DOCUMENTS = [
    CHECKOUT / "README.md", *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("experiments/*/README.md"),
    *config_folder().rglob("*.yaml"),
]  # fmt: skip
TYPED = re.compile(r"^[#\s]*(?:[A-Z_]+=\S+ )?mixlab ((?:study )?[a-z]+)((?: .*)?)$")


def typed():
    """Every command line of documents and help: its verb and its words, without the remark behind it."""
    texts = [*(path.read_text() for path in DOCUMENTS), *(help_text(verb) for verb in COMMANDS)]
    for text in texts:
        for line in text.splitlines():
            if (found := TYPED.match(line)) and (line.startswith(("    ", "#"))):
                yield found[1], re.split(r"\s{2,}|(?:^|\s)#\s", found[2].strip() if found[2][:3].strip() else "")[0]


COMMAND_LINES = sorted(set(typed()))
COMPOSED = [
    (verb, words)
    for verb, words in COMMAND_LINES
    if COMMANDS[verb].config is not None
    and not words.startswith("-m ")
    and "$" not in words
    # Experiments by themselves are composed elsewhere.
    and not re.fullmatch(r"\+experiment=\w+", words)
]
SWEPT = [words for verb, words in COMMAND_LINES if verb == "train" and words.startswith("-m ")]


def test_every_verb_that_is_written_down_exists():
    assert len(COMMAND_LINES) > 50
    assert {verb for verb, _ in COMMAND_LINES} <= {*COMMANDS, "study"}


def test_there_are_sweeps_over_groups_and_over_values():
    assert any("anchor=" in words for words in SWEPT)
    assert any("adapter.r=" in words for words in SWEPT)


@pytest.mark.parametrize("words", SWEPT)
def test_every_sweep_that_is_written_down_composes(words):
    overrides = [word for word in shlex.split(words.replace("...", "")) if "=" in word and "<" not in word]
    swept = [word for word in overrides if not word.startswith("hydra")]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        axes = compose(
            "train", overrides=[word for word in swept if word.startswith("+")], return_hydra_config=True
        ).hydra.sweeper.params
    asked = [*(f"{key}={values}" for key, values in (axes or {}).items()), *swept]
    jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(asked), None)[0]
    assert len(jobs) > 1
    train_settings(*jobs[-1])


@pytest.mark.parametrize(("verb", "words"), COMPOSED, ids=[" ".join(line) for line in COMPOSED])
def test_every_command_line_that_is_written_down_composes(verb, words):
    typed = [word for word in shlex.split(re.sub(r"<[^>]*>", "x", words.rstrip("\\"))) if word != "..."]
    read = [word for word in read_words(typed, verb, config_place(COMMANDS[verb].config)[0]) if "=" in word]
    values = composed(*read, name=COMMANDS[verb].config)
    if "..." not in words and "???" not in str(values):
        parse(values, kind_of(verb))
