"""A song in several people's mixes: split as one, and right is what one of the mixers did."""

import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mixlab.errors import ConfigError
from mixlab.evaluation.ceiling import ceilings
from mixlab.items.drawn import DrawnItems
from mixlab.language.advice import Advice, Move
from mixlab.multitrack.folder import FolderSource
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.closed_loop import off_db
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import score
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator
from tests.conftest import train_settings

RATE = 16000
SONGS = ("Daylight", "Ferry", "Harbour", "Ice", "Lantern", "Meadow")
VOCALS_DB = {"Ada": 0.0, "Ben": 4.0, "Cleo": -2.0}
"""How loud each mixer has the vocals; the drums are where they are, and everybody has another master level."""
MASTER_DB = {"Ada": 0.0, "Ben": -3.0, "Cleo": 2.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six songs in the mixes of three people, of noise whose loudness is known."""
    root = tmp_path_factory.mktemp("mixes")
    for number, song in enumerate(SONGS):
        rng = np.random.default_rng(number)
        noise = {stem: 0.05 * rng.standard_normal(12 * RATE) for stem in ("bass", "drums", "vocals")}
        for mixer, vocals_db in VOCALS_DB.items():
            (root / song / mixer).mkdir(parents=True)
            for stem, samples in noise.items():
                gain_db = MASTER_DB[mixer] + (vocals_db if stem == "vocals" else 0.0)
                soundfile.write(root / song / mixer / f"{stem}.wav", samples * 10 ** (gain_db / 20), RATE, "FLOAT")
    return root


@pytest.fixture(scope="module")
def bank(root, tmp_path_factory):
    """The items of these mixes, under the preset."""
    settings = train_settings(
        "dataset=mix_evaluation", f"dataset.root={root}", f"paths.cache={tmp_path_factory.mktemp('cache')}",
        "data.prepare_workers=1", "evaluation.items_per_song=8",
    )  # fmt: skip
    bank = DrawnItems(FolderSource(**settings.dataset.arguments), settings, RATE)
    bank.setup()
    return bank


@pytest.fixture(scope="module")
def draw(bank):
    """Draws a problem of Ada's mix of a song, with the vocals as the only candidate."""
    (segment, *_) = (s for found in bank.segments.values() for s in found if s.song_id.endswith("/Ada"))
    protocol = bank.heldout_protocol

    def drawn(seed: int, error: str = "default") -> Problem:
        changed = replace(protocol, error=train_settings(f"error={error}").error)
        return draw_problem(replace(segment, stems=("bass", "vocals")), changed, generator(seed), "item")

    return drawn


def test_every_mix_is_served_and_all_mixes_of_a_song_are_in_one_split(root):
    entries = FolderSource(root, songs="*/*", mixes=True).entries()
    assert [entry.song_id for entry in entries[:4]] == ["Daylight/Ada", "Daylight/Ben", "Daylight/Cleo", "Ferry/Ada"]
    splits = defaultdict(set)
    for entry in entries:
        splits[entry.work].add(entry.split)
    assert set(splits) == set(SONGS)
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "validation", "test"}


def test_songs_without_other_mixes_stay_as_they_were(root):
    entries = FolderSource(root, songs="*/*").entries()
    assert {entry.work for entry in entries} == {""}
    splits = defaultdict(set)
    for entry in entries:
        splits[entry.song_id.partition("/")[0]].add(entry.split)
    assert max(map(len, splits.values())) > 1


def test_mixes_without_a_folder_of_their_song_are_refused(root):
    with pytest.raises(ConfigError, match=r"dataset\.songs is '\*', which has no folder above the mixes"):
        FolderSource(root / "Ice", mixes=True)


def test_the_spread_is_that_of_the_mixers_beside_the_anchor_whatever_their_level(bank):
    found = {s.song_id.rpartition("/")[2]: s for segments in bank.segments.values() for s in segments}
    for mixer, (low_db, high_db) in {"Ada": (-2, 4), "Ben": (-6, 0), "Cleo": (0, 6)}.items():
        assert found[mixer].spread_db("bass", "vocals") == pytest.approx((low_db, high_db), abs=0.01)
        assert found[mixer].spread_db("vocals", "bass") == pytest.approx((-high_db, -low_db), abs=0.01)
        assert found[mixer].spread_db("bass", "drums") == pytest.approx((0, 0), abs=0.01)


def test_an_error_begins_where_the_spread_ends(draw):
    seen = set()
    for seed in range(60):
        problem = draw(seed)
        if not problem.errors:
            assert problem.error_category == "no_error"
            continue
        (error,) = problem.errors
        beyond_db = problem.excess_db("vocals")
        assert 3.0 <= abs(beyond_db) <= 12.0
        assert error.error_db == pytest.approx(beyond_db + (4.0 if beyond_db > 0 else -2.0), abs=0.01)
        assert error.range_db[0] <= error.error_db <= error.range_db[1]
        assert problem.right_advice.gain_db("vocals") == pytest.approx(-error.error_db, abs=0.51)
        assert Problem.from_json(json.loads(json.dumps(problem.to_json()))) == problem
        seen.add(error.category)
    assert len(seen) == 4


@pytest.mark.parametrize(("left_db", "distance_db"), [(0, 0), (3.9, 0), (5, 1), (-1.9, 0), (-4, 2), (10, 6)])
def test_a_score_counts_the_distance_beyond_the_spread(draw, left_db, distance_db):
    problem = next(p for seed in range(60) if (p := draw(seed)).needed and p.error_db("vocals") > 11)
    gain_db = left_db - problem.error_db("vocals")
    said = Prediction(problem, "", Advice((Move.of("vocals", gain_db),)))
    assert said.is_right
    assert said.distance_db == pytest.approx(distance_db, abs=0.01)
    assert score([said], resamples=0).headline["within_1_db"] == (distance_db <= 1.005)


def test_a_category_is_told_by_what_lies_beyond_the_spread(draw):
    ranges_db = train_settings().error.ranges_db
    for problem in filter(lambda problem: problem.needed, map(draw, range(20))):
        problem = replace(problem, rounding_db=0.01)
        (row,) = category_confusion([Prediction(problem, "", problem.right_advice)], ranges_db).items()
        assert row[1][row[0]] == 1


def test_a_deadband_and_the_spread_tolerate_what_either_does(draw):
    problem = next(p for seed in range(60) if (p := draw(seed, "deadband")).error_category == "no_error")
    (tolerance,) = problem.tolerances
    assert (tolerance.low_db, tolerance.high_db) == pytest.approx((-2.0, 4.0), abs=0.01)
    assert not problem.needed
    assert off_db(problem) == 0.0


def test_intervals_go_by_song_and_not_by_mix(bank):
    problems = bank.problems("test")
    mixes, songs = ({getattr(p, name) for p in problems} for name in ("song_id", "work_id"))
    assert len(mixes) == 3 * len(songs)
    assert score([Prediction(p, "", Advice()) for p in problems], resamples=10).overall.songs == len(songs)


def test_there_is_no_ceiling_beside_several_mixes(bank):
    problems, error = bank.problems("test"), bank.settings.evaluation.error
    assert ceilings(bank.segments["train"], problems, error) == {}
    assert ceilings(bank.segments["train"], [replace(p, work="") for p in problems], error)


def test_relative_errors_are_refused_beside_several_mixes(bank):
    relative = bank.settings.but(error=train_settings("error=relative").error)
    with pytest.raises(ConfigError, match="these songs have several mixes"):
        DrawnItems(bank.source, relative, RATE).setup()
