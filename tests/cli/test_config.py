"""The configuration: every choice of every group composes and passes the schema; what is wrong gets a sentence."""

import importlib
import math
import re
from typing import get_type_hints

import pytest

from mixlab.cli.table import COMMANDS, config_folder
from mixlab.errors import ConfigError
from mixlab.items.settings import PathsSettings
from mixlab.reports.score_command import ScoreSettings
from mixlab.settings import parse
from mixlab.training.build import check_choices
from tests.conftest import composed, train_settings

CONF = config_folder()
ELSEWHERE = ("experiment", "sweep", "hydra", "probes", "answerer", "format", "search", "advising", "judging", "study",
             "web", "hub")  # fmt: skip
"""Folders of `conf/` that are no groups of a training's configuration."""
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ELSEWHERE)
CHOICES = [f"{group}={path.stem}" for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = [f"+experiment={path.stem}" for path in sorted((CONF / "experiment").glob("*.yaml"))]
OF_A_FOLDER = (
    "folder",
    "moisesdb",
    "moisesdb_11",
    "slakh2100",
    "medleydb",
    "daw_bounce",
    "mix_evaluation",
    "musdb18",
    "musdb18hq",
    "jsonl",
)
OF_MUSDB = ("musdb18hq_7b_lora", "musdb18hq_7b_qlora")
NEEDED = {name: ["dataset.root=/data/songs"] for name in (
    *(f"dataset={name}" for name in OF_A_FOLDER), *(f"+experiment={name}" for name in OF_MUSDB)
)} | {"inputs=none": ["readings=relative"]}  # fmt: skip


def chosen(*overrides):
    """The settings of a training, of which the choices that need a folder, or a meter, have one."""
    return train_settings(*overrides, *(value for override in overrides for value in NEEDED.get(override, [])))


def refusal(*overrides):
    """The sentence with which a configuration is refused."""
    with pytest.raises(ConfigError) as raised:
        check_choices(train_settings(*overrides))
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("choice", CHOICES + EXPERIMENTS)
def test_every_choice_composes_and_names_what_there_is_with_its_keys(choice):
    check_choices(chosen(choice))


def test_every_group_has_a_choice_that_training_names():
    assert set(GROUPS) <= {*composed(), "debug"}


ASKED = {"dashboard": "set runs=[...]", "export": "set either out="}
"""Commands whose configuration is whole only with one of two keys, and what they ask for."""


@pytest.mark.parametrize("verb", [verb for verb, command in COMMANDS.items() if command.config is not None])
def test_every_command_composes_to_its_settings_or_asks_for_what_has_no_value(verb):
    module, function = COMMANDS[verb].place
    kind = next(iter(get_type_hints(getattr(importlib.import_module(module), function)).values()))
    values = composed(name=COMMANDS[verb].config)
    if verb in ASKED or "???" in str(values):
        with pytest.raises(ConfigError, match=re.escape(ASKED.get(verb, "has no value; set it"))):
            parse(values, kind)
    else:
        parse(values, kind)


def test_the_predecessors_tables_need_its_errors():
    usual = ["evaluation=mixingbuddy", "evaluation/error=default"]
    assert "set evaluation/error=mixingbuddy, or protocol to null" in refusal(*usual)
    assert "set error.faulty_stems to [1.0]" in refusal(
        "evaluation=mixingbuddy", "evaluation.error.faulty_stems=[0.5,0.5]"
    )
    train_settings(*usual, "evaluation.protocol=null")
    assert "leave targets out" in refusal("error=relative", "+error.targets=[bass,drums]")


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "format").glob("*.yaml")))
def test_every_format_of_predictions_passes_its_schema(name):
    parse(composed(f"format={name}", "predictions=answers.jsonl", name="score"), ScoreSettings)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "The key 'predictions' has no value"),
        (["predictions=a", "format=fields", "format.text=null"], "kind is fields, which needs text"),
        (["predictions=a", "+format.text=answer"], "kind is mixlab, whose fields are known"),
        (["predictions=a", "format=fields", "format.low_db=low"], "set both or neither"),
        (["predictions=a", "format=fields", "+format.patterns.song='('"], "is no regular expression"),
        (["predictions=a", "format=fields", "+format.patterns.song='a'"], "has 0 groups"),
        (["predictions=a", "format=fields", "+format.patterns.tune='(a)'"], "there is no key 'tune'"),
        (["predictions=a", "resamples=0"], "'resamples' is 0"),
    ],
)
def test_a_wrong_format_gets_a_sentence(overrides, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        parse(composed(*overrides, name="score"), ScoreSettings)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["error.categories.loud.low_db=6", "error.categories.loud.high_db=3"], "inverted (6 to 3 dB); swap low_db"),
        (["error.categories.loud.low_db=-3"], "touches or crosses 0; split it by sign"),
        (["error.categories.no_error.high_db=2"], "touches or crosses 0"),
        (
            ["error=deadband", "error.categories.loud.low_db=1"],
            "'loud' (1 to 6 dB) reaches into 'no_error' (-1.5 to 1.5",
        ),
        (["error=relative", "error.categories.no_error={probability:0.6,low_db:-1,high_db:1}"], "are exactly right"),
        (["error.categories.loud.high_db=90"], "'error.categories.loud.high_db' is 90"),
        (["error.categories.loud.probability=0.3"], "the probabilities sum to 1.1, not to 1"),
        (["error.categories.loud.probability=1.2"], "'error.categories.loud.probability' is 1.2"),
        (["prompt.weights.audio_only=0"], "the weights sum to 0.75, not to 1"),
        (["+prompt.weights.riddle=0"], "riddle"),
        (["error=several", "error.faulty_stems=[0.5,0.3]"], "probabilities of faulty_stems sum to 0.8, not to 1"),
        (
            ["error=several", "error.faulty_stems=null"],
            "kind is absolute, which needs faulty_stems; set it as conf/error/",
        ),
        (["error=relative", "+error.faulty_stems=[1.0]"], "kind is relative, which has no use for faulty_stems"),
        (
            ["error=relative", "error.tolerance_db=4"],
            "are 3 dB apart, less than tolerance_db (4), so that nobody could",
        ),
        (["error=relative", "error.categories.loud.low_db=1"], "'no_error' and 'loud' are 1 dB apart, less than"),
        (["evaluation/error=relative", "evaluation.error.tolerance_db=0"], "'evaluation.error.tolerance_db' is 0"),
        (["data.augmentation.polarity_probability=2"], "'data.augmentation.polarity_probability' is 2"),
        (["data.augmentation.start_jitter_s=5"], "'data.augmentation.start_jitter_s' is 5"),
        (["inputs.layout=quadraphonic"], "'inputs.layout' is 'quadraphonic'"),
        (["+data.batchsize=4"], "unknown key 'data.batchsize' (did you mean 'batch_size'?)"),
        (["+colour=red"], "unknown key 'colour'"),
        (["data.batch_size=0"], "'data.batch_size' is 0"),
        (["data.batch_size=many"], "'data.batch_size' is 'many'"),
        (["data.workers=-1"], "'data.workers' is -1"),
        (["data.gates.active_ratio=30"], "'data.gates.active_ratio' is 30"),
        (["data.level.master_range_db=-12"], "'data.level.master_range_db' is -12"),
        (["optim.lr=0"], "'optim.lr' is 0"),
        (["optim.lr=inf"], "'optim.lr' is inf"),
        (["optim.lr=nan"], "'optim.lr' is nan"),
        (["optim.lr='1e-3 or so'"], "'optim.lr' is '1e-3 or so'"),
        (["seed=1.5"], "'seed' is 1.5"),
        (["seed=true"], "'seed' is True"),
        (["seed=-1"], "'seed' is -1"),
        (["seed=18446744073709551616"], "'seed' is 18446744073709551616"),
        (["evaluation.seed=4294967296"], "'evaluation.seed' is 4294967296"),
        (["optim.lr=-1"], "'optim.lr' is -1"),
        (["optim.warmup_steps=0"], "'optim.warmup_steps' is 0"),
        (["trainer.max_steps=99999999999999999999"], "'trainer.max_steps' is 99999999999999999999"),
        (["data.workers=100000"], "'data.workers' is 100000"),
        (["name=" + 81 * "a"], "a name has 1 to 80 letters"),
        (["name='a b'"], "'name' is 'a b': a name has"),
        (["paths.outputs="], "'paths.outputs' is '': it is empty; give the path of a file or folder"),
        (["paths.cache=a" + 255 * "b"], "no file has such a name"),
        (["ckpt_path="], "'ckpt_path' is ''"),
        (["dataset=folder", "dataset.root="], "'dataset.root' is ''"),
        (["logger=wandb", "logger.wandb.project=a/b"], "'logger.wandb.project' is 'a/b'"),
        (["name=../elsewhere"], "'name' is '../elsewhere'"),
        (["evaluation.error.rounding_db=0"], "'evaluation.error.rounding_db' is 0"),
        (["controls=[magic]"], "'controls.0' is 'magic'"),
        (["evaluation.baselines=[crystal_ball]"], "'evaluation.baselines' is ['crystal_ball']: there is no baseline"),
    ],
)
def test_a_wrong_value_gets_a_sentence_with_key_value_and_remedy(overrides, says):
    assert says in refusal(*overrides)


