"""Room web: audio out of a stranger's zip; its names never become paths, its claims of size are not believed."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mixlab.web.uploads import FORMATS, Limits, UploadError, check_size, display_name, extension

HIGHEST_RATIO = 50
"""Audio shrinks to a half, digital silence to a thousandth; what shrinks more than this is taken for a bomb."""

MOST_ENTRIES = 500
BLOCK_BYTES = 1 << 20
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".bz2", ".xz", ".zst")


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive that is taken."""
    return PurePosixPath(name).suffix.lower() == ".zip"


def unpack(archive: Path, name: str, folder: Path, limits: Limits) -> tuple[list[tuple[str, Path]], list[str]]:
    """Unpack the audio files of an archive into `folder`, under names of our own.

    Returns:
        Shown name and path of each, and the names of what was left out, being no audio (notes, pictures).

    Raises:
        UploadError: naming the archive and the entry; what was unpacked until then is removed.
    """
    check_size(name, archive.stat().st_size, limits.total_mb)
    written: list[tuple[str, Path]] = []
    try:
        with zipfile.ZipFile(archive) as opened:
            entries, left_out = _chosen(opened.infolist(), name, limits)
            budget = int(limits.total_mb * 1e6)
            for number, (shown, entry) in enumerate(entries):
                path = folder / f"{archive.stem}-{number:03d}{extension(shown)}"
                written.append((shown, path))
                budget -= _extract(opened, entry, path, f"{shown} in {name}", budget)
    except UploadError:
        _remove(written)
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        _remove(written)
        raise UploadError(f"{name} cannot be read as a zip archive; pack it again.") from error
    if not written:
        raise UploadError(f"{name} holds no audio ({', '.join(FORMATS)}); pack the stems themselves.")
    return written, left_out


def _chosen(
    entries: Sequence[zipfile.ZipInfo], name: str, limits: Limits
) -> tuple[list[tuple[str, zipfile.ZipInfo]], list[str]]:
    """The audio files among the entries, and the names of the others; every entry is checked, also those left out."""
    if len(entries) > MOST_ENTRIES:
        raise UploadError(f"{name} has {len(entries)} entries; at most {MOST_ENTRIES} are looked at.")
    chosen, left_out = [], []
    for entry in entries:
        if entry.is_dir():
            continue
        _check_entry(entry, name)
        shown = display_name(entry.filename)
        if _is_litter(entry.filename) or PurePosixPath(shown).suffix.lower() not in FORMATS:
            left_out.append(shown)
            continue
        check_size(f"{shown} in {name}", entry.file_size, limits.file_mb)
        chosen.append((shown, entry))
    if len(chosen) > limits.files:
        raise UploadError(f"{name} holds {len(chosen)} audio files; at most {limits.files} are taken.")
    if (total := sum(entry.file_size for _, entry in chosen)) > limits.total_mb * 1e6:
        raise UploadError(f"{name} unpacks to {total / 1e6:.1f} MB; at most {limits.total_mb:g} MB are taken.")
    return chosen, left_out


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    # zipfile cuts names at a null byte; `orig_filename` has what the archive says.
    path = PurePosixPath(entry.orig_filename.replace("\\", "/"))
    shown = display_name(path.name or "?")
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise UploadError(f"{name} has an entry that leads out of the archive ({shown}); pack the stems again.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise UploadError(f"{shown} in {name} is a link or a device, not a file; pack the stems themselves.")
    if entry.flag_bits & 0x1:
        raise UploadError(f"{shown} in {name} has a password; pack the stems without one.")
    if path.suffix.lower() in _ARCHIVES:
        raise UploadError(f"{shown} in {name} is an archive in an archive; pack the stems themselves.")
    if entry.file_size > HIGHEST_RATIO * max(entry.compress_size, 1) and entry.file_size > BLOCK_BYTES:
        raise UploadError(f"{shown} in {name} grows {HIGHEST_RATIO}-fold or more when unpacked; send the file itself.")


def _is_litter(name: str) -> bool:
    """What file managers leave in archives, under the names of the files beside it."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith("._")


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, shown: str, budget: int) -> int:
    """Write one entry; the bytes that really come are counted against what it declared and the `budget`."""
    size, allowed = 0, min(entry.file_size, budget)
    with opened.open(entry) as source, path.open("xb") as target:
        for block in iter(lambda: source.read(BLOCK_BYTES), b""):
            size += len(block)
            if size > allowed:
                raise UploadError(f"{shown} unpacks to more than it says; pack the stems again.")
            target.write(block)
    return size


def _remove(written: Sequence[tuple[str, Path]]) -> None:
    for _, path in written:
        path.unlink(missing_ok=True)
