"""Splits by artist and by folder: whole artists, shares kept where they can be, and no split without songs."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import ConfigError
from mixlab.multitrack.splits import by_artist, by_folder, by_song, folder_patterns

ROOT = Path("/songs")
shares = st.fixed_dictionaries({"validation": st.floats(0.01, 0.45), "test": st.floats(0.01, 0.45)})
sizes = st.lists(st.integers(1, 12), min_size=3, max_size=30)


def artists_of(sizes: list[int]) -> dict[str, str]:
    """Songs of artists that have so many each."""
    return {f"song {artist}-{song}": f"artist {artist}" for artist, size in enumerate(sizes) for song in range(size)}


@given(sizes=sizes, shares=shares, seed=st.integers(0, 1000))
def test_all_songs_of_an_artist_are_in_one_split_and_no_split_is_empty(sizes, shares, seed):
    artists = artists_of(sizes)
    splits = by_artist(artists, shares, seed, ROOT)
    assert splits.keys() == artists.keys()
    assert set(splits.values()) == {"train", "validation", "test"}
    assert len({(artists[song], split) for song, split in splits.items()}) == len(sizes)


@given(sizes=sizes, shares=shares, seed=st.integers(0, 1000))
def test_a_share_is_exceeded_only_by_a_splits_only_artist(sizes, shares, seed):
    artists = artists_of(sizes)
    splits = by_artist(artists, shares, seed, ROOT)
    for split, share in shares.items():
        songs = [song for song in splits if splits[song] == split]
        if len({artists[song] for song in songs}) > 1:
            assert len(songs) <= max(1, round(share * len(artists)))


def test_shares_are_met_where_artists_have_few_songs():
    splits = by_artist(artists_of([2] * 50), {"validation": 0.16, "test": 0.24}, 0, ROOT)
    assert Counter(splits.values()) == {"train": 60, "validation": 16, "test": 24}


def test_the_same_seed_splits_artists_alike_and_another_one_differently():
    def split(seed):
        return by_artist(artists_of([1, 2, 3, 4] * 5), {"validation": 0.2, "test": 0.2}, seed, ROOT)

    assert split(1) == split(1)
    assert split(1) != split(2)


def test_the_order_in_which_songs_are_given_changes_no_split():
    artists = artists_of([3, 1, 2, 5, 4])
    backwards = dict(reversed(artists.items()))
    assert by_artist(artists, {"test": 0.3}, 3, ROOT) == by_artist(backwards, {"test": 0.3}, 3, ROOT)


def test_a_share_of_zero_takes_no_artist():
    splits = by_artist(artists_of([2, 2]), {"validation": 0.0, "test": 0.5}, 0, ROOT)
    assert Counter(splits.values()) == {"train": 2, "test": 2}


def test_fewer_artists_than_splits_is_said_however_many_songs_there_are():
    with pytest.raises(
        ConfigError, match=r"holds songs of 2 artist\(s\).*needs 3.*set dataset\.validation_share or .*"
    ):
        by_artist(artists_of([50, 50]), {"validation": 0.1, "test": 0.1}, 0, ROOT)


def test_songs_split_one_by_one_where_no_artist_is_known():
    songs = [f"song {number:02d}" for number in range(20)]
    assert Counter(by_song(songs, {"validation": 0.2, "test": 0.3}, 0, ROOT).values()) == {
        "train": 10,
        "validation": 4,
        "test": 6,
    }


# --- by folder ---


def test_songs_are_in_the_split_whose_pattern_they_match_and_others_in_none():
    patterns = folder_patterns({"train": ["train/*", "more/*"], "test": ["Test/*"]})
    splits = by_folder(["more/a", "omitted/b", "test/c", "train/d"], patterns, ROOT)
    assert splits == {"more/a": "train", "test/c": "test", "train/d": "train"}


def test_a_song_in_two_splits_is_named():
    patterns = folder_patterns({"train": ["*"], "test": ["test/*"]})
    with pytest.raises(ConfigError, match=r"'test/c' matches dataset\.splits\.train and dataset\.splits\.test; narrow"):
        by_folder(["test/c", "train/d"], patterns, ROOT)


def test_a_split_without_songs_is_named():
    patterns = folder_patterns({"train": ["train/*"], "test": ["test/*"]})
    with pytest.raises(
        ConfigError, match=r"^/songs holds no songs that match dataset\.splits\.test \(test/\*\); correct"
    ):
        by_folder(["train/d"], patterns, ROOT)


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"test": ["*"]}, r"dataset\.splits is .*; set it to patterns of songs for train, validation and test"),
        (["train"], r"dataset\.splits is \['train'\]; set it to patterns"),
        ({"train": ["a"], "dev": ["b"]}, r"names the split 'dev'; the splits are train, validation, test"),
        ({"train": []}, r"dataset\.splits\.train is an empty list"),
        ({"train": "train/*"}, r"dataset\.splits\.train is 'train/\*'; set it to a list"),
    ],
)
def test_splits_that_cannot_work_are_named_by_their_key(splits, says):
    with pytest.raises(ConfigError, match=says):
        folder_patterns(splits)