def test_a_folder_of_songs_needs_its_root():
    assert "'dataset.root' has no value; set it" in refusal("dataset=folder")


def test_numbers_written_as_text_are_refused_since_nobody_would_convert_them():
    assert "'optim.lr' is '0.001'" in refusal("optim.lr='0.001'")


def test_test_items_follow_no_override_of_training():
    training = ["prompt=no_claims", "error.categories.loud.high_db=7", "seed=5", "data.gates.stem_dbfs=-50"]
    other = train_settings(*training, "data.level.master_range_db=0", "data.segment_step_s=2")
    assert train_settings().evaluation == other.evaluation


@pytest.mark.parametrize("error", [path.stem for path in sorted((CONF / "error").glob("*.yaml"))])
def test_the_errors_of_the_evaluation_are_chosen_apart_from_those_of_training(error):
    apart = train_settings(f"evaluation/error={error}")
    assert apart.error == train_settings().error
    assert apart.evaluation.error == train_settings(f"error={error}").error


def test_shares_of_the_default_protocols_sum_to_one_exactly_enough():
    settings = train_settings()
    assert math.isclose(sum(category.probability for category in settings.error.categories.values()), 1.0)
    assert math.isclose(sum(settings.prompt.weights.values()), 1.0)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("~/songs", "/home/me/songs"),
        ("~", "/home/me"),
        ("~nobody-here/x", "./~nobody-here/x"),
        ("a/~", "a/~"),
        ("👩‍🎤", "👩‍🎤"),
    ],
)
def test_a_path_starts_at_the_home_folder_where_it_says_so(monkeypatch, typed, kept):
    monkeypatch.setenv("HOME", "/home/me")
    assert parse({"outputs": typed, "cache": "cache"}, PathsSettings).outputs == kept


@pytest.mark.parametrize("typed", ["", "a\0b", "x/" + 256 * "y"])
def test_what_no_file_can_be_called_is_refused(typed):
    with pytest.raises(ConfigError, match="the path of a file or folder"):
        parse({"outputs": typed, "cache": "cache"}, PathsSettings)
