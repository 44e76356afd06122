"""Paired comparisons: tests by song against scipy, Holm's correction against statsmodels, intervals over seeds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
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


@settings(max_examples=15)  # statsmodels collects garbage at every call
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


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


def test_seeds_that_differ_widen_the_interval():
    songs = song_names(200)
    luck = np.random.default_rng(1).random((3, 200))
    poor, good = (luck[0] < 0.4).astype(float), (luck[1] < 0.8).astype(float)
    other = (luck[2] < 0.6).astype(float)
    methods = {"one": np.stack([good, good, good]), "several": np.stack([poor, good, good]), "other": other}
    found = all_pairs(methods, songs, permutations=50)
    one, several = found["one", "other"], found["several", "other"]
    assert one.difference == pytest.approx(good.mean() - other.mean())
    assert several.mean_a == pytest.approx((poor.mean() + 2 * good.mean()) / 3)
    assert several.high - several.low > 1.5 * (one.high - one.low)


def test_runs_of_other_items_are_refused():
    with pytest.raises(ValueError, match="same items"):
        all_pairs({"a": np.ones((2, 3)), "b": np.ones((2, 4))}, song_names(3))
