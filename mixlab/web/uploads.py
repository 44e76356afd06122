"""Room web: what strangers may upload: names, sizes and headers are checked before a sample is decoded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import soundfile

from mixlab.audio.files import AudioHeader, read_header
from mixlab.errors import InputFileError, MixlabError

FORMATS = {
    ".wav": ("WAV", "WAVEX", "RF64"),
    ".flac": ("FLAC",),
    ".ogg": ("OGG",),
    ".mp3": ("MP3", "MPEG"),
    ".aif": ("AIFF",),
    ".aiff": ("AIFF",),
}
"""The kinds of files that are taken, and what libsndfile calls their contents."""

LONGEST_NAME = 120


class UploadError(InputFileError):
    """An upload is refused; the sentence is for the page and names no path of the server."""


@dataclass(frozen=True)
class Limits:
    """What one person may upload.

    Attributes:
        file_mb: size of a file.
        total_mb: size of an archive, and of all of a person's files, unpacked.
        files: their number.
        duration_s: length of a file.
        rate_hz: lowest and highest sample rate.
        total_samples: frames times channels of all files: what decoding them takes, four bytes each.
    """

    file_mb: float = 100.0
    total_mb: float = 400.0
    files: int = 24
    duration_s: float = 900.0
    rate_hz: tuple[int, int] = (8_000, 192_000)
    total_samples: int = 500_000_000


@dataclass(frozen=True)
class Upload:
    """An accepted file: the name to show, where it lies, and what its header says."""

    name: str
    path: Path
    header: AudioHeader


def display_name(name: str) -> str:
    """The last part of a name that a stranger chose, as text to show; a name with markup stays as it is, as text.

    Raises:
        UploadError: if it is empty, too long, or holds control characters or ones that reverse the writing.
    """
    shown = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name.strip()
    if not shown.strip("."):
        raise UploadError("A file has no name; give it one, such as bass.wav.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for character in shown):
        readable = "".join(c if c.isprintable() else "?" for c in shown)[:60]
        raise UploadError(f"The name '{readable}' holds characters that cannot be seen; rename the file.")
    if len(shown) > LONGEST_NAME or len(shown.encode()) > 2 * LONGEST_NAME:
        raise UploadError(f"The name '{shown[:40]}...' is too long; use at most {LONGEST_NAME} characters.")
    return shown


def extension(name: str) -> str:
    """The extension of an audio file's name, in small letters.

    Raises:
        UploadError: if it is none of `FORMATS`.
    """
    found = PurePosixPath(name).suffix.lower()
    if found not in FORMATS:
        raise UploadError(f"{name} is not a kind of file that is taken; send {', '.join(FORMATS)} or a .zip of them.")
    return found


def check_size(name: str, size_bytes: int, limit_mb: float) -> None:
    """Raises UploadError if a file is empty or larger than `limit_mb` (of 1,000,000 bytes)."""
    if size_bytes == 0:
        raise UploadError(f"{name} is empty; export it again.")
    if size_bytes > limit_mb * 1e6:
        raise UploadError(f"{name} has {size_bytes / 1e6:.1f} MB; at most {limit_mb:g} MB are taken.")


def check_audio(path: Path, name: str, limits: Limits) -> Upload:
    """Look at a file's header alone: kind, rate, channels and length.

    Raises:
        UploadError: naming the file as it is shown, and the limit.
    """
    wanted = FORMATS[extension(name)]
    if path.is_symlink() or not path.is_file():
        raise UploadError(f"{name} is not a file; send the sound itself.")
    check_size(name, path.stat().st_size, limits.file_mb)
    try:
        header, found = read_header(path), soundfile.info(path).format
    except (MixlabError, soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise UploadError(nameless(str(error), path, name)) from error
    if found not in wanted:
        raise UploadError(f"{name} holds {found}, not what its extension says; rename or export it again.")
    low_hz, high_hz = limits.rate_hz
    if not low_hz <= header.sample_rate <= high_hz:
        raise UploadError(f"{name} has a rate of {header.sample_rate} Hz; between {low_hz} and {high_hz} are taken.")
    if header.duration_s > limits.duration_s:
        raise UploadError(
            f"{name} says it is {header.duration_s / 60:.0f} minutes long; "
            f"at most {limits.duration_s / 60:g} are taken."
        )
    return Upload(name, path, header)


def check_together(uploads: Sequence[Upload], limits: Limits) -> None:
    """Raises UploadError if there are too many files, or they are too large together."""
    if len(uploads) > limits.files:
        raise UploadError(f"These are {len(uploads)} files; at most {limits.files} are taken.")
    if (total_mb := sum(upload.path.stat().st_size for upload in uploads) / 1e6) > limits.total_mb:
        raise UploadError(f"The files have {total_mb:.1f} MB together; at most {limits.total_mb:g} MB are taken.")
    if sum(upload.header.frames * upload.header.channels for upload in uploads) > limits.total_samples:
        raise UploadError("The files are too long together; send a part of the song, or fewer tracks.")


def unique_name(name: str, taken: Sequence[str]) -> str:
    """`name`, numbered where another file has it already."""
    path, number, found = PurePosixPath(name), 2, name
    while found.casefold() in {other.casefold() for other in taken}:
        found, number = f"{path.stem}_{number}{path.suffix}", number + 1
    return found


def nameless(sentence: str, path: Path, name: str) -> str:
    """An error's sentence with the file's shown name in place of where it lies on the server."""
    return sentence.replace(str(path), name).replace(path.name, name)
