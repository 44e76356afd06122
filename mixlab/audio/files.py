"""Room audio: reading and writing sound files through soundfile, with errors that name the file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

from mixlab.errors import InputFileError

EXTENSIONS = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".opus", ".mp3"}
"""File name extensions that are taken for audio."""


def is_audio_file(path: Path) -> bool:
    """Whether the name looks like audio: a known extension and not a hidden file."""
    return path.suffix.lower() in EXTENSIONS - {".raw"} and not path.name.startswith(".")


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read a whole file.

    Returns:
        Samples of shape (channels, frames), float32, and the sample rate in Hz.

    Raises:
        InputFileError: naming the file, if it is missing, empty, not audio, or holds NaN or infinite samples.
    """
    if not path.is_file():
        raise InputFileError(f"{path} is not a file; check the path.")
    try:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError) as error:
        raise InputFileError(f"{path} cannot be read as audio ({error}); replace or remove the file.") from error
    if samples.shape[0] == 0:
        raise InputFileError(f"{path} holds no samples; replace or remove the file.")
    if not np.isfinite(samples).all():
        raise InputFileError(f"{path} holds samples that are not finite numbers; export the file again.")
    return np.ascontiguousarray(samples.T), int(sample_rate)


def write_audio(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write samples of shape (channels, frames) as 24-bit WAV (32-bit float above full scale would be clipped).

    Raises:
        ValueError: if a sample exceeds full scale, which integer PCM would clip.
    """
    if samples.size and float(np.max(np.abs(samples))) > 1.0:
        raise ValueError(f"{path} would clip: trim the signal before writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, sample_rate, subtype="PCM_24", format="WAV")


def to_mono(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mean over channels: shape (channels, frames) to (frames,), float32."""
    return np.mean(samples, axis=0, dtype=np.float32)


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Change the sample rate along the last axis with a polyphase filter, float32."""
    if from_rate == to_rate:
        return samples
    ratio = Fraction(to_rate, from_rate)
    resampled = scipy.signal.resample_poly(samples, ratio.numerator, ratio.denominator, axis=-1)
    return np.ascontiguousarray(resampled, dtype=np.float32)
