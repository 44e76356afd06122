"""Splits of a folder of songs: by song, by seed, and none without a song; and three real songs, where they are."""

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import ConfigError
from mixlab.multitrack.folder import FolderSong, FolderSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments

MULTITRACKS = os.environ.get("MIXLAB_MULTITRACKS")


def fake_source(songs: int, **arguments) -> FolderSource:
    """A source whose listing is given, so that a split of many songs needs no files."""
    source = FolderSource("unused", **arguments)
    source.__dict__["_songs"] = {f"song {index:03d}": FolderSong() for index in range(songs)}
    return source


@given(st.integers(3, 200), st.floats(0.01, 0.49), st.floats(0.01, 0.49), st.integers(0, 1000))
def test_every_song_has_one_split_and_every_split_a_song(songs, validation_share, test_share, seed):
    source = fake_source(songs, validation_share=validation_share, test_share=test_share, seed=seed)
    counts = Counter(entry.split for entry in source.entries())
    assert sum(counts.values()) == songs
    assert set(counts) == {"train", "validation", "test"}
    assert counts["test"] <= max(1, round(test_share * songs))


def test_shares_round_to_whole_songs():
    counts = Counter(entry.split for entry in fake_source(100).entries())
    assert counts == {"train": 60, "validation": 15, "test": 25}


def test_the_same_seed_splits_alike_and_another_one_differently():
    def splits(seed):
        return [entry.split for entry in fake_source(40, seed=seed).entries()]

    assert splits(1) == splits(1)
    assert splits(1) != splits(2)


def test_a_share_of_zero_is_no_split():
    source = fake_source(2, validation_share=0.0)
    assert sorted(entry.split for entry in source.entries()) == ["test", "train"]
    source = fake_source(1, validation_share=0.0, test_share=0.0)
    assert [entry.split for entry in source.entries()] == ["train"]


@pytest.mark.parametrize("songs", [1, 2])
def test_fewer_songs_than_splits_is_said(songs):
    with pytest.raises(
        ConfigError, match=rf"holds {songs} song\(s\).*needs 3; add songs or set dataset.validation_share"
    ):
        fake_source(songs).entries()


@pytest.mark.skipif(not MULTITRACKS, reason="MIXLAB_MULTITRACKS is not set: no real multitracks to read")
def test_the_three_real_songs_are_listed_and_hydrogen_has_no_bass():
    songs = {
        entry.song_id.split(" - ")[-1]: {role for _, role, _ in entry.details["tracks"]}
        for entry in FolderSource(MULTITRACKS).entries()
    }
    everything = {"bass", "drums", "vocals", "other"}
    assert songs == {"Hydrogen": everything - {"bass"}, "Lithium": everything, "Potassium": everything}


@pytest.mark.skipif(not MULTITRACKS, reason="MIXLAB_MULTITRACKS is not set: no real multitracks to read")
def test_the_default_split_of_the_real_songs_trains_and_tests_on_songs_with_a_bass():
    splits = {
        entry.split: {role for _, role, _ in entry.details["tracks"]} for entry in FolderSource(MULTITRACKS).entries()
    }
    assert set(splits) == {"train", "validation", "test"}
    assert "bass" in splits["train"] & splits["test"]


@pytest.mark.slow
@pytest.mark.skipif(not MULTITRACKS, reason="MIXLAB_MULTITRACKS is not set: no real multitracks to read")
def test_a_real_song_without_the_anchor_is_counted_and_others_give_segments(tmp_path):
    store = prepare(FolderSource(MULTITRACKS), tmp_path, 16000, workers=1)
    segments, dropped = list_segments(store, list(store.songs.values()), "bass", 10.0, 1.0, Gates())
    assert dropped["songs_without_anchor"] == 1
    assert {segment.song_id.split(" - ")[-1] for segment in segments} == {"Lithium", "Potassium"}
    with_drums, dropped = list_segments(store, list(store.songs.values()), "drums", 10.0, 1.0, Gates())
    assert "songs_without_anchor" not in dropped
    assert len({segment.song_id for segment in with_drums}) == 3
