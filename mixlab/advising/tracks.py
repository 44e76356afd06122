"""Room advising: the user's files as tracks, and their sum by role as the model hears them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import AudioHeader, read_audio, read_header, resample, to_mono
from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.tracks import check_together


@dataclass(frozen=True)
class Track:
    """A file with its role.

    Attributes:
        mono: mean over channels at the file's own rate, shape (frames,); the file is read again to be rendered.
    """

    path: Path
    role: str
    sample_rate: int
    channels: int
    mono: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        return self.mono.size / self.sample_rate


def existing_files(anchor: str, tracks: Sequence[str], tolerance_s: float) -> dict[Path, AudioHeader]:
    """All files, the anchor first, with what their headers say.

    Args:
        tolerance_s: by how much their lengths and time references may differ.

    Raises:
        InputFileError: naming a file that does not exist, is not audio or does not start and end with the others.
        ConfigError: naming a file that is given twice.
    """
    paths = [Path(name).expanduser() for name in (anchor, *tracks)]
    seen: set[Path] = set()
    for path in paths:
        if not path.is_file():
            raise InputFileError(f"{path} is not a file; check the path (relative ones start at {Path.cwd()}).")
        if path.resolve() in seen:
            raise ConfigError(f"{path} is given twice; name each file once, the anchor only as anchor=.")
        seen.add(path.resolve())
    headers = {path: read_header(path) for path in paths}
    check_together(headers, tolerance_s, "length_tolerance_s")
    return headers


def read_track(path: Path, role: str) -> Track:
    """Read a whole file, so that a corrupt one is named before any model is loaded.

    Raises:
        InputFileError: naming the file, if it cannot be read.
    """
    samples, sample_rate = read_audio(path)
    return Track(path, role, sample_rate, samples.shape[0], to_mono(samples))


def sum_by_role(tracks: Sequence[Track], sample_rate: int) -> dict[str, NDArray[np.float32]]:
    """One signal a role at `sample_rate`, of shape (samples,).

    Files of one role are summed; signals are zero-padded to the longest.
    """
    heard = [(track.role, resample(track.mono, track.sample_rate, sample_rate)) for track in tracks]
    length = max(samples.size for _, samples in heard)
    signals: dict[str, NDArray[np.float32]] = {}
    for role, samples in heard:
        signal = signals.setdefault(role, np.zeros(length, dtype=np.float32))
        signal[: samples.size] += samples
    return signals
