"""Room audio: reading and writing sound files through soundfile, with errors that name the file."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io.wavfile
import soundfile
from numpy.typing import NDArray

from mixlab.audio.clocks import mp3_facts, time_reference
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

MOST_CHANNELS = 2
RATES_HZ = (8_000, 768_000)
MOST_AMPLITUDE = 1000.0
"""60 dB above full scale: no export holds more, but a damaged float does."""

BLOCK_FRAMES = 1 << 17

_DECLARED_AND_FOUND = re.compile(r"(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)")
"""libsndfile's remark on a WAV, AIFF, AU, W64 or RF64 whose sound is not as long as its header says."""

_STREAMED_BYTES = (0x7F00_0000, 0x8000_0000, 0xFFFF_FFFF)
"""Programs that write WAV or AIFF into a pipe cannot know the size and declare about one of these."""

_MP3 = ("MP3", "MPEG")


@dataclass(frozen=True)
class AudioHeader:
    """What a file says of itself: length in frames, sample rate in Hz, channels.

    Attributes:
        start_s: time reference of a Broadcast Wave file, None for others.
        delay_is_known: False for an MP3 that does not tell its encoder's delay: its sound starts some 25 ms late.
    """

    frames: int
    sample_rate: int
    channels: int
    start_s: float | None = None
    delay_is_known: bool = True

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate


def is_audio_file(path: Path) -> bool:
    """Whether the name looks like audio: a known extension and not a hidden file."""
    return path.suffix.lower() in EXTENSIONS - {".raw"} and not path.name.startswith(".")


def read_header(path: Path) -> AudioHeader:
    """What a file says of itself. Its samples are read only where it does not tell how many they are (`_Forward.told`).

    Raises:
        InputFileError: naming the file, if it is missing, empty or not audio, if it breaks off and its header shows
            that, or if it has more than `MOST_CHANNELS` channels or a rate outside `RATES_HZ`.
    """
    with _opened(path) as file:
        frames, sample_rate, channels = file.told, file.samplerate, file.channels
        with _named(path):
            reference = time_reference(path)
        start_s = None if reference is None else reference / sample_rate
        delay_is_known = file.format not in _MP3 or mp3_facts(path).has_delay
    if frames is None:
        frames = sum(block.shape[1] for block in read_blocks(path))
    return AudioHeader(frames, sample_rate, channels, start_s, delay_is_known)


