"""What may be wrong with a mix, and what the baselines make of several errors and of errors beside the anchor."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import Chance, MostCommon
from mixlab.baselines.hypotheses import hypotheses, weighted_median
from mixlab.baselines.loudness import LoudnessRuleGenre
from mixlab.baselines.oracle import Oracle
from mixlab.baselines.ridge import Ridge
from mixlab.evaluation.ceiling import best_joint_accuracy
from mixlab.scoring import score
from tests.closed_form import BALANCED, LOUD, QUIET, best_joint


def shares(known) -> dict[tuple[int, ...], float]:
    """The probability of each class, by the signs of its errors."""
    return {
        tuple(np.sign(known.errors_db[known.members(index)][0]).astype(int).tolist()): float(
            known.probabilities[known.members(index)].sum()
        )
        for index in range(len(known.starts))
    }


def test_with_single_errors_every_stem_and_direction_is_equally_likely(error):
    found = shares(hypotheses(error, 3))
    assert next(iter(found)) == (0, 0, 0)
    assert found.pop((0, 0, 0)) == pytest.approx(0.2)
    assert found == pytest.approx(dict.fromkeys(found, 0.8 / 6))
    assert len(found) == 6


def test_errors_without_any_probability_are_no_protocol(error):
    with pytest.raises(ValueError, match="probabilities sum to 0, not to 1"):
        error.but(categories={"loud": error.categories["loud"].but(probability=0.0)})


def test_with_several_errors_each_number_has_its_share(several):
    found = shares(hypotheses(several, 3))
    assert len(found) == 27
    for number, share in enumerate((0.2, 0.4, 0.24, 0.16)):
        assert sum(p for signs, p in found.items() if np.abs(signs).sum() == number) == pytest.approx(share)
    # A mix with two candidates has two errors where three were wanted.
    pairs = shares(hypotheses(several, 2))
    assert sum(p for signs, p in pairs.items() if np.abs(signs).sum() == 2) == pytest.approx(0.8 * 0.5)


def test_with_relative_errors_the_mix_is_right_where_all_stems_are_alike(relative):
    known = hypotheses(relative, 3)
    assert shares(known)[0, 0, 0] == pytest.approx(0.6**4 + 2 * 0.2**4)
    assert known.probabilities.sum() == pytest.approx(1.0)
    off = np.abs(known.errors_db[known.errors_db != 0])
    assert off.min() > 3
    assert off.max() < 12


@pytest.mark.parametrize("kind", ["single", "several", "relative"])
@pytest.mark.parametrize("anchor", ["bass", "random"])
def test_problems_are_as_likely_as_the_oracle_believes(draw_by, error, several, relative, kind, anchor):
    protocol = {"single": error, "several": several, "relative": relative}[kind]
    problems = [item.problem for item in draw_by(protocol, anchor, 500, seed=4)]
    believed = shares(hypotheses(protocol, 3))
    for number in range(4):
        drawn = np.mean([len(problem.needed_gains_db) == number for problem in problems])
        wanted = sum(p for signs, p in believed.items() if np.abs(signs).sum() == number)
        assert drawn == pytest.approx(wanted, abs=0.03), number


def test_the_weighted_median_halves_the_weight():
    assert weighted_median([3.0, 1.0, 2.0], np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median([3.0, 1.0, 2.0], np.array([5.0, 1.0, 1.0])) == 3.0


@pytest.mark.parametrize("anchor", ["bass", "random"])
@pytest.mark.parametrize("kind", ["several", "relative"])
def test_oracle_rule_and_ridge_stand_in_their_order_above_chance(draw_by, balance_db, several, relative, kind, anchor):
    protocol = several if kind == "several" else relative
    train, items = (draw_by(protocol, anchor, songs, seed, section_db=0.5) for songs, seed in ((120, 1), (100, 2)))
    joint = {}
    for baseline in (
        Oracle(balance_db, 1.5, protocol),
        LoudnessRuleGenre(),
        Ridge(),
        MostCommon(),
        Chance(),
    ):
        baseline.fit(train)
        joint[baseline.name] = score(predictions_of(items, baseline.advise(items)), resamples=0).headline[
            "joint_accuracy"
        ]
    assert joint["oracle"] > joint["loudness_rule_genre"] > joint["most_common"] + 0.2, joint
    assert joint["ridge"] > joint["most_common"] + 0.1, joint
    assert joint["chance"] < 0.1, joint


def test_an_oracle_that_knows_the_song_itself_is_always_right(draw_by, balance_db, relative):
    items = draw_by(relative, "random", 30)
    for item in items:
        item.song_lufs.update({stem: -20.0 + level for stem, level in balance_db[item.problem.genre].items()})
    found = score(predictions_of(items, Oracle(balance_db, 0.05, relative).advise(items)), resamples=0).headline
    assert found["joint_accuracy"] == 1
    assert found["gain_mae_db"] < 0.5


def test_an_error_in_the_deadband_is_of_the_class_balanced(deadband, draw_by):
    known = hypotheses(deadband, 3)
    balanced = known.members(0)
    assert known.probabilities[balanced].sum() == pytest.approx(0.2)
    assert np.abs(known.errors_db[balanced]).max() == pytest.approx(1.45)
    assert (np.count_nonzero(known.errors_db[balanced], axis=1) == 1).all()
    assert not known.signs[balanced].any()
    assert len(known.starts) == 7
    items = draw_by(deadband, "bass", 500, seed=4)
    assert np.mean([not item.problem.needed for item in items]) == pytest.approx(0.2, abs=0.03)


def test_bayes_with_a_deadband_reaches_what_an_integral_says_can_be_reached(deadband):
    known = hypotheses(deadband, 1)
    classes = ((0.4, LOUD), (0.2, ((-1.5, 1.5),)), (0.4, QUIET))
    assert best_joint_accuracy(np.array([[4.0]]), known) == pytest.approx(best_joint(classes), abs=0.005)
    # What is small and counts as none makes the classes harder to tell apart.
    assert best_joint(classes) < best_joint(((0.4, LOUD), (0.2, BALANCED), (0.4, QUIET))) - 0.005


def test_an_oracle_that_knows_the_song_itself_leaves_small_errors_alone(draw_by, balance_db, deadband):
    items = draw_by(deadband, "bass", 40)
    for item in items:
        item.song_lufs.update({stem: -20.0 + level for stem, level in balance_db[item.problem.genre].items()})
    found = score(predictions_of(items, Oracle(balance_db, 0.05, deadband).advise(items)), resamples=0).headline
    assert found["joint_accuracy"] == 1
    assert found["gain_mae_db"] == 0  # to a whole dB is well within 1.5


@pytest.mark.parametrize("rival", [LoudnessRuleGenre(), Ridge()], ids=lambda rival: rival.name)
def test_rivals_are_tuned_to_leave_small_errors_alone(draw_by, deadband, rival):
    train, items = (draw_by(deadband, "bass", songs, seed) for songs, seed in ((90, 1), (60, 2)))
    rival.fit(train)
    assert score(predictions_of(items, rival.advise(items)), resamples=0).headline["balanced_recall"] > 0.4
