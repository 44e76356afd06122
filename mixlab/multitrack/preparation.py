"""Room multitrack: brings songs into the store, in parallel; what was stored before an end of any kind stays."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mixlab.audio.hearing import Heard, hear
from mixlab.audio.loudness import integrated_lufs, k_weighted_power, mean_square
from mixlab.errors import InputFileError, MixlabError
from mixlab.multitrack.copies import equal_songs
from mixlab.multitrack.digests import DigestMemo
from mixlab.multitrack.song import LoadedSong, MultitrackSource, SongEntry, as_float32
from mixlab.multitrack.store import FRAME_S, SongStore, StoredSong, song_folder
from mixlab.multitrack.tracks import RoleSums, heard_notes
from mixlab.storage import remove_leftovers, storage_error, write_whole

STORE_VERSION = 2
"""Part of every key; raise it when what is stored changes."""

FEW_SONGS = 8
"""Fewer songs than these are prepared in this process: starting others takes longer."""

MOST_NOTES = 20
"""Remarks on songs that a log and a report show."""

log = logging.getLogger(__name__)


def prepare(source: MultitrackSource, cache_dir: Path, sample_rate: int, workers: int) -> SongStore:
    """Bring every song of `source` into the store, in parallel, skipping what is already there.

    A song's files are named by a hash of what decides their bytes (the contents of its source files or the seed it is
    rendered from, and the parameters), so they are never stale. A song counts as stored once its description is
    written (last, and whole), so that a killed preparation goes on where it stopped. Processes that prepare the same
    songs at once share the work.

    Songs that sound as another one are left out (`equal_songs`); the log names them, and what else the source remarks.

    Raises:
        InputFileError: naming the file, if a song cannot be read. What is stored by then is kept.
        StorageError: naming the folder, if it is full or read-only.
        MixlabError: if the source has no songs.
    """
    cache_dir = Path(cache_dir)
    entries = source.entries()
    if not entries:
        raise MixlabError(f"The source {source!r} has no songs; check dataset.root.")
    folder = song_folder(cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    remove_leftovers(folder)
    _remove_old_locks(folder)
    keys = _keys(source, entries, cache_dir, sample_rate, workers)
    missing = {key: entry for entry, key in zip(entries, keys, strict=True) if not _is_stored(folder, key)}
    if missing:
        log.info("Preparing %d of %d songs in %s", len(missing), len(entries), folder)
        _store_all(source, missing, folder, sample_rate, workers)
        # Again: a process that was being killed may have looked alive.
        remove_leftovers(folder)
    songs = [_read_record(folder, entry, key) for entry, key in zip(entries, keys, strict=True)]
    if strange := sorted({stem for song in songs for stem in song.stems} - set(source.roles)):
        raise MixlabError(f"The source {source!r} has stems of the role '{strange[0]}', which its roles lack.")
    songs, notes = equal_songs(songs, lambda song: np.load(folder / f"{song.key}.npy", mmap_mode="r"))
    notes = [
        *(note for entry in entries for note in entry.notes),
        *(note for song in songs for note in song.notes),
        *notes,
    ]
    if len(notes) > MOST_NOTES:
        notes[MOST_NOTES:] = [f"There are {len(notes) - MOST_NOTES} more of these remarks on the songs."]
    for note in notes:
        log.warning("%s", note)
    return SongStore(cache_dir, songs, source.roles, notes)


def _keys(
    source: MultitrackSource, entries: Sequence[SongEntry], cache_dir: Path, sample_rate: int, workers: int
) -> list[str]:
    """What names each song's files."""
    digests = _digests(sorted({path for entry in entries for path in source.files(entry)}), cache_dir, workers)
    keys = []
    for entry in entries:
        material = {
            "store": STORE_VERSION,
            "sample_rate": sample_rate,
            "identity": source.identity(entry),
            "files": [digests[path] for path in source.files(entry)],
        }
        keys.append(hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()[:24])
    return keys


def _digests(paths: Sequence[Path], cache_dir: Path, workers: int) -> dict[Path, str]:
    memo = DigestMemo(cache_dir / "digests")
    try:
        digests = {path: known for path in paths if (known := memo.known(path)) is not None}
        unknown = [path for path in paths if path not in digests]
        with _progress("Reading files", len(unknown)) as advance, ThreadPoolExecutor(max(1, workers)) as pool:
            for path, digest in zip(unknown, pool.map(memo.digest, unknown), strict=True):
                digests[path] = digest
                advance()
    except OSError as error:
        raise InputFileError(f"{error.filename} cannot be read ({error.strerror}); check it.") from error
    return digests


def _is_stored(folder: Path, key: str) -> bool:
    return all((folder / f"{key}.{suffix}").is_file() for suffix in ("json", "npy", "levels.npz"))


def _remove_old_locks(folder: Path) -> None:
    """Remove the locks of processes that were killed between storing a song and removing its lock."""
    for lock in folder.glob(".*.lock"):
        if _is_stored(folder, lock.name.removeprefix(".").removesuffix(".lock")):
            with suppress(OSError):
                lock.unlink(missing_ok=True)


def _lock_file(folder: Path, key: str) -> Path:
    return folder / f".{key}.lock"


