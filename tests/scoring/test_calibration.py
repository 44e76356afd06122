"""Calibration: probabilities that are true, too high or worth nothing, on predictions whose answer is known."""

import numpy as np
import pytest

from mixlab.language.advice import Advice, Move
from mixlab.reports.calibration import calibration_sheets
from mixlab.reports.figures import calibration_figure
from mixlab.scoring import Prediction
from mixlab.scoring.calibration import LEAST_ITEMS, calibration


@pytest.fixture
def told(problem):
    """Predictions with the given probabilities, each right by chance as often as the second list says."""

    def build(said, right_with, seed=0):
        rng = np.random.default_rng(seed)
        found = []
        for number, (says, chance) in enumerate(zip(said, right_with, strict=True)):
            stem = "vocals" if rng.uniform() < chance else "drums"
            asked = problem(("vocals", 5.0), item=f"song{number // 2}/{number}")
            found.append(Prediction(asked, "", Advice((Move.of(stem, -5.0),)), probability=says))
        return found

    return build


def sure(count=2000, seed=1):
    return np.random.default_rng(seed).uniform(0.2, 1.0, count).tolist()


def test_probabilities_that_are_true_have_no_error(told):
    said = sure()
    found = calibration(told(said, said), resamples=50)
    assert found.error < 0.03
    assert found.right[1] < found.said[0] < found.right[2]
    for part in found.bins:
        assert part.right[1] - 0.03 < part.said < part.right[2] + 0.03


def test_a_model_that_says_too_much_is_off_by_as_much(told):
    said = sure()
    found = calibration(told(said, [0.5 * says for says in said]), resamples=50)
    assert found.error == pytest.approx(0.3, abs=0.03)


def test_who_answers_only_where_he_is_sure_is_right_more_often(told):
    said = sure()
    shares = [accuracy[0] for _, accuracy in calibration(told(said, said), resamples=50).coverage.values()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1] + 0.2


def test_probabilities_that_mean_nothing_choose_no_better_than_all(told):
    coverage = calibration(told(sure(), [0.6] * 2000), resamples=50).coverage
    assert coverage[0.25][1][0] == pytest.approx(coverage[1.0][1][0], abs=0.06)


def test_few_answers_and_answers_without_a_probability_say_nothing(told):
    assert calibration(told([0.9] * (LEAST_ITEMS - 1), [0.9] * (LEAST_ITEMS - 1))) is None
    assert calibration(told([None] * 100, [0.9] * 100)) is None
    assert calibration_sheets(None) == []
    assert calibration_figure(None) == ""


def test_the_sheet_says_what_is_said_and_what_is_right(told):
    found = calibration(told([0.9] * 100, [1.0] * 100), resamples=50)
    (sheet,) = calibration_sheets(found)
    assert "says 0.90 and is right in 1.00 of 100 answers" in sheet.caption
    assert [line.label for line in sheet.lines] == ["25%", "50%", "75%", "90%", "100%"]
    assert "<svg" in calibration_figure(found)
    assert found.flat("calibration")["calibration/accuracy_at_50"] == 1.0
