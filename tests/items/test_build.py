"""The bank of items follows its configuration: what training has, what is asked, what is refused."""

import pytest

from mixlab.errors import ConfigError, MixlabError
from mixlab.items.build import SOURCES, build_bank, open_dataset
from mixlab.items.drawn import DrawnItems
from mixlab.items.exported import ExportedItems
from mixlab.multitrack.demo.source import DemoSource
from mixlab.registry import Choice
from mixlab.storage import config_folder
from tests.conftest import train_settings

DECIDING = ("anchor", "error", "prompt", "inputs", "data", "evaluation", "evaluation/error", "evaluation/baselines")


def choices(group: str) -> list[str]:
    """The names of a group's choices."""
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@pytest.fixture(scope="module")
def bank_of():
    """The bank of a configuration; no song is prepared."""
    return lambda *overrides: build_bank(train_settings("dataset=demo_small", *overrides), 16000)


@pytest.mark.parametrize(("error", "kind"), [("several", "several errors at once"), ("relative", "relative errors")])
def test_training_on_other_errors_than_are_asked_is_said_in_one_line(bank_of, caplog, error, kind):
    bank = bank_of(f"error={error}")
    assert (bank.training_protocol.error.words, bank.heldout_protocol.error.words) == (kind, "single errors")
    assert caplog.messages == [
        f"Training has {kind}, validation and test have single errors; to ask what is trained, choose evaluation/error "
        "as error."
    ]


@pytest.mark.parametrize("error", ["default", "several", "relative"])
def test_training_on_what_is_asked_needs_no_word(bank_of, caplog, error):
    bank = bank_of(f"error={error}", f"evaluation/error={error}", "anchor=random")
    assert bank.training_protocol.error == bank.heldout_protocol.error
    assert bank.training_protocol.anchor == "random"
    assert caplog.messages == []


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in DECIDING for name in choices(group)])
def test_every_choice_that_decides_items_makes_a_bank(bank_of, choice):
    # Who hears nothing has to read something.
    bank = bank_of(choice, *(["readings=relative"] if choice == "inputs=none" else []))
    assert isinstance(bank, DrawnItems)
    assert sum(bank.training_protocol.error.probabilities.values()) == pytest.approx(1.0)
    assert sum(bank.heldout_protocol.prompt.shares.values()) == pytest.approx(1.0)


def test_stems_of_several_songs_are_refused_before_a_song_is_read(tmp_path):
    (tmp_path / "song").mkdir()
    settings = train_settings(
        "dataset=folder", f"dataset.root={tmp_path}", "data.augmentation.cross_song_probability=0.3"
    )
    with pytest.raises(ConfigError, match=r"data\.augmentation\.cross_song_probability is 0\.3, .* dataset=demo"):
        build_bank(settings, 16000)


def test_an_export_makes_a_bank_of_its_items(exported, small_settings):
    settings = small_settings().but(dataset=Choice(kind="jsonl", root=str(exported)))
    assert isinstance(build_bank(settings, 16000), ExportedItems)


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        ({"kind": "demos"}, r"There is no data set 'demos' \(did you mean 'demo'\?\)"),
        ({"kind": "demo", "train_song": 3}, r"unknown key 'dataset\.train_song' \(did you mean 'train_songs'\?\)"),
        ({"kind": "jsonl", "root": "/nowhere"}, "/nowhere holds no mixlab_export.json"),
        ({"_target_": "nowhere.Songs"}, r"dataset\._target_ is 'nowhere\.Songs', which cannot be imported"),
    ],
)
def test_songs_that_are_not_there_are_said_in_a_sentence(dataset, sentence):
    with pytest.raises(MixlabError, match=sentence):
        open_dataset(Choice.model_validate(dataset))


class TwoSongs(DemoSource):
    """Somebody's own songs."""

    name = "two_songs"

    def __init__(self) -> None:
        super().__init__(train_songs=2, validation_songs=0, test_songs=0, shifted_songs=0, duration_s=12.0)


def test_songs_from_outside_are_named_like_any_others(monkeypatch):
    monkeypatch.setattr(SOURCES, "_entries", dict(SOURCES))
    SOURCES.add(TwoSongs)
    assert len(open_dataset(Choice(kind="two_songs")).entries()) == 2