def _read_record(folder: Path, entry: SongEntry, key: str) -> StoredSong:
    """The description of a stored song; its id, split and what else is no audio are as the source gives them now."""
    record = json.loads((folder / f"{key}.json").read_text())
    record["stems"], record["notes"] = tuple(record["stems"]), tuple(record.get("notes", ()))
    return StoredSong(
        song_id=entry.song_id, split=entry.split, genre=entry.genre, licence=entry.licence, work=entry.work, key=key,
        **record,
    )  # fmt: skip


def _store_all(
    source: MultitrackSource, missing: Mapping[str, SongEntry], folder: Path, sample_rate: int, workers: int
) -> None:
    """Store songs, first those that no other process is storing, then, waiting, what others have left."""
    with _progress("Preparing songs", len(missing)) as advance:
        left = dict(missing)
        for wait in (False, True):
            for key, stored in _jobs(source, left, folder, sample_rate, workers, wait):
                if stored:
                    del left[key]
                    advance()


def _jobs(
    source: MultitrackSource, songs: Mapping[str, SongEntry], folder: Path, rate: int, workers: int, wait: bool
) -> Iterator[tuple[str, bool]]:
    """Key of each song as its job ends, and whether the song is stored now."""
    todo = dict(songs)
    if workers <= 1 or len(todo) < FEW_SONGS:
        for key, entry in todo.items():
            yield key, _store_one(source, entry, key, folder, rate, wait)
        return
    # Spawned, not forked: the parent may already run threads (torch, a progress bar).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_end_with_parent) as pool:
        jobs = {pool.submit(_store_one, source, entry, key, folder, rate, wait): key for key, entry in todo.items()}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool as error:
            raise MixlabError(
                "A process that prepared songs was killed, perhaps for want of memory; start again with fewer "
                "data.prepare_workers, and what is stored is kept."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left, shown where there is something to do; gives what moves it on by one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=total == 0) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _end_with_parent() -> None:
    """End this worker when its parent is gone: a killed parent cannot tell it to."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _store_one(
    source: MultitrackSource, entry: SongEntry, key: str, folder: Path, sample_rate: int, wait: bool
) -> bool:
    """Store a song unless it is stored by now; False if another process is at it and `wait` is not set."""
    lock = FileLock(_lock_file(folder, key))
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return False
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        if not _is_stored(folder, key):
            _write_song(source.load(entry), entry, key, folder, sample_rate)
        _lock_file(folder, key).unlink(missing_ok=True)
    finally:
        lock.release()
    return True


def _write_song(loaded: LoadedSong, entry: SongEntry, key: str, folder: Path, sample_rate: int) -> None:
    if not loaded.stems:
        raise InputFileError(f"The song '{entry.song_id}' has no stems; remove its folder or add stem files.")
    stems = tuple(sorted(loaded.stems))
    found = [hear(partial(loaded.blocks, stem), loaded.sample_rate, sample_rate) for stem in stems]
    lengths = {stem: round(one.duration_s * loaded.sample_rate) for stem, one in zip(stems, found, strict=True)}
    if max(lengths.values()) - min(lengths.values()) > loaded.tolerance_s * loaded.sample_rate:
        raise InputFileError(f"The stems of '{entry.song_id}' differ in length ({lengths}); export them again.")
    heard = np.stack(_equally_long(_stored(loaded, dict(zip(stems, found, strict=True)), sample_rate)))
    floats = as_float32(heard)
    # A mono stem of a stereo song counts as it is played there, from both sides.
    channels = max(one.channels for one in found)
    source_tracks = _equally_long([one.k_power_in(channels) for one in found])
    levels = {
        "k_power": np.stack([k_weighted_power(stem[None], sample_rate) for stem in floats]),
        "k_power_source": np.stack(source_tracks),
        "power": np.stack([mean_square(stem[None], sample_rate, FRAME_S) for stem in (*floats, floats.sum(axis=0))]),
    }
    record = {
        "stems": stems,
        "sample_rate": sample_rate,
        "duration_s": heard.shape[1] / sample_rate,
        "song_lufs": {stem: float(integrated_lufs(track)) for stem, track in zip(stems, source_tracks, strict=True)},
    }
    if notes := [note for stem, one in zip(stems, found, strict=True) for note in heard_notes(loaded.name(stem), one)]:
        record["notes"] = [f"'{entry.song_id}': {note}" for note in notes]
    tracks = {name: track.astype(np.float32) for name, track in levels.items()}
    text = json.dumps(record, allow_nan=True).encode()
    savez: Any = np.savez  # its annotation takes no names that only come at run time
    write_whole(folder / f"{key}.npy", lambda handle: np.save(handle, heard, allow_pickle=False))
    write_whole(folder / f"{key}.levels.npz", lambda handle: savez(handle, **tracks))
    write_whole(folder / f"{key}.json", text)


def _stored(loaded: LoadedSong, heard: Mapping[str, Heard], sample_rate: int) -> list[NDArray[Any]]:
    """Stems as they are stored: where all are 16-bit integers, mono and at the model's rate, they stay as they are."""
    stems = {} if isinstance(loaded.stems, RoleSums) else loaded.stems
    if loaded.sample_rate == sample_rate and all(
        stem in stems and stems[stem].shape[0] == 1 and stems[stem].dtype == np.int16 and not one.had_offset
        for stem, one in heard.items()
    ):
        return [stems[stem][0] for stem in heard]
    return [one.samples for one in heard.values()]


def _equally_long(parts: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    longest = max(part.size for part in parts)
    return [np.pad(part, (0, longest - part.size)) for part in parts]
