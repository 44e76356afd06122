"""Room multitrack: the tracks of one song in a folder: whether they fit together, and their sums by role."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import AudioHeader, resample
from mixlab.errors import InputFileError

LENGTH_TOLERANCE_S = 0.1
"""Files of one song that differ by less than this are padded to the longest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Track:
    """An audio file of a song: `path` below the song's folder, the file, its role, and what its header says."""

    path: str
    file: Path
    role: str
    header: AudioHeader


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
    headers = {track.file: track.header for track in tracks}
    check_together(headers, tolerance_s, "dataset.length_tolerance_s")
    for note in delay_notes(headers):
        log.warning("%s", note)
    rates = sorted({track.header.sample_rate for track in tracks})
    if len(rates) > 1:
        log.info("'%s' has files at %s Hz; they are resampled to %d Hz", folder.name, rates, rates[-1])


Headers = Mapping[Path, AudioHeader] | Mapping[str, AudioHeader]
"""What files say of themselves, by their path or whatever a sentence is to call them."""


def check_together(headers: Headers, tolerance_s: float, key: str | None = None) -> None:
    """Check that files start and end together, as far as they tell: by their time references and their lengths.

    Args:
        tolerance_s: by how much they may differ.
        key: of the configuration, which sets the tolerance; None where nothing does.

    Raises:
        InputFileError: naming the two that differ most.
    """
    starts = {str(name): header.start_s for name, header in headers.items() if header.start_s is not None}
    ends = {str(name): header.duration_s for name, header in headers.items()}
    for times, says in ((starts, "starts at {:.2f} s of its time reference (BWF)"), (ends, "is {:.2f} s long")):
        first, last = min(times, key=times.__getitem__, default=""), max(times, key=times.__getitem__, default="")
        if times and times[last] - times[first] >= tolerance_s:
            raise InputFileError(
                f"{first} {says.format(times[first])} and {PurePath(last).name} {times[last]:.2f} s; export the tracks "
                "of a song from the same start to the same end"
                f"{'' if key is None else f', or raise {key} if they start together'}."
            )


def delay_notes(headers: Headers) -> list[str]:
    """A sentence on files of which it cannot be known when they start; none where there are none."""
    late = [PurePath(name).name for name, header in headers.items() if not header.delay_is_known]
    if not late:
        return []
    return [
        f"{', '.join(late)}: MP3 without its encoder's delay, so its sound may start some 25 ms late beside the other "
        "tracks; WAV and FLAC start where they should."
    ]


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
    lengths = {file: AudioHeader(samples.shape[1], sample_rate, 1) for file, samples in resampled.items()}
    check_together(lengths, tolerance_s, "dataset.length_tolerance_s")
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
