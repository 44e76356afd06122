"""Categories of errors: which range a gain has to lie in, and what errors were taken for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, score
from mixlab.scoring.categories import category_confusion, implied_category
from mixlab.synthesis.problem import GainError

RANGES = {"very_quiet": (-12.0, -6.0), "quiet": (-6.0, -3.0), "no_error": (0.0, 0.0), "loud": (3.0, 6.0)}


def error(stem, error_db, category):
    return GainError(stem, error_db, category, RANGES[category])


@pytest.fixture
def quiet(problem):
    """Vocals 4 dB too quiet."""

    def make(item="a/0"):
        return replace(problem(item=item), errors=(error("vocals", -4.0, "quiet"),), error_category="quiet")

    return make


@pytest.mark.parametrize(
    ("error_db", "category"),
    [(-4.0, "quiet"), (-6.0, "quiet"), (-6.1, "very_quiet"), (-40.0, "very_quiet"), (1.0, "no_error"), (2.0, "loud")],
)
def test_an_error_is_of_the_nearest_category_and_at_an_edge_of_the_smaller(error_db, category):
    assert implied_category(error_db, RANGES) == category


@pytest.mark.parametrize(
    ("advice", "inside"),
    [
        (Advice((Move.of("vocals", 6.0),)), 1),
        (Advice((Move.of("vocals", 2.0),)), 0),
        (Advice((Move.of("drums", 4.0),)), 0),
        (Advice(), 0),
        (None, 0),
    ],
)
def test_a_magnitude_is_in_range_on_the_faulty_stem_and_nowhere_else(quiet, advice, inside):
    assert score([Prediction(quiet(), "", advice)], resamples=0).headline["magnitude_in_range"] == inside


def test_an_error_of_no_category_has_no_range_to_be_in(problem):
    said = Prediction(problem(("vocals", -4.0)), "", Advice((Move.of("vocals", 4.0),)))
    assert "magnitude_in_range" not in score([said], resamples=0).headline


def test_an_error_of_the_anchor_shifts_the_range_of_every_other_stem(problem):
    errors = (error("bass", 4.0, "loud"), error("vocals", -4.0, "quiet"))
    both = replace(problem(), errors=errors, error_category="quiet_beside_loud")
    moves = {"vocals": 6.0, "drums": 6.0, "other": 6.0}
    for vocals_db, inside in ((6.0, 1.0), (12.0, 1.0), (5.0, 2 / 3)):
        said = Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in (moves | {"vocals": vocals_db}).items()))
        assert score([Prediction(both, "", said)], resamples=0).headline["magnitude_in_range"] == pytest.approx(inside)


def test_confusion_tells_a_wrong_size_from_a_wrong_stem_and_from_nothing(quiet, problem):
    said = {
        "a/0": Advice((Move.of("vocals", 4.0),)),
        "b/0": Advice((Move.of("vocals", -4.0),)),
        "c/0": Advice((Move.of("drums", 4.0),)),
        "d/0": Advice(),
        "e/0": None,
    }
    predictions = [Prediction(quiet(item), "", advice) for item, advice in said.items()]
    predictions.append(Prediction(problem(item="f/0"), "", Advice((Move.of("drums", 9.0),))))
    found = category_confusion(predictions, RANGES)
    assert found["quiet"] == {
        "very_quiet": 0, "quiet": 1, "no_error": 1, "loud": 1, "other_stem": 1, "unreadable": 1,
    }  # fmt: skip
    assert found["no_error"]["very_quiet"] == 1
    assert list(found) == ["quiet", "no_error"]


def test_errors_beside_a_faulty_anchor_are_of_no_category(problem):
    both = replace(problem(), errors=(GainError("bass", 4.0, "loud"),), error_category="no_error_beside_loud")
    assert category_confusion([Prediction(both, "", Advice())], RANGES) == {}
