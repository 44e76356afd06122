"""Paired comparisons: tests by song and over runs against scipy, Holm's correction against statsmodels."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from mixlab.scoring.paired import all_pairs, holm, permutation_p_values


def song_names(songs, per_song=1):
    return [f"s{song}" for song in range(songs) for _ in range(per_song)]


def scipy_p(differences, songs, per_song, resamples):
    """The same test by scipy: the samples are songs, whose two methods swap places."""
    a = differences.reshape(songs, per_song).sum(axis=1)
    return scipy.stats.permutation_test(
        (a, np.zeros(songs)),
        lambda x, y, axis: np.sum(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(0),
    ).pvalue


@pytest.mark.parametrize("seed", range(4))
def test_with_few_songs_the_p_value_is_the_exact_one_of_scipy(seed):
    differences = np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=24, p=[0.1, 0.5, 0.4])
    found = permutation_p_values(differences[:, None], song_names(8, 3))
    assert found[0] == pytest.approx(scipy_p(differences, 8, 3, np.inf))


def test_with_many_songs_the_p_value_comes_from_a_sample_and_is_never_zero():
    rng = np.random.default_rng(3)
    differences = rng.choice([-1.0, 0.0, 1.0], size=(160, 2), p=[0.17, 0.6, 0.23])
    differences[:, 1] = 1.0
    found = permutation_p_values(differences, song_names(40, 4))
    assert found[0] == pytest.approx(scipy_p(differences[:, 0], 40, 4, 10_000), abs=0.02)
    assert found[1] == pytest.approx(1 / 10_001)


def test_songs_count_and_not_their_items():
    # One song that was asked a hundred times is still one song.
    differences = np.ones((101, 1))
    assert permutation_p_values(differences, ["a"] * 100 + ["b"])[0] == 0.5


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    # statsmodels collects garbage at every call, for seconds in a process that has run many tests.
    with mock.patch("gc.collect"):
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


def test_every_pair_is_compared_and_corrected_for_all_pairs():
    rng = np.random.default_rng(0)
    songs = song_names(60)
    outcomes = {"good": np.ones(60), "same": np.ones(60), "poor": (rng.random(60) < 0.5).astype(float)}
    found = all_pairs(outcomes, songs, resamples=200)
    assert list(found) == [("good", "same"), ("good", "poor"), ("same", "poor")]
    assert found["good", "same"].p_holm == 1
    assert found["good", "poor"].p_holm == pytest.approx(3 * found["good", "poor"].p)
    assert found["good", "poor"].difference == pytest.approx(1 - outcomes["poor"].mean())
    assert all_pairs({"alone": np.ones(60)}, songs) == {}


def outcomes_of_runs(rng, shares, songs=60):
    """Runs that are right with such shares: shape (runs, songs)."""
    return (rng.random((len(shares), songs)) < np.asarray(shares)[:, None]).astype(float)


def test_runs_that_differ_widen_the_interval_of_a_setting():
    rng = np.random.default_rng(1)
    luck, songs = rng.random((1, 200)), song_names(200)
    alike = (luck < np.full((3, 1), 0.67)).astype(float)
    unlike = (luck < np.array([[0.4], [0.8], [0.81]])).astype(float)
    other = outcomes_of_runs(rng, [0.5, 0.5, 0.5], 200)
    found = all_pairs({"alike": alike, "unlike": unlike, "other": other}, songs, permutations=50, of_settings=True)
    steady, swinging = found["alike", "other"], found["unlike", "other"]
    assert steady.difference == pytest.approx(swinging.difference, abs=0.02)
    assert swinging.high - swinging.low > 3 * (steady.high - steady.low)


def test_settings_whose_runs_answer_every_song_alike_are_compared_by_welchs_test():
    # Each run is as good on all songs, so that songs add nothing.
    a, b = np.array([0.3, 0.5, 0.55]), np.array([0.6, 0.62, 0.71, 0.66])
    rows = {"a": np.tile(a[:, None], 20), "b": np.tile(b[:, None], 20)}
    found = all_pairs(rows, song_names(20), is_share=False, of_settings=True)["a", "b"]
    expected = scipy.stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.runs_a, found.runs_b) == (3, 4)


def test_settings_whose_runs_are_all_alike_are_compared_by_song():
    gains = np.random.default_rng(0).normal(0.1, 0.3, 40)
    rows = {"a": np.tile(gains, (3, 1)), "b": np.zeros((3, 40))}
    found = all_pairs(rows, song_names(40), is_share=False, of_settings=True)["a", "b"]
    interval = scipy.stats.ttest_1samp(gains, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    right = all_pairs({"a": np.ones((3, 4)), "b": np.zeros((3, 4))}, song_names(4), of_settings=True)["a", "b"]
    assert right.p == pytest.approx(2 / 2**4)


def test_a_song_of_many_items_counts_as_one_song_for_settings_too():
    rng = np.random.default_rng(2)
    once = {name: rng.normal(0, 1, (3, 30)) for name in "ab"}
    thrice = {name: np.repeat(rows, 3, axis=1) for name, rows in once.items()}
    one = all_pairs(once, song_names(30), is_share=False, of_settings=True)["a", "b"]
    three = all_pairs(thrice, song_names(30, 3), is_share=False, of_settings=True)["a", "b"]
    assert (one.low, one.high, one.p) == pytest.approx((three.low, three.high, three.p))


@pytest.mark.parametrize("runs", [(1, 1), (2, 3), (3, 1)])
def test_with_fewer_than_three_runs_of_a_setting_nothing_is_said(runs):
    rng = np.random.default_rng(0)
    few, many = (outcomes_of_runs(rng, [share] * count) for share, count in zip((0.1, 0.9), runs, strict=True))
    settings = {"few": few, "many": many, "third": np.ones((3, 60)), "fourth": outcomes_of_runs(rng, [0.5] * 3)}
    found = all_pairs(settings, song_names(60), of_settings=True)
    pair = found["few", "many"]
    assert np.isnan([pair.p, pair.p_holm, pair.low, pair.high]).all()
    assert pair.difference == pytest.approx(few.mean() - many.mean())
    # Only pairs that are tested are corrected for.
    judged = [difference for difference in found.values() if np.isfinite(difference.p)]
    assert [p.p_holm for p in judged] == pytest.approx(holm([p.p for p in judged]))
    assert found["third", "fourth"].p_holm < 0.05


def test_identical_settings_are_seldom_called_different_and_different_ones_often():
    # Seeds spread by 5 points, as in short runs; songs alone would call a third of such pairs different.
    rng, songs = np.random.default_rng(0), song_names(120)

    def called(gap, trials=300):
        by_run, by_song = 0, 0
        for _ in range(trials):
            hard = rng.normal(0, 0.15, 120)
            a, b = (
                (rng.random((3, 120)) < middle + rng.normal(0, 0.05, (3, 1)) + hard).astype(float)
                for middle in (0.5 + gap, 0.5)
            )
            means = {"a": a.mean(axis=0), "b": b.mean(axis=0)}
            by_run += all_pairs({"a": a, "b": b}, songs, 10, 200, of_settings=True)["a", "b"].p < 0.05
            by_song += all_pairs(means, songs, 10, 200)["a", "b"].p < 0.05
        return by_run / trials, by_song / trials

    by_run, by_song = called(gap=0.0)
    assert by_run <= 0.07
    assert by_song > 0.15
    assert called(gap=0.3, trials=100)[0] > 0.9


def test_several_runs_are_no_single_trained_model():
    with pytest.raises(ValueError, match="'a' has several runs"):
        all_pairs({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, song_names(3))


def test_runs_of_other_items_are_refused():
    with pytest.raises(ValueError, match="same items"):
        all_pairs({"a": np.ones((2, 3)), "b": np.ones((2, 4))}, song_names(3))
