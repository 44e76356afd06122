"""Room multitrack: which folders below a root are songs, and which files in them are tracks."""

from __future__ import annotations

import fnmatch
import logging
import os
from pathlib import Path, PurePosixPath

from mixlab.audio.files import is_audio_file
from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.patterns import Patterns, plain

UNREADABLE = frozenset({".m4a", ".aac", ".wma", ".ape", ".wv", ".mka", ".alac", ".mp4"})
"""Audio that soundfile does not read; left out in silence it would be a missing stem."""

log = logging.getLogger(__name__)


def check_songs(songs: str) -> None:
    """Check the pattern of the songs' folders.

    Raises:
        ConfigError: if it is empty, absolute, or has parts such as ``..`` or ``**``.
    """
    parts = songs.split("/") if isinstance(songs, str) else [""]
    if any(part in ("", ".", "..") or "**" in part for part in parts):
        raise ConfigError(
            f"dataset.songs is {songs!r}; set it to the songs' folders below the root, such as '*' or 'train/*'."
        )


def song_folders(root: Path, songs: str) -> dict[str, Path]:
    """The songs' folders by id, which is the path below `root`; sorted by id, hidden ones left out.

    Args:
        root: the folder to look in.
        songs: a wildcard for each level, such as ``*`` or ``*/*``.

    Raises:
        InputFileError: naming the folder, if there is none, it cannot be listed, holds audio beside the songs'
            folders, or none that match.
    """
    folders = {"": root}
    for part in songs.split("/"):
        below: dict[str, Path] = {}
        for name, folder in folders.items():
            children, files = _children(folder)
            if files:
                raise InputFileError(
                    f"{folder} holds audio files itself ({files[0].name}); put the files of each song into a folder of "
                    "its own and set dataset.root to the folder above."
                )
            below |= {str(PurePosixPath(name, child.name)): child for child in children if _fits(child.name, part)}
        folders = below
    if not folders:
        asked = "" if songs == "*" else f" that match dataset.songs ('{songs}')"
        raise InputFileError(f"{root} holds no song folders{asked}; dataset.root needs one folder a song.")
    return dict(sorted(folders.items()))


def track_files(folder: Path, deep: bool, ignore: Patterns) -> dict[str, Path]:
    """The audio files of a song by their path below its folder, sorted, without hidden and ignored ones.

    Args:
        folder: of the song.
        deep: whether sub-folders are searched too.
        ignore: patterns of paths that are left out.

    Raises:
        InputFileError: naming the file or folder that cannot be listed or has a format that is not read.
    """
    found = _below(folder, "", deep, ())
    kept = {path: file for path, file in sorted(found.items()) if not ignore.match(path)}
    for file in kept.values():
        if file.suffix.lower() in UNREADABLE:
            raise InputFileError(f"{file} has a format that is not read; convert it to WAV or FLAC.")
    if len(kept) < len(found):
        log.debug("'%s': %d file(s) are left out by dataset.ignore", folder.name, len(found) - len(kept))
    return kept


def _below(folder: Path, prefix: str, deep: bool, above: tuple[Path, ...]) -> dict[str, Path]:
    if folder.resolve() in above:
        raise InputFileError(f"{folder} is a link to a folder above it; remove the link.")
    folders, files = _children(folder)
    found = {f"{prefix}{file.name}": file for file in files}
    for child in folders:
        if deep:
            found |= _below(child, f"{prefix}{child.name}/", deep, (*above, folder.resolve()))
        elif unread := _first_audio(child):
            log.warning("%s is not read: tracks in sub-folders need dataset.stems to map them", unread)
    return found


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the audio files in `folder`, sorted by name, hidden ones left out."""
    if not folder.exists():
        raise InputFileError(f"{folder} does not exist; set dataset.root to a folder with one folder a song.")
    if not folder.is_dir():
        raise InputFileError(f"{folder} is not a folder; set dataset.root to a folder with one folder a song.")
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith((".", "__MACOSX")))
    except OSError as error:
        raise InputFileError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error
    folders = [child for child in children if child.is_dir()]
    files = [child for child in children if not child.is_dir() and _is_audio(child)]
    for child in (*folders, *files):
        if not child.exists():
            raise InputFileError(f"{child} is a link to a file that is not there; mend or remove it.")
        if os.fsencode(child).decode("utf-8", "replace") != str(child):
            raise InputFileError(f"{os.fsencode(child)!r} has a name that is not UTF-8; rename it.")
    return folders, files


def _is_audio(file: Path) -> bool:
    return is_audio_file(file) or file.suffix.lower() in UNREADABLE


def _first_audio(folder: Path) -> Path | None:
    try:
        return next((file for file in sorted(folder.iterdir()) if is_audio_file(file)), None)
    except OSError:
        return None


def _fits(name: str, part: str) -> bool:
    return fnmatch.fnmatchcase(plain(name), plain(part))
