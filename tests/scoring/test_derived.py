"""Detection, calibration and sets: figures from sums over items, checked against scipy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, SongBootstrap, score
from mixlab.scoring.bootstrap import rank_correlation

NOTHING = Advice()


def raise_vocals(gain_db=6.0):
    return Advice((Move.of("vocals", gain_db),))


@pytest.fixture(scope="module")
def listened(problem):
    """Predictions for (has an error, was given a move) pairs, each item in a song of its own."""

    def make(pairs):
        return [
            Prediction(
                problem(*([("vocals", -6.0)] if faulty else []), item=f"s{i}/0"),
                "",
                raise_vocals() if moved else NOTHING,
            )
            for i, (faulty, moved) in enumerate(pairs)
        ]

    return make


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_detection_is_what_scikit_learn_says_of_faulty_against_moved(listened, pairs):
    found = score(listened(pairs), resamples=0).headline
    faulty, moved = np.array(pairs).T
    if not (faulty.any() and not faulty.all()):
        assert "detection_f1" not in found
        return
    precision, recall, f1, _ = precision_recall_fscore_support(faulty, moved, average="binary", zero_division=np.nan)
    assert found["detection_recall"] == pytest.approx(recall)
    assert found.get("detection_precision", np.nan) == pytest.approx(precision, nan_ok=True)
    assert found["detection_f1"] == pytest.approx(f1)


def test_precision_in_practice_counts_one_faulty_mix_in_five(listened):
    # Recall 3/4 and a false alarm in one balanced mix of two: of 100 mixes 15 right alarms and 40 false ones.
    pairs = [(True, True)] * 3 + [(True, False)] + [(False, True), (False, False)]
    found = score(listened(pairs), resamples=0).headline
    assert found["detection_precision"] == 3 / 4
    assert found["detection_precision_at_20"] == pytest.approx(15 / 55)


def test_d_prime_is_finite_for_a_perfect_listener_and_zero_for_one_who_always_moves(listened):
    perfect = score(listened([(True, True)] * 9 + [(False, False)] * 9), resamples=0).headline
    assert perfect["detection_d_prime"] == pytest.approx(2 * scipy.stats.norm.ppf(0.95))
    always = score(listened([(True, True)] * 9 + [(False, True)] * 9), resamples=0).headline
    assert always["detection_d_prime"] == pytest.approx(0)


@pytest.mark.parametrize("moved", [True, False])
def test_d_prime_is_zero_for_who_always_does_the_same_whatever_the_share_of_faulty_mixes(listened, moved):
    found = score(listened([(True, moved)] * 40 + [(False, moved)] * 10), resamples=20)
    assert found.headline["detection_d_prime"] == pytest.approx(0, abs=1e-9)
    # In no draw of songs either.
    assert found.intervals["detection_d_prime"] == pytest.approx((0, 0), abs=1e-9)


def test_calibration_and_rank_correlation_are_those_of_scipy(problem):
    rng = np.random.default_rng(0)
    needed_db = rng.uniform(3, 12, 60)
    advised_db = np.round(1.0 + 0.7 * needed_db + rng.normal(0, 1, 60)).clip(1)
    predictions = [
        Prediction(problem(("vocals", -float(n)), item=f"s{i}/0"), "", raise_vocals(float(a)))
        for i, (n, a) in enumerate(zip(needed_db, advised_db, strict=True))
    ]
    # Where stem or direction is wrong, the size says nothing.
    predictions.append(Prediction(problem(("vocals", 9.0), item="t/0"), "", raise_vocals(2.0)))
    scores = score(predictions)
    line = scipy.stats.linregress(needed_db, advised_db)
    assert scores.headline["calibration_slope"] == pytest.approx(line.slope)
    assert scores.headline["calibration_intercept_db"] == pytest.approx(line.intercept)
    ranks = scipy.stats.spearmanr(needed_db, advised_db).statistic
    assert scores.headline["rank_correlation"] == pytest.approx(ranks)
    low, high = scores.intervals["calibration_slope"]
    assert high - low == pytest.approx(2 * 1.96 * line.stderr, rel=0.3)
    low, high = scores.intervals["rank_correlation"]
    assert low < ranks < high


def test_always_the_same_size_has_slope_zero_and_no_rank_correlation(problem):
    predictions = [
        Prediction(problem(("vocals", -float(size)), item=f"s{size}/0"), "", raise_vocals()) for size in range(3, 13)
    ]
    found = score(predictions, resamples=0).headline
    assert found["calibration_slope"] == pytest.approx(0)
    assert found["calibration_intercept_db"] == pytest.approx(6)
    assert "rank_correlation" not in found


def test_errors_of_one_size_have_no_slope(problem):
    predictions = [Prediction(problem(("vocals", -5.7), item=f"s{i}/0"), "", raise_vocals(5.0 + i)) for i in range(5)]
    assert "calibration_slope" not in score(predictions, resamples=0).headline


@given(values=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=3, max_size=12))
def test_weighted_ranks_are_those_of_items_that_stand_several_times_in_line(values):
    x, y, times = (np.array(column, dtype=float) for column in zip(*values, strict=True))
    repeated = [np.repeat(column, times.astype(int)) for column in (x, y)]
    found = rank_correlation(x, y, times[None])[0]
    if min(len(set(column.tolist())) for column in repeated) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(scipy.stats.spearmanr(*repeated).statistic)


def test_sets_of_moves_have_precision_and_recall_where_several_stems_are_at_fault(problem):
    both = problem(("vocals", -6.0), ("drums", 4.0), item="a/0")
    one = problem(("other", -6.0), item="b/0")
    said = [
        Prediction(both, "", Advice((Move.of("vocals", 3.0), Move.of("drums", 3.0)))),  # one right, one wrong way
        Prediction(one, "", Advice((Move.of("other", 3.0), Move.of("vocals", 3.0)))),  # one right, one too many
    ]
    found = score(said, resamples=0).headline
    assert (found["set_precision"], found["set_recall"]) == (2 / 4, 2 / 3)
    assert "set_precision" not in score(said[1:], resamples=0).headline


def test_direction_given_the_stem_leaves_out_where_another_stem_was_named(problem):
    said = [
        Prediction(problem(("vocals", -6.0), item="a/0"), "", raise_vocals()),
        Prediction(problem(("vocals", 6.0), item="b/0"), "", raise_vocals()),
        Prediction(problem(("drums", 6.0), item="c/0"), "", raise_vocals()),
        Prediction(problem(item="d/0"), "", NOTHING),
    ]
    assert score(said, resamples=0).headline["direction_given_stem"] == 0.5


def test_a_method_without_an_anchor_of_its_own_is_scored_by_anchor(problem):
    scores = score([Prediction(problem(("vocals", -6.0), item="a/0"), "", raise_vocals())], resamples=0)
    assert scores.groups["anchor"]["bass"].values["joint_accuracy"] == 1


def test_totals_of_a_resample_weigh_whole_songs():
    sums, counts = SongBootstrap(["a", "a", "b"], resamples=50).totals([1.0, 1.0, np.nan])
    assert set(zip(sums.tolist(), counts.tolist(), strict=True)) == {(0.0, 0.0), (2.0, 2.0), (4.0, 4.0)}
