"""A search chooses settings by validation, goes on where it was ended, and never asks about a test song."""

import csv
import json
import re

import pytest

from mixlab.cli.table import config_folder
from mixlab.errors import ConfigError
from mixlab.settings import parse
from mixlab.sweeps.settings import Place, SearchSettings
from tests.commands import run
from tests.conftest import composed

TINY = ("+experiment=bass_anchor", "debug=fast", "callbacks.progress_bar=false", "search.pruner.n_warmup_steps=0")


def checked(*overrides):
    parse(composed("+experiment=bass_anchor", *overrides, name="search"), SearchSettings)


@pytest.mark.parametrize("choice", sorted(path.stem for path in (config_folder() / "search").glob("*.yaml")))
def test_every_space_passes_the_schema(choice):
    checked(f"search={choice}")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"low": 0.1}, "give either low and high, or choices"),
        ({"low": 1, "high": 2, "choices": [1]}, "give either low and high, or choices"),
        ({"low": 2.0, "high": 1.0}, "low is above high"),
        ({"low": 0.0, "high": 1.0, "log": True}, "not above 0 with log"),
        ({"choices": []}, "at least 1 item"),
    ],
)
def test_a_place_where_nothing_can_lie_gets_a_sentence(place, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        parse(place, Place)


def test_a_search_needs_a_trial():
    with pytest.raises(ConfigError, match=re.escape("'search.trials' is 0")):
        checked("search.trials=0")


def search(folder, *overrides):
    return run(folder, "search", *TINY, *overrides)


@pytest.mark.slow
def test_a_search_ends_with_a_command_goes_on_when_started_again_and_leaves_test_songs_alone(tmp_path):
    first = search(tmp_path, "search.trials=2", "search.workers=2")
    assert first.returncode == 0, first.stderr[-3000:]
    assert "    mixlab train +experiment=bass_anchor debug=fast" in first.stdout
    folder = tmp_path / "outputs" / "bass_anchor" / "search_lora"
    numbers = [row["trial"] for row in csv.DictReader((folder / "trials.csv").open())]
    # Two workers may each end a trial at the same time.
    assert len(numbers) in (2, 3)
    assert not list(folder.rglob("predictions*.jsonl"))
    assert not list(folder.rglob("metrics.json"))
    statuses = [json.loads(path.read_text()) for path in sorted(folder.glob("trial_*/status.json"))]
    assert {status["state"] for status in statuses} == {"done"}
    again = search(tmp_path, "search.trials=4")
    assert again.returncode == 0, again.stderr[-3000:]
    assert len(list(csv.DictReader((folder / "trials.csv").open()))) == 4
    other = search(tmp_path, "search.trials=4", "data.batch_size=8")
    assert other.returncode == 2
    assert "begun with other settings" in other.stderr