def read_blocks(path: Path, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[NDArray[np.float32]]:
    """Decode a file, or a part of it, in blocks, so that a long one needs no more memory than a short one.

    Args:
        duration_s: None up to the end; a part is shorter or empty where the file ends before.

    Yields:
        Samples of shape (channels, frames), float32, at most `BLOCK_FRAMES` frames.

    Raises:
        InputFileError: as `read_header`; and if the file breaks off, or holds samples that are not finite or exceed
            `MOST_AMPLITUDE`.
    """
    with _opened(path) as file, _named(path):
        start = min(round(start_s * file.samplerate), file.frames)
        told = file.told
        wanted = sys.maxsize if duration_s is None else round(duration_s * file.samplerate)
        if told is not None and start:
            file.seek(start)
        while told is None and start and (skipped := len(file.read(min(BLOCK_FRAMES, start)))):
            start -= skipped
        found = 0
        while (block := file.read(min(BLOCK_FRAMES, wanted - found), dtype="float32", always_2d=True)).size:
            found += block.shape[0]
            peak = float(np.max(np.abs(block)))
            if not np.isfinite(peak):
                raise InputFileError(f"{path} holds samples that are not finite numbers; export the file again.")
            if peak > MOST_AMPLITUDE:
                raise InputFileError(
                    f"{path} holds a sample of {peak:.3g}, {20 * np.log10(peak):.0f} dB above full scale; export the "
                    "file again."
                )
            yield np.ascontiguousarray(block.T)
    if duration_s is None and not start:
        if not found:
            raise _without_samples(path)
        # Lossy formats may miss their declared length by a few blocks.
        if told is not None and told - found > max(0.01 * told, 4096):
            raise _breaks_off(path, found, told, "frames")


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read a whole file; where memory matters use `read_blocks`, which raises the same errors.

    Returns:
        Samples of shape (channels, frames), float32, and the sample rate in Hz.
    """
    with _opened(path) as file:
        sample_rate = int(file.samplerate)
    return np.concatenate(list(read_blocks(path)), axis=1), sample_rate


class _Forward(soundfile.SoundFile):
    """Reads on: soundfile itself seeks after every read, where an MP3 loses its place and a FLAC from a pipe fails."""

    def seekable(self) -> bool:
        return False

    @property
    def told(self) -> int | None:
        """Length in frames; None for a FLAC from a pipe, which does not tell it."""
        return self.frames if self.frames < sys.maxsize else None


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turns what libsndfile raises into a sentence that names the file."""
    try:
        yield
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError, MemoryError) as error:
        reason = "the file is empty" if path.stat().st_size == 0 else str(error).rstrip(".")
        raise InputFileError(f"{path} cannot be read as audio ({reason}); replace or remove the file.") from error


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A file whose header passes all checks."""
    if not path.is_file():
        raise InputFileError(f"{path} is not a file; check the path.")
    with _named(path):
        file = _Forward(path)
    with file:
        sizes = _DECLARED_AND_FOUND.search(file.extra_info)
        if file.frames == 0:
            raise _without_samples(path)
        if sizes and int(sizes[2]) < int(sizes[1]) and not _is_streamed(int(sizes[1])):
            raise _breaks_off(path, int(sizes[2]), int(sizes[1]), "bytes")
        if file.channels > MOST_CHANNELS:
            raise InputFileError(
                f"{path} has {file.channels} channels, but only mono and stereo are read, since surround formats order "
                "and weigh their channels differently; fold it down to stereo (ITU-R BS.775) and export it again."
            )
        if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
            raise InputFileError(
                f"{path} has a rate of {file.samplerate} Hz, and rates from {RATES_HZ[0]} to {RATES_HZ[1]} Hz are "
                "read; export the file again."
            )
        if file.format in _MP3 and not mp3_facts(path).has_length:
            raise InputFileError(
                f"{path} is an MP3 of variable bit rate that does not tell its length, of which only a part would be "
                "read; convert it to WAV or FLAC."
            )
        yield file


def _is_streamed(declared: int) -> bool:
    return declared > max(_STREAMED_BYTES) or any(abs(declared - size) < 1 << 16 for size in _STREAMED_BYTES)


def _without_samples(path: Path) -> InputFileError:
    return InputFileError(f"{path} holds no samples; replace or remove the file.")


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


def wav_bytes(samples: NDArray[np.float32], sample_rate: int, sample_format: str) -> bytes:
    """A whole WAV file of samples of shape (channels, frames): the same bytes for the same samples, at any time.

    Args:
        sample_format: ``float32`` keeps every sample as it is, above full scale too; ``pcm24`` rounds to 24 bits,
            ``pcm16``, which every reader knows, to 16.

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
        raise ValueError(f"a peak of {peak:.2f} exceeds full scale, which integer PCM would clip")
    soundfile.write(file, samples.T, sample_rate, subtype=sample_format.replace("pcm", "PCM_"), format="WAV")
    return file.getvalue()


def to_mono(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """The one downmix of mixlab, what a model hears of a file: the mean over channels, (channels, frames) to (frames,).

    Stereo reads 0 dB lower in it where both channels are alike, 3 dB where they have nothing in common, and vanishes
    where one is the other inverted. More than two channels are refused when a file is opened: which of them is the
    centre, the low-frequency or a surround channel hangs on a layout that most files do not tell, and on it how each
    counts in loudness (ITU-R BS.1770-4, annex 1) and in a fold-down (ITU-R BS.775).
    """
    return np.mean(samples, axis=0, dtype=np.float32)
