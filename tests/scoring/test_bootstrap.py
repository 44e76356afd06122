"""Intervals draw songs, not items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mixlab.scoring import SongBootstrap
from mixlab.scoring.bootstrap import edge_interval
from mixlab.scoring.paired import all_pairs


def test_independent_items_get_the_normal_interval():
    values = np.array([1.0] * 300 + [0.0] * 100)
    low, high = SongBootstrap([f"song{i}" for i in range(400)], resamples=4000).interval(values)
    half_width = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half_width, abs=0.006)
    assert high == pytest.approx(0.75 + half_width, abs=0.006)


def test_four_copies_of_a_song_s_item_do_not_narrow_the_interval():
    values = np.random.default_rng(0).random(50)
    songs = [f"song{i}" for i in range(50)]
    once = SongBootstrap(songs).interval(values)
    assert SongBootstrap(np.repeat(songs, 4).tolist()).interval(np.repeat(values, 4)) == pytest.approx(once)


def test_it_equals_drawing_songs_one_by_one():
    rng = np.random.default_rng(1)
    songs = ["a", "a", "a", "b", "c", "c"]
    values = rng.random(6)
    means = SongBootstrap(songs, resamples=20000, seed=3).means(values)
    slow = []
    for _ in range(20000):
        drawn = rng.integers(3, size=3)
        slow.append(np.concatenate([values[[song == "abc"[i] for song in songs]] for i in drawn]).mean())
    assert np.quantile(means, [0.05, 0.5, 0.95]) == pytest.approx(np.quantile(slow, [0.05, 0.5, 0.95]), abs=0.02)


def test_items_to_which_an_outcome_does_not_apply_are_left_out():
    songs = ["a", "b", "c", "d"]
    assert SongBootstrap(songs).interval([0.5, np.nan, 0.5, np.nan]) == (0.5, 0.5)
    assert np.isnan(SongBootstrap(songs).interval([np.nan] * 4)).all()


def test_the_same_seed_gives_the_same_interval():
    songs, values = list("aabbccddee"), np.random.default_rng(0).random(10)
    assert SongBootstrap(songs, seed=1).interval(values) == SongBootstrap(songs, seed=1).interval(values)
    assert SongBootstrap(songs, seed=1).interval(values) != SongBootstrap(songs, seed=2).interval(values)


@given(songs=st.integers(1, 400), per_song=st.integers(1, 3), share=st.sampled_from([0.0, 1.0]))
def test_a_share_of_none_or_all_has_wilsons_interval_over_songs_however_many_items_a_song_has(songs, per_song, share):
    names = [f"song{i}" for i in range(songs)] * per_song
    low, high = SongBootstrap(names, resamples=10).interval([share] * len(names))
    wilson = binomtest(round(share * songs), songs).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
    assert low <= share <= high
    assert (low, high) == edge_interval(share, songs)


def test_none_of_24_songs_says_little_about_the_next_one():
    low, high = SongBootstrap([f"song{i}" for i in range(24)]).interval([0.0] * 24)
    # The rule of three: 3 / 24.
    assert low == 0
    assert high == pytest.approx(3 / 24, abs=0.02)


def test_decibels_and_shares_with_any_spread_keep_their_percentiles():
    songs = [f"song{i}" for i in range(24)]
    assert SongBootstrap(songs).interval([0.0] * 24, is_share=False) == (0.0, 0.0)
    one = SongBootstrap(songs).interval([1.0] + [0.0] * 23)
    assert one[0] == 0
    assert one[1] == pytest.approx(np.percentile(SongBootstrap(songs).means([1.0] + [0.0] * 23), 97.5))


def test_only_songs_to_which_a_share_applies_count_for_its_interval():
    values = [0.0, 0.0, *[np.nan] * 22]
    assert SongBootstrap([f"song{i}" for i in range(24)]).interval(values) == edge_interval(0.0, 2)


def test_a_difference_between_all_right_and_all_wrong_leaves_room_for_both():
    songs = [f"song{i}" for i in range(24)]
    found = all_pairs({"right": np.ones(24), "wrong": np.zeros(24), "too": np.zeros(24)}, songs, 50, 50)
    high = edge_interval(0.0, 24)[1]
    assert found["right", "wrong"].low == pytest.approx(1 - high * np.sqrt(2))
    assert found["right", "wrong"].high == 1
    assert (found["wrong", "too"].low, found["wrong", "too"].high) == pytest.approx((-high, high))
    decibels = all_pairs({"right": np.ones(24), "wrong": np.zeros(24)}, songs, 50, 50, is_share=False)["right", "wrong"]
    assert (decibels.low, decibels.high) == (1, 1)


def test_pairing_takes_out_what_songs_share():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 1.0, 200)
    songs = [f"song{i}" for i in range(200)]
    a, b = difficulty + 0.1 + rng.normal(0, 0.1, 200), difficulty + rng.normal(0, 0.1, 200)
    found = all_pairs({"a": a, "b": b, "a again": a}, songs, permutations=50)
    same, found = found["a", "a again"], found["a", "b"]
    assert found.low > 0
    assert found.low < found.difference < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.02 / 200), rel=0.2)
    assert same.low == same.high == 0
    assert (found.items, found.songs) == (200, 200)


def test_different_items_are_refused():
    with pytest.raises(ValueError, match="same items"):
        all_pairs({"a": [1.0, 0.0], "b": [1.0]}, ["a", "b"])
    with pytest.raises(ValueError, match="same items"):
        all_pairs({"a": [1.0], "b": [1.0]}, ["a", "b"])
    with pytest.raises(ValueError, match="at least one item"):
        SongBootstrap([])
    with pytest.raises(ValueError, match="each of 2 items"):
        SongBootstrap(["a", "b"]).means([1.0, 2.0, 3.0])
