"""Room multitrack: the store, which holds every song as the model hears it (mono, one rate) in memory-mapped files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs
from mixlab.multitrack.song import STEMS, as_float32

FRAME_S = 0.05
"""Frame of the level track that the activity gate reads."""

OPEN_SONGS = 256
"""Songs whose files a store keeps mapped in a process, below the usual limit on open files. What they hold lies in the
page cache, which all processes share."""

KEPT_TRACKS = 4096
"""Songs whose loudness a store keeps in a process: a few kB a minute each."""


@dataclass(frozen=True)
class StoredSong:
    """What the store knows of a song beside its samples.

    Attributes:
        sample_rate: of the stored samples, in Hz.
        song_lufs: integrated loudness of each stem over the whole song as it is played: at the source's own rate, in as
            many channels as the song has; minus infinity for a silent stem.
        key: names the song's files; a hash of everything that decides their bytes.
        notes: sentences on what the model hears of it otherwise than people do.
        work: what it shares with other mixes of the same music; empty where there are none.
    """

    song_id: str
    split: str
    genre: str | None
    licence: str | None
    stems: tuple[str, ...]
    sample_rate: int
    duration_s: float
    song_lufs: Mapping[str, float]
    key: str
    notes: tuple[str, ...] = ()
    work: str = ""


@dataclass(frozen=True)
class Levels:
    """Level tracks of a stored song, before any error.

    Attributes:
        k_power: K-weighted mean square of each stem at the model's rate, in mono, in steps of 0.1 s: (stems, hops).
        k_power_source: the same as it is played: at the source's own rate, summed over the song's channels.
        power: mean square at the model's rate in steps of `FRAME_S`: (stems + 1, frames); the last row is the mixture.
    """

    k_power: NDArray[np.float32]
    k_power_source: NDArray[np.float32]
    power: NDArray[np.float32]


class SongStore:
    """Songs of one source, read by segment from memory-mapped files. Build it with `preparation.prepare`.

    Args:
        cache_dir: the store's files are in its folder ``songs``, indices of segments in ``segments``.
        roles: that stems of the songs can have, in their order.
        notes: sentences on what of the source is not served, or not as one may think.
    """

    def __init__(
        self, cache_dir: Path, songs: Sequence[StoredSong], roles: Sequence[str] = STEMS, notes: Sequence[str] = ()
    ) -> None:
        self.cache_dir, self.roles, self.notes = cache_dir, tuple(roles), tuple(notes)
        self.folder = song_folder(cache_dir)
        self.songs = {song.song_id: song for song in songs}
        self._maps: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._k_power: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files: a worker opens its own."""
        return self.__dict__ | {"_maps": OrderedDict(), "_k_power": OrderedDict()}

    def split(self, name: str) -> list[StoredSong]:
        """The songs of a split, sorted by id."""
        return sorted((song for song in self.songs.values() if song.split == name), key=lambda song: song.song_id)

    def read(
        self, song_id: str, stems: Iterable[str], start_s: float, duration_s: float
    ) -> dict[str, NDArray[np.float32]]:
        """Samples of a segment's stems, each of shape (samples,), float32, zero-padded past the end of the song.

        What is stored as float32 is not copied: its arrays are views of the file, and read-only.
        """
        song = self.songs[song_id]
        start = round(start_s * song.sample_rate)
        length = round(duration_s * song.sample_rate)
        stored = self._mapped(song.key)
        segment = {}
        for stem in stems:
            samples = as_float32(stored[song.stems.index(stem), start : start + length])
            segment[stem] = np.pad(samples, (0, length - samples.size)) if samples.size < length else samples
        return segment

    def _mapped(self, key: str) -> NDArray[Any]:
        """The samples of a song, shape (stems, samples), mapped; the `OPEN_SONGS` that were read last stay open."""
        if key not in self._maps:
            # As a plain array, since slices of numpy's own class for mapped files cost as much as reading a short one.
            self._maps[key] = np.asarray(np.load(self.folder / f"{key}.npy", mmap_mode="r", allow_pickle=False))
            if len(self._maps) > OPEN_SONGS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        return self._maps[key]

    def lufs(self, song_id: str, stems: Iterable[str], start_s: float, duration_s: float) -> dict[str, float]:
        """Integrated loudness of a segment's stems as the model hears them, in steps of `POWER_HOP_S` of the song."""
        song = self.songs[song_id]
        if song.key not in self._k_power:
            self._k_power[song.key] = self.levels(song_id).k_power
            if len(self._k_power) > KEPT_TRACKS:
                self._k_power.popitem(last=False)
        self._k_power.move_to_end(song.key)
        first, hops = round(start_s / POWER_HOP_S), round(duration_s / POWER_HOP_S)
        own = list(stems)
        rows = [song.stems.index(stem) for stem in own]
        tracks = self._k_power[song.key][rows, first : first + hops].astype(np.float64)
        return dict(zip(own, integrated_lufs(tracks).tolist(), strict=True))

    def levels(self, song_id: str) -> Levels:
        """The level tracks of a song."""
        with np.load(self.folder / f"{self.songs[song_id].key}.levels.npz", allow_pickle=False) as tracks:
            return Levels(tracks["k_power"], tracks["k_power_source"], tracks["power"])


def song_folder(cache_dir: Path) -> Path:
    """Where the files of stored songs lie."""
    return Path(cache_dir) / "songs"
