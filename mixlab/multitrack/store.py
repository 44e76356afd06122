"""Room multitrack: the store, which holds every song as the model hears it (mono, one rate) in memory-mapped files."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import resample, to_mono
from mixlab.audio.loudness import integrated_lufs, k_weighted_power, mean_square
from mixlab.errors import InputFileError, MixlabError
from mixlab.multitrack.song import LoadedSong, MultitrackSource, SongEntry

STORE_VERSION = 1
"""Part of the key; raise it when what is stored changes."""

FRAME_S = 0.05
"""Frame of the level track that the activity gate reads."""

OPEN_SONGS = 256
"""Songs whose files a store keeps mapped in a process, below the usual limit on open files. What they hold lies in the
page cache, which all processes share."""

_INT16_SCALE = np.float32(1.0 / 32768.0)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredSong:
    """What the store knows of a song beside its samples.

    `song_lufs` is the integrated loudness of each stem over the whole song, at the source's own rate and channels.
    """

    song_id: str
    split: str
    genre: str | None
    licence: str | None
    stems: tuple[str, ...]
    sample_rate: int
    duration_s: float
    song_lufs: Mapping[str, float]
    file: str


@dataclass(frozen=True)
class Levels:
    """Level tracks of a stored song at the model's rate, before any error.

    Attributes:
        k_power: K-weighted mean square in steps of 0.1 s, shape (stems, hops).
        power: mean square in steps of `FRAME_S`, shape (stems + 1, frames); the last row is the mixture.
    """

    k_power: NDArray[np.float32]
    power: NDArray[np.float32]


class SongStore:
    """Songs of one source, read by segment from memory-mapped files. Build it with `prepare`."""

    def __init__(self, folder: Path, songs: Sequence[StoredSong]) -> None:
        self.folder = folder
        self.songs = {song.song_id: song for song in songs}
        self._maps: OrderedDict[str, NDArray[Any]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files: a worker opens its own."""
        return self.__dict__ | {"_maps": OrderedDict()}

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
        stored = self._mapped(song.file)
        segment = {}
        for stem in stems:
            samples = as_float32(stored[song.stems.index(stem), start : start + length])
            segment[stem] = np.pad(samples, (0, length - samples.size)) if samples.size < length else samples
        return segment

    def _mapped(self, file: str) -> NDArray[Any]:
        """The samples of a song, shape (stems, samples), mapped; the `OPEN_SONGS` that were read last stay open."""
        if file not in self._maps:
            # As a plain array, since slices of numpy's own class for mapped files cost as much as reading a short one.
            self._maps[file] = np.asarray(np.load(self.folder / f"{file}.npy", mmap_mode="r", allow_pickle=False))
            if len(self._maps) > OPEN_SONGS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(file)
        return self._maps[file]

    def levels(self, song_id: str) -> Levels:
        """The level tracks of a song."""
        with np.load(self.folder / f"{self.songs[song_id].file}.levels.npz", allow_pickle=False) as tracks:
            return Levels(k_power=tracks["k_power"], power=tracks["power"])


