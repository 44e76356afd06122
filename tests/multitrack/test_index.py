"""The index of segments and the statistics of a data set: what stems measure, before any error and any gate."""

import numpy as np
import pyarrow.parquet as pq
import pyloudnorm
import pytest

from mixlab.audio.levels import rms_dbfs
from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.multitrack.index import index_path, segment_index
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry
from mixlab.multitrack.statistics import statistics
from mixlab.multitrack.store import SongStore

RATE, SOURCE_RATE = 16000, 44100
GRID = (10.0, 1.0, -60.0)


class Songs:
    """Songs of noise at 44.1 kHz in stereo, from a level in dBFS of each stem; the channels are not alike."""

    roles = STEMS

    def __init__(self, songs, genres=None, split="train"):
        self.songs, self.genres, self.split = songs, genres or {}, split

    def identity(self, entry):
        return {"levels_dbfs": self.songs[entry.song_id]}

    def files(self, entry):
        return ()

    def entries(self):
        return [SongEntry(name, self.split, genre=self.genres.get(name)) for name in sorted(self.songs)]

    def load(self, entry):
        rng = np.random.default_rng(0)
        stems = {}
        for stem, level_dbfs in self.songs[entry.song_id].items():
            noise = rng.standard_normal((2, 12 * SOURCE_RATE)) * 10 ** (level_dbfs / 20)
            stems[stem] = noise.astype(np.float32)
        return LoadedSong(stems, SOURCE_RATE)


@pytest.fixture
def store(tmp_path):
    songs = {"a": {"bass": -20.0, "drums": -14.0}, "b": {"bass": -20.0, "drums": -18.0, "vocals": -90.0}}
    return prepare(Songs(songs, {"a": "rock"}), tmp_path, RATE, workers=1)


def test_a_row_measures_each_stem_as_the_source_has_it_and_as_the_model_hears_it(store):
    source = Songs({"a": {"bass": -20.0, "drums": -14.0}}).load(SongEntry("a", "train"))
    first, *rest = segment_index(store, *GRID).of_song("a")
    assert [first.start_s, *(row.start_s for row in rest)] == [0.0, 1.0, 2.0]
    segment = source.stems["drums"][:, : 10 * SOURCE_RATE]
    meter = pyloudnorm.Meter(SOURCE_RATE)
    assert first.stems["drums"].lufs_source == pytest.approx(meter.integrated_loudness(segment.T), abs=0.05)
    heard = store.read("a", ["drums"], 0.0, 10.0)["drums"]
    assert first.stems["drums"].lufs == pytest.approx(
        float(integrated_lufs(k_weighted_power(heard[None], RATE))), abs=1e-3
    )
    assert first.stems["drums"].level_dbfs == pytest.approx(rms_dbfs(heard), abs=1e-3)
    # Channels that differ lose 3 dB in the downmix, and what lies above 8 kHz is not heard.
    assert first.stems["drums"].lufs < first.stems["drums"].lufs_source - 3.0


def test_a_stem_that_a_song_lacks_has_no_measures_and_a_silent_one_no_loudness(store):
    (a, *_), (b, *_) = (segment_index(store, *GRID).of_song(song) for song in "ab")
    assert set(a.stems) == {"bass", "drums"}
    assert b.stems["vocals"].lufs is None
    assert b.stems["vocals"].active_ratio == 0.0


def test_the_index_is_one_parquet_file_whose_bytes_do_not_depend_on_when_it_is_made(store):
    segment_index(store, *GRID)
    path = index_path(store, *GRID)
    before = path.read_bytes()
    assert pq.read_table(path).num_rows == 6
    path.unlink()
    segment_index(store, *GRID)
    assert path.read_bytes() == before


def test_another_grid_or_another_genre_has_another_file(store, tmp_path):
    paths = {index_path(store, *GRID), index_path(store, 5.0, 1.0, -60.0), index_path(store, 10.0, 2.0, -60.0)}
    songs = {"a": {"bass": -20.0, "drums": -14.0}, "b": {"bass": -20.0, "drums": -18.0, "vocals": -90.0}}
    paths.add(index_path(prepare(Songs(songs, {"a": "jazz"}), tmp_path, RATE, workers=1), *GRID))
    assert len(paths) == 4


def test_statistics_tell_balance_by_genre_with_a_song_counting_once(store):
    found = statistics(segment_index(store, *GRID), Gates())
    balance = found["relative_lufs"]["train"]
    assert balance["rock"]["drums-bass"]["p50"] == pytest.approx(6.0, abs=0.1)
    assert balance["unknown"]["drums-bass"]["p50"] == pytest.approx(2.0, abs=0.1)
    expected = {"songs": 2, "p5": 2.2, "p25": 3.0, "p50": 4.0, "p75": 5.0, "p95": 5.8}
    assert balance["all"]["drums-bass"] == pytest.approx(expected, abs=0.1)
    assert "vocals-bass" not in balance["all"]


def test_statistics_count_what_each_gate_drops(store):
    gates = statistics(segment_index(store, *GRID), Gates(mixture_dbfs=-22.0))["gates"]["train"]
    assert gates["segments"] == 6
    assert gates["mixture_too_quiet"] == 3
    assert gates["stems"]["vocals"] == {"songs_without": 1, "too_quiet": 0, "rarely_active": 0, "segments_as_anchor": 0}
    loose = statistics(segment_index(store, *GRID), Gates(mixture_dbfs=-60.0))["gates"]["train"]
    assert loose["stems"]["vocals"]["too_quiet"] == 3
    assert loose["stems"]["bass"]["segments_as_anchor"] == 6


def test_statistics_are_json_and_percentiles_ascend(store):
    measures = statistics(segment_index(store, *GRID), Gates())["stems"]["train"]["bass"]
    assert (measures["songs"], measures["segments"]) == (2, 6)
    for name in ("lufs", "lufs_source", "level_dbfs", "active_ratio"):
        values = list(measures[name].values())
        assert values == sorted(values)


def test_a_data_set_with_roles_of_its_own_has_its_own_columns_pairs_and_file(store, tmp_path):
    roles = ("bass", "other_keys", "wind")
    own = Songs({"a": {"bass": -20.0, "other_keys": -14.0}, "b": {"wind": -18.0, "bass": -20.0}})
    own.roles = roles
    index = segment_index(prepare(own, tmp_path / "own", RATE, workers=1), *GRID)
    assert index.roles == roles
    assert [name for name in index.table.schema.names if name.endswith("_lufs")] == [f"{role}_lufs" for role in roles]
    assert set(next(iter(index.of_song("b"))).stems) == {"bass", "wind"}
    found = statistics(index, Gates())
    assert found["roles"] == list(roles)
    assert set(found["relative_lufs"]["train"]["all"]) == {"other_keys-bass", "wind-bass"}
    assert found["relative_lufs"]["train"]["all"]["other_keys-bass"]["p50"] == pytest.approx(6.0, abs=0.1)
    assert found["gates"]["train"]["stems"]["wind"]["songs_without"] == 1


def test_the_roles_are_part_of_an_indexs_name_unless_they_are_the_usual_four(store):
    songs = list(store.songs.values())
    usual, own = SongStore(store.cache_dir, songs), SongStore(store.cache_dir, songs, ("drums", "bass", "vocals"))
    assert index_path(usual, *GRID) == index_path(store, *GRID) != index_path(own, *GRID)
    names = segment_index(usual, *GRID).table.schema.names
    assert names[:7] == ["song_id", "split", "genre", "licence", "start_s", "mixture_dbfs", "bass_lufs"]
    assert len(names) == 6 + 16
