"""Room multitrack: the tracks of one song in a folder: whether they fit together, and their sums by role."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import AudioHeader, resample
from mixlab.errors import InputFileError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Track:
    """An audio file of a song: `path` below the song's folder, the file, its role, and what its header says."""

    path: str
    file: Path
    role: str
    header: AudioHeader

    @property
    def duration_s(self) -> float:
        return self.header.frames / self.header.sample_rate


def check_tracks(folder: Path, tracks: Sequence[Track], tolerance_s: float) -> None:
    """Check by their headers that a song's tracks can be summed, and log what will be resampled.

    Args:
        folder: of the song, for the message.
        tracks: of the song.
        tolerance_s: by how much the tracks' durations may differ.

    Raises:
        InputFileError: naming the folder if there are no tracks, or the file of another length.
    """
    if not tracks:
        raise InputFileError(
            f"{folder} holds no stems; a song's folder needs one audio file a stem, such as bass.wav and drums.wav."
        )
    check_lengths({track.file: track.duration_s for track in tracks}, tolerance_s)
    rates = sorted({track.header.sample_rate for track in tracks})
    if len(rates) > 1:
        log.info("'%s' has files at %s Hz; they are resampled to %d Hz", folder.name, rates, rates[-1])


def check_lengths(durations: Mapping[Path, float], tolerance_s: float) -> None:
    """Check that files are equally long.

    Args:
        durations: in seconds, by file.
        tolerance_s: by how much they may differ.

    Raises:
        InputFileError: naming the shortest and the longest.
    """
    shortest, longest = min(durations, key=durations.__getitem__), max(durations, key=durations.__getitem__)
    if durations[longest] - durations[shortest] >= tolerance_s:
        raise InputFileError(
            f"{shortest} is {durations[shortest]:.2f} s long and {longest.name} {durations[longest]:.2f} s; "
            "export the tracks of a song from the same start to the same end, or raise dataset.length_tolerance_s if "
            "they start together."
        )


def sum_by_role(
    tracks: Mapping[Path, tuple[str, NDArray[np.float32], int]], tolerance_s: float
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """The sums of tracks of one role at unity gain, at the highest rate among them; shorter ones end in silence.

    Args:
        tracks: role, samples of shape (channels, frames) and rate in Hz, by file.
        tolerance_s: by how much their durations may differ.

    Returns:
        Samples of shape (channels, frames) by role, all of one length, and their rate in Hz.

    Raises:
        InputFileError: naming the file whose length does not fit.
    """
    sample_rate = max(rate for _, _, rate in tracks.values())
    resampled = {file: resample(samples, rate, sample_rate) for file, (_, samples, rate) in tracks.items()}
    check_lengths({file: samples.shape[1] / sample_rate for file, samples in resampled.items()}, tolerance_s)
    frames = max(samples.shape[1] for samples in resampled.values())
    by_role: dict[str, dict[Path, NDArray[np.float32]]] = defaultdict(dict)
    for file, samples in resampled.items():
        by_role[tracks[file][0]][file] = np.pad(samples, ((0, 0), (0, frames - samples.shape[1])))
    return {role: _sum(parts) for role, parts in by_role.items()}, sample_rate


def _sum(parts: Mapping[Path, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The sum of tracks of one role, each of shape (channels, frames); a mono track goes to all channels alike."""
    channels = max(samples.shape[0] for samples in parts.values())
    total = np.zeros((channels, next(iter(parts.values())).shape[1]), dtype=np.float32)
    for samples in parts.values():
        total += samples
    return total