def as_float32(samples: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
    """Samples as float32 with full scale at 1: 16-bit integers are scaled, floats are left where they are."""
    if samples.dtype == np.int16:
        return np.multiply(samples, _INT16_SCALE, dtype=np.float32)
    return np.asarray(samples, dtype=np.float32)


def prepare(source: MultitrackSource, cache_dir: Path, sample_rate: int, workers: int) -> SongStore:
    """Bring every song of `source` into the store, in parallel, skipping what is already there.

    The folder's name is a hash of the source's fingerprint and the parameters, so a store is never stale; a song counts
    as stored once its description is written (last, atomically), so a killed preparation goes on where it stopped.

    Raises:
        InputFileError: naming the file, if a song cannot be read. What is stored by then is kept.
        MixlabError: if the source has no songs.
    """
    key_material = {"store": STORE_VERSION, "sample_rate": sample_rate, "source": source.fingerprint()}
    key = hashlib.sha256(json.dumps(key_material, sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = Path(cache_dir) / key
    entries = source.entries()
    if not entries:
        raise MixlabError(f"The source {source!r} has no songs; check dataset.root.")
    folder.mkdir(parents=True, exist_ok=True)
    missing = [entry for entry in entries if not (folder / f"{_file_stem(entry)}.json").is_file()]
    if missing:
        log.info("Preparing %d of %d songs in %s", len(missing), len(entries), folder)
        _store_all(source, missing, folder, sample_rate, workers)
    return SongStore(folder, [_load_record(folder, entry) for entry in entries])


def _load_record(folder: Path, entry: SongEntry) -> StoredSong:
    """The description of a stored song; its split, genre and licence are those that the source gives it now."""
    record = json.loads((folder / f"{_file_stem(entry)}.json").read_text())
    listed = {"split": entry.split, "genre": entry.genre, "licence": entry.licence}
    return StoredSong(**{**record, "stems": tuple(record["stems"]), **listed})


def _file_stem(entry: SongEntry) -> str:
    """A short file name that any song id maps to (ids may be long or hold any character)."""
    return hashlib.sha256(entry.song_id.encode()).hexdigest()[:16]


def _store_all(
    source: MultitrackSource, entries: Sequence[SongEntry], folder: Path, sample_rate: int, workers: int
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("Preparing songs", total=len(entries))
        if workers <= 1 or len(entries) < 8:
            for entry in entries:
                _store_one(source, entry, folder, sample_rate)
                progress.advance(task)
            return
        # Spawned, not forked: the parent may already run threads (torch, a progress bar).
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
            jobs = [pool.submit(_store_one, source, entry, folder, sample_rate) for entry in entries]
            try:
                for job in as_completed(jobs):
                    job.result()
                    progress.advance(task)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _store_one(source: MultitrackSource, entry: SongEntry, folder: Path, sample_rate: int) -> None:
    loaded = source.load(entry)
    _check(entry, loaded)
    stems = tuple(sorted(loaded.stems))
    heard = np.stack([_as_heard(loaded.stems[stem], loaded.sample_rate, sample_rate) for stem in stems])
    floats = as_float32(heard)
    song = StoredSong(
        song_id=entry.song_id,
        split=entry.split,
        genre=entry.genre,
        licence=entry.licence,
        stems=stems,
        sample_rate=sample_rate,
        duration_s=heard.shape[1] / sample_rate,
        song_lufs={
            stem: float(integrated_lufs(k_weighted_power(as_float32(loaded.stems[stem]), loaded.sample_rate)))
            for stem in stems
        },
        file=_file_stem(entry),
    )
    k_power = np.stack([k_weighted_power(stem[None], sample_rate) for stem in floats])
    power = np.stack([mean_square(stem[None], sample_rate, FRAME_S) for stem in (*floats, floats.sum(axis=0))])
    _write_atomically(folder / f"{song.file}.npy", lambda handle: np.save(handle, heard, allow_pickle=False))
    k_power, power = k_power.astype(np.float32), power.astype(np.float32)
    _write_atomically(folder / f"{song.file}.levels.npz", lambda handle: np.savez(handle, k_power=k_power, power=power))
    record = json.dumps(asdict(song), allow_nan=True).encode()
    _write_atomically(folder / f"{song.file}.json", lambda handle: handle.write(record))


def _as_heard(samples, from_rate: int, to_rate: int):  # type: ignore[no-untyped-def]
    """One stem as the model hears it: mono at `to_rate`. What already is mono at that rate keeps its sample format."""
    if samples.shape[0] == 1 and from_rate == to_rate:
        return samples[0]
    return resample(to_mono(as_float32(samples)), from_rate, to_rate)


def _check(entry: SongEntry, loaded: LoadedSong) -> None:
    if not loaded.stems:
        raise InputFileError(f"The song '{entry.song_id}' has no stems; remove its folder or add stem files.")
    lengths = {stem: samples.shape[1] for stem, samples in loaded.stems.items()}
    if len(set(lengths.values())) != 1:
        raise InputFileError(f"The stems of '{entry.song_id}' differ in length ({lengths}); export them again.")


def _write_atomically(path: Path, write) -> None:  # type: ignore[no-untyped-def]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as handle:
        write(handle)
    temporary.replace(path)
