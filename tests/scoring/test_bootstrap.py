"""Intervals draw songs, not items."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.scoring import SongBootstrap, paired_difference


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


def test_pairing_takes_out_what_songs_share():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 1.0, 200)
    songs = [f"song{i}" for i in range(200)]
    a, b = difficulty + 0.1 + rng.normal(0, 0.1, 200), difficulty + rng.normal(0, 0.1, 200)
    found = paired_difference(a, b, songs)
    assert found.is_clear
    assert found.low < found.difference < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.02 / 200), rel=0.2)
    assert not paired_difference(a, a, songs).is_clear
    assert (found.items, found.songs) == (200, 200)


def test_different_items_are_refused():
    with pytest.raises(ValueError, match="same items"):
        paired_difference([1.0, 0.0], [1.0], ["a", "b"])
    with pytest.raises(ValueError, match="same items"):
        paired_difference([1.0], [1.0], ["a", "b"])
    with pytest.raises(ValueError, match="at least one item"):
        SongBootstrap([])
    with pytest.raises(ValueError, match="each of 2 items"):
        SongBootstrap(["a", "b"]).means([1.0, 2.0, 3.0])
