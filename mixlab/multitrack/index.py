"""Room multitrack: the index of segments, a Parquet table of what each stem measures in each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mixlab.audio.levels import FLOOR_DBFS
from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs
from mixlab.multitrack.song import STEMS
from mixlab.multitrack.store import FRAME_S, SongStore, StoredSong
from mixlab.storage import write_whole

INDEX_VERSION = 1
"""Part of the key; raise it when other figures come from the same songs."""

MEASURES = ("lufs", "lufs_source", "level_dbfs", "active_ratio")
"""What is measured of a stem; in the table each has a column a stem, such as ``bass_lufs``."""


@dataclass(frozen=True)
class Measures:
    """What a stem measures in a segment, before any error.

    Attributes:
        lufs: BS.1770 loudness as the model hears it (mono, its rate); None where nothing passes the gates of BS.1770.
        lufs_source: the same as it is played: at the source's own rate and in the song's channels.
        level_dbfs: RMS as the model hears it.
        active_ratio: share of frames of 50 ms above the level that counts as active.
    """

    lufs: float | None
    lufs_source: float | None
    level_dbfs: float
    active_ratio: float


@dataclass(frozen=True)
class IndexRow:
    """A segment of the index: its start, the RMS of the mixture, and the measures of every stem of the song."""

    start_s: float
    mixture_dbfs: float
    stems: dict[str, Measures]


class SegmentIndex:
    """The segments of all songs of a store on one grid, whether active or not; gates are applied when it is read.

    Args:
        table: columns song_id, split, genre, licence, start_s, mixture_dbfs and those of `MEASURES` for each of
            the roles, null where the song lacks the stem; sorted by song and start.
        duration_s: length of a segment.
        roles: that stems of the songs can have, in their order.
    """

    def __init__(self, table: pa.Table, duration_s: float, roles: Sequence[str] = STEMS) -> None:
        self.table, self.duration_s, self.roles = table, duration_s, tuple(roles)
        names, starts, counts = np.unique(
            table.column("song_id").to_numpy(zero_copy_only=False).astype(str), return_index=True, return_counts=True
        )
        self._rows = {str(name): (int(s), int(n)) for name, s, n in zip(names, starts, counts, strict=True)}

    def of_song(self, song_id: str) -> Iterator[IndexRow]:
        """The segments of a song, by start."""
        for row in self.table.slice(*self._rows.get(song_id, (0, 0))).to_pylist():
            stems = {
                stem: Measures(**{name: row[f"{stem}_{name}"] for name in MEASURES})
                for stem in self.roles
                if row[f"{stem}_level_dbfs"] is not None
            }
            yield IndexRow(row["start_s"], row["mixture_dbfs"], dict(sorted(stems.items())))


def segment_index(store: SongStore, duration_s: float, step_s: float, active_frame_dbfs: float) -> SegmentIndex:
    """The index of a store's segments on a grid of `step_s`, read from its file or made.

    The file is named by a hash of songs' keys, splits and genres, roles and parameters, so it is never stale.

    Raises:
        StorageError: naming the folder, if it is full or read-only.
    """
    path = index_path(store, duration_s, step_s, active_frame_dbfs)
    if not path.is_file():
        songs = sorted(store.songs.values(), key=lambda song: song.song_id)
        rows = [_measure(store, song, duration_s, step_s, active_frame_dbfs) for song in songs]
        table = pa.concat_tables([_schema(store.roles).empty_table(), *rows])
        write_whole(path, lambda handle: pq.write_table(table, handle))
    return SegmentIndex(pq.read_table(path), duration_s, store.roles)


def index_path(store: SongStore, duration_s: float, step_s: float, active_frame_dbfs: float) -> Path:
    """The Parquet file of an index, whether it is made or not."""
    songs = [[s.song_id, s.key, s.split, s.genre, s.licence] for s in store.songs.values()]
    songs.sort(key=lambda song: song[0] or "")
    roles = [] if store.roles == STEMS else [store.roles]
    material = [INDEX_VERSION, duration_s, step_s, active_frame_dbfs, songs, *roles]
    key = hashlib.sha256(json.dumps(material).encode()).hexdigest()[:24]
    return store.cache_dir / "segments" / f"{key}.parquet"


def _schema(roles: Sequence[str]) -> pa.Schema:
    texts = [(name, pa.string()) for name in ("song_id", "split", "genre", "licence")]
    numbers = ["start_s", "mixture_dbfs", *(f"{stem}_{name}" for stem in roles for name in MEASURES)]
    return pa.schema([*texts, *((name, pa.float64()) for name in numbers)])


def _measure(
    store: SongStore, song: StoredSong, duration_s: float, step_s: float, active_frame_dbfs: float
) -> pa.Table:
    """The rows of one song; none where it is shorter than a segment."""
    starts = np.arange(0.0, song.duration_s - duration_s + 1e-6, step_s).round(3)
    levels = store.levels(song.song_id)
    power = _windows(levels.power, starts, duration_s, FRAME_S)
    columns: dict[str, Any] = {
        "song_id": [song.song_id] * len(starts),
        "split": [song.split] * len(starts),
        "genre": [song.genre] * len(starts),
        "licence": [song.licence] * len(starts),
        "start_s": starts,
        "mixture_dbfs": _power_to_db(power[-1].mean(axis=-1)),
    }
    lufs = integrated_lufs(_windows(levels.k_power, starts, duration_s, POWER_HOP_S))
    lufs_source = integrated_lufs(_windows(levels.k_power_source, starts, duration_s, POWER_HOP_S))
    for row, stem in enumerate(song.stems):
        columns |= {
            f"{stem}_lufs": _finite_or_null(lufs[row]),
            f"{stem}_lufs_source": _finite_or_null(lufs_source[row]),
            f"{stem}_level_dbfs": _power_to_db(power[row].mean(axis=-1)),
            f"{stem}_active_ratio": (_power_to_db(power[row]) > active_frame_dbfs).mean(axis=-1),
        }
    schema = _schema(store.roles)
    arrays = [
        pa.array(columns[name], type=schema.field(name).type)
        if name in columns
        else pa.nulls(len(starts), schema.field(name).type)
        for name in schema.names
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _windows(
    track: NDArray[np.float32], starts: NDArray[np.float64], duration_s: float, hop_s: float
) -> NDArray[np.float64]:
    """The stretch of a level track at each start: (rows, hops of the song) to (rows, starts, hops of a segment)."""
    length = round(duration_s / hop_s)
    firsts = np.array([round(start / hop_s) for start in starts], dtype=int)
    if not len(firsts):
        return np.zeros((track.shape[0], 0, length))
    track = np.pad(track, ((0, 0), (0, max(0, firsts[-1] + length - track.shape[1]))))
    return track.astype(np.float64)[:, firsts[:, None] + np.arange(length)]


def _finite_or_null(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _power_to_db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DBFS / 10.0)))
