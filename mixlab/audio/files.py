"""Room audio: reading and writing sound files through soundfile, with errors that name the file."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.io.wavfile
import scipy.signal
import soundfile
from numpy.typing import NDArray

from mixlab.errors import InputFileError

EXTENSIONS = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {
    ".aif",
    ".aifc",
    ".mp3",
    ".oga",
    ".opus",
    ".wave",
}
"""File name extensions that are taken for audio."""

_DECLARED_AND_FOUND = re.compile(r"(?:data|SSND)\s*: (\d+) \(should be (\d+)\)")
"""libsndfile's remark on a WAV or AIFF whose sound is not as long as its header says."""

_STREAMED_BYTES = 0xFFFF_0000
"""Programs that write WAV into a pipe cannot know the size and declare the largest one."""


@dataclass(frozen=True)
class AudioHeader:
    """What a file says of itself: length in frames, sample rate in Hz, channels."""

    frames: int
    sample_rate: int
    channels: int


def is_audio_file(path: Path) -> bool:
    """Whether the name looks like audio: a known extension and not a hidden file."""
    return path.suffix.lower() in EXTENSIONS - {".raw"} and not path.name.startswith(".")


def read_header(path: Path) -> AudioHeader:
    """What a file says of itself, without reading its samples.

    Raises:
        InputFileError: naming the file, if it is missing, empty, not audio, or a WAV or AIFF that breaks off.
    """
    with _opened(path) as file:
        return AudioHeader(file.frames, file.samplerate, file.channels)


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read a whole file.

    Returns:
        Samples of shape (channels, frames), float32, and the sample rate in Hz.

    Raises:
        InputFileError: naming the file, if it is missing, empty, not audio, breaks off, or holds NaN or infinite
            samples.
    """
    with _opened(path) as file:
        declared, sample_rate = file.frames, file.samplerate
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, ValueError, OSError, MemoryError) as error:
            raise InputFileError(f"{path} cannot be read as audio ({error}); replace or remove the file.") from error
    # Lossy formats may miss their declared length by a few blocks.
    if declared - samples.shape[0] > max(0.01 * declared, 4096):
        raise _breaks_off(path, samples.shape[0], declared, "frames")
    if samples.shape[0] == 0:
        raise InputFileError(f"{path} holds no samples; replace or remove the file.")
    if not np.isfinite(samples).all():
        raise InputFileError(f"{path} holds samples that are not finite numbers; export the file again.")
    return np.ascontiguousarray(samples.T), int(sample_rate)


def read_part(path: Path, start_s: float, duration_s: float) -> tuple[NDArray[np.float32], int]:
    """Read a part of a file, shorter or empty where the file ends before; as `read_audio` otherwise."""
    with _opened(path) as file:
        sample_rate = int(file.samplerate)
        start = min(round(start_s * sample_rate), file.frames)
        try:
            file.seek(start)
            samples = file.read(round(duration_s * sample_rate), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, ValueError, OSError) as error:
            raise InputFileError(f"{path} cannot be read as audio ({error}); replace or remove the file.") from error
    return np.ascontiguousarray(samples.T), sample_rate


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise InputFileError(f"{path} is not a file; check the path.")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError) as error:
        reason = "the file is empty" if path.stat().st_size == 0 else str(error).rstrip(".")
        raise InputFileError(f"{path} cannot be read as audio ({reason}); replace or remove the file.") from error
    sizes = _DECLARED_AND_FOUND.search(file.extra_info)
    if file.frames == 0:
        file.close()
        raise InputFileError(f"{path} holds no samples; replace or remove the file.")
    if sizes and int(sizes[2]) < int(sizes[1]) < _STREAMED_BYTES:
        file.close()
        raise _breaks_off(path, int(sizes[2]), int(sizes[1]), "bytes")
    return file


def _breaks_off(path: Path, found: int, declared: int, unit: str) -> InputFileError:
    return InputFileError(
        f"{path} breaks off: its header declares {declared} {unit} of sound and {found} are there; "
        "copy or export the file again."
    )


def write_audio(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write samples of shape (channels, frames) as 24-bit WAV.

    Raises:
        ValueError: if a sample exceeds full scale, which integer PCM would clip.
    """
    if samples.size and float(np.max(np.abs(samples))) > 1.0:
        raise ValueError(f"{path} would clip: trim the signal before writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, sample_rate, subtype="PCM_24", format="WAV")


def wav_bytes(samples: NDArray[np.float32], sample_rate: int, sample_format: Literal["float32", "pcm24"]) -> bytes:
    """A whole WAV file of samples of shape (channels, frames): the same bytes for the same samples, at any time.

    Args:
        sample_format: ``float32`` keeps every sample as it is, above full scale too; ``pcm24`` rounds to 24 bits.

    Raises:
        ValueError: if a sample exceeds full scale, which integer PCM would clip.
    """
    file = io.BytesIO()
    if sample_format == "float32":
        # libsndfile would write the time of day into a float file.
        scipy.io.wavfile.write(file, sample_rate, samples.T)
        return file.getvalue()
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak > 1.0:
        raise ValueError(f"a peak of {peak:.2f} exceeds full scale, which 24-bit PCM would clip")
    soundfile.write(file, samples.T, sample_rate, subtype="PCM_24", format="WAV")
    return file.getvalue()


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
