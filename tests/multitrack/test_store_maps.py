"""Reading from the store: maps stay open in a bounded number, travel to no other process, and nothing is copied."""

import pickle

import numpy as np
import pytest

from mixlab.multitrack import store as stores
from mixlab.multitrack.store import SongStore, song_folder


@pytest.fixture
def store(demo_store):
    """The demo songs, none of them read yet."""
    return SongStore(demo_store.cache_dir, list(demo_store.songs.values()))


def all_basses(store):
    return [store.read(song_id, ["bass"], 1.0, 2.0)["bass"].tobytes() for song_id in store.songs]


def test_only_the_songs_that_were_read_last_stay_open(store, monkeypatch):
    expected = all_basses(store)
    assert len(store._maps) == len(store.songs)
    monkeypatch.setattr(stores, "OPEN_SONGS", 3)
    few = SongStore(store.cache_dir, list(store.songs.values()))
    assert all_basses(few) == expected
    assert list(few._maps) == [song.key for song in list(store.songs.values())[-3:]]
    assert all_basses(few) == expected


def test_a_store_takes_no_open_file_to_a_worker(store):
    expected = all_basses(store)
    pickled = pickle.dumps(store)
    assert len(pickled) < 50_000
    assert all_basses(pickle.loads(pickled)) == expected


def test_samples_stored_as_float_are_views_of_the_file_that_nobody_can_change(tmp_path, store):
    song = next(iter(store.songs.values()))
    samples = np.random.default_rng(0).standard_normal((len(song.stems), 48000)).astype(np.float32)
    song_folder(tmp_path).mkdir()
    np.save(song_folder(tmp_path) / f"{song.key}.npy", samples)
    read = SongStore(tmp_path, [song]).read(song.song_id, ["drums"], 0.5, 1.0)["drums"]
    np.testing.assert_array_equal(read, samples[song.stems.index("drums"), 8000:24000])
    assert not read.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        read += 1.0
