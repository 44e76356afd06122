"""Room multitrack: the same sound twice: tracks of one role, stems of one song, and songs of one data set."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path, PurePath

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.errors import InputFileError
from mixlab.multitrack.store import StoredSong
from mixlab.multitrack.tracks import Track

BLOCK_FRAMES = 1 << 16
"""Tracks are compared in blocks of this length, and only as far as they are equal."""

HELDOUT_FIRST = ("test", "shifted", "validation", "train")
"""Of equal songs the one in the first of these splits stays, so that nothing is tested on what was trained on."""


def without_copies(tracks: Sequence[Track]) -> tuple[list[Track], list[str]]:
    """A song's tracks without those that sound sample for sample as another of their role: their sum would double it.

    Silent tracks add nothing, and the two sides of a stereo track (``OH L``, ``OH R``) may be equal: both stay.

    Returns:
        The tracks that are left, and a sentence on each that is not.

    Raises:
        InputFileError: naming two files of one name and role in different formats that do not sound the same.
    """
    alike: dict[tuple[str, int, int, int], list[Track]] = defaultdict(list)
    for track in tracks:
        alike[track.role, track.header.frames, track.header.sample_rate, track.header.channels].append(track)
    dropped: dict[Path, str] = {}
    for group in alike.values():
        sides = {track.path: track.side for track in group}
        for equal in _equal(list(sides)) if len(group) > 1 else ():
            for first, *others in _by_side(equal, sides):
                for copy in others:
                    both = f"holds the same sound as {first.name}, and both are {group[0].role}"
                    dropped[copy] = f"{copy} {both}: it is counted once."
    kept = [track for track in tracks if track.path not in dropped]
    names: dict[tuple[str, str], Path] = {}
    for track in kept:
        twin = names.setdefault((track.role, str(PurePath(track.path).with_suffix("")).casefold()), track.path)
        if twin is not track.path and twin.suffix.lower() != track.path.suffix.lower():
            raise InputFileError(
                f"{twin} and {track.path.name} look like one track in two formats, and both would be summed as "
                f"{track.role}; keep one of them, or list the other under dataset.ignore."
            )
    return kept, list(dropped.values())


def _by_side(files: Sequence[Path], sides: Mapping[Path, int | None]) -> list[list[Path]]:
    parted: dict[int | None, list[Path]] = defaultdict(list)
    for file in sorted(files, key=lambda file: (len(file.name), file)):  # the original before "bass (1)"
        parted[sides[file]].append(file)
    return list(parted.values())


def _equal(files: Sequence[Path]) -> list[list[Path]]:
    """Groups of two or more files that hold the same samples, not all zero; what cannot be read is left to loading."""
    found = []
    blocks = {file: _blocks(file) for file in files}
    todo = [(list(files), False)]
    while todo:
        group, sounds = todo.pop()
        parted: dict[bytes, list[Path]] = defaultdict(list)
        for file in group:
            parted[next(blocks[file], b"")].append(file)
        for content, alike in parted.items():
            if len(alike) > 1 and content:
                todo.append((alike, sounds or any(content)))
            elif len(alike) > 1 and sounds:
                found.append(alike)
    return found


def _blocks(file: Path) -> Iterator[bytes]:
    """The samples of a file block by block, as digests; a block of silence is a zero byte."""
    try:
        with soundfile.SoundFile(file) as opened:
            while (block := opened.read(BLOCK_FRAMES, dtype="float32")).size:
                yield hashlib.sha256(block.tobytes()).digest() if block.any() else b"\0"
    except (OSError, soundfile.SoundFileError):
        # Equal to no other file; whoever loads it names it.
        yield str(file).encode()


def equal_songs(
    songs: Sequence[StoredSong], samples: Callable[[StoredSong], NDArray[np.generic]]
) -> tuple[list[StoredSong], list[str]]:
    """Songs without those that sound as another one, and sentences on them and on stems that sound as another one.

    Of equal songs one is left, in the first split of `HELDOUT_FIRST`; so they count once, and in one split.

    Args:
        songs: all of a data set.
        samples: of a song as stored, shape (stems, samples); read only where the loudness of stems is the same to the
            last bit.
    """
    notes, alike = [], defaultdict(list)
    for song in songs:
        audible = {stem: lufs for stem, lufs in song.song_lufs.items() if math.isfinite(lufs)}
        for one, other in combinations(audible, 2):
            if audible[one] == audible[other]:
                first, second = (samples(song)[song.stems.index(stem)] for stem in (one, other))
                if np.array_equal(first, second):
                    notes.append(f"The stems '{one}' and '{other}' of '{song.song_id}' hold the same sound.")
        if audible:
            alike[song.stems, song.duration_s, *audible.values()].append(song)
    left_out: set[str] = set()
    for group in alike.values():
        kept: list[StoredSong] = []
        for song in sorted(group, key=_place):
            same = next((k for k in kept if k.key == song.key or np.array_equal(samples(k), samples(song))), None)
            if same is None:
                kept.append(song)
            else:
                left_out.add(song.song_id)
                notes.append(
                    f"'{song.song_id}' ({song.split}) holds the same sound as '{same.song_id}' ({same.split}) and is "
                    "left out, so that it counts once and in one split."
                )
    return [song for song in songs if song.song_id not in left_out], notes


def _place(song: StoredSong) -> tuple[int, str]:
    known = song.split in HELDOUT_FIRST
    return HELDOUT_FIRST.index(song.split) if known else len(HELDOUT_FIRST), song.song_id
