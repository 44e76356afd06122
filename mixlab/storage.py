"""Ground floor: files that appear whole or not at all, and what a killed process leaves behind."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from mixlab.errors import InputFileError, StorageError

_TEMPORARY = re.compile(r"^\.tmp-(?P<host>.+)-(?P<process>\d+)-")


def config_folder() -> Path:
    """The folder of all configuration: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def write_whole(path: Path, content: str | bytes | Callable[[IO[bytes]], Any]) -> None:
    """Write a file as `whole_file` does.

    Args:
        path: of the file; its folders are created.
        content: text, which is written as UTF-8, bytes, or a function that writes to the open file.

    Raises:
        StorageError: naming the folder, where nothing can be written (full, read-only).
    """
    with whole_file(path) as temporary, temporary.open("wb") as handle:
        if callable(content):
            content(handle)
        else:
            handle.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary neighbour of a file to write, which takes its name when the block ends without an error.

    Of two writers the last one wins; folders are created.

    Raises:
        StorageError: naming the folder, where nothing can be written (full, read-only).
    """
    temporary = path.with_name(f".tmp-{socket.gethostname()}-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        move_into_place(temporary, path)
    except OSError as error:
        raise storage_error(path.parent, error) from error
    finally:
        # Gone already where all went well.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, path: Path) -> None:
    """Give a file that is complete its name, once it is on the disk: after a loss of power one of both is there, whole.

    Raises:
        OSError: if the disk refuses.
    """
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(path)
    # So is the name. Not every system lets a folder be opened.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def storage_error(folder: Path, error: OSError) -> StorageError:
    """The sentence for a folder in which nothing can be written."""
    # NumPy's own writing tells a full disk by a short count, without a number of the error.
    if error.errno in (None, errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"No space is left for {folder}; free some, or choose a folder on another disk.")
    return StorageError(f"{folder} cannot be written to ({error.strerror or error}); choose another folder.")


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes of this machine that do not live any more."""
    for path in folder.glob(".tmp-*") if folder.is_dir() else ():
        found = _TEMPORARY.match(path.name)
        if found and found["host"] == socket.gethostname() and not lives(int(found["process"])):
            path.unlink(missing_ok=True)


def lives(process: int) -> bool:
    """Whether a process of this machine is still there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


REASONS = {
    errno.ENOSPC: "no space is left on the disk; free some or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "its disk is read-only; choose another folder",
    errno.EACCES: "you have no right to write there; choose another folder",
    errno.EPERM: "you have no right to write there; choose another folder",
    errno.ENOTDIR: "a part of its path is a file; choose another folder",
    errno.EEXIST: "a part of its path is a file; choose another folder",
}


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A temporary neighbour of `out` to write into, which takes its name when the block ends without an error.

    What a killed process left there is removed at the next start; a second process that starts meanwhile is refused.

    Raises:
        InputFileError: if `out` has content, another process writes it, or the disk refuses.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputFileError(f"{out} exists and is not an empty folder; choose another out=, or move it away.")
    part, lock = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.lock")
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0):
                try:
                    shutil.rmtree(part, ignore_errors=True)
                    part.mkdir()
                    yield part
                    os.sync()
                    part.rename(out)
                finally:
                    shutil.rmtree(part, ignore_errors=True)
                    lock.unlink(missing_ok=True)
        except Timeout:
            raise InputFileError(f"Another process is writing {out}; wait for it, or choose another out=.") from None


def refuse_file(out: Path) -> None:
    """Raise InputFileError where a file has the place of a folder that a command will write."""
    if out.is_file():
        raise InputFileError(f"{out} is a file; choose a folder as out=...")


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A temporary neighbour of `folder` to write into, which takes its place when the block ends without an error.

    Raises:
        StorageError: naming the folder, where nothing can be written (full, read-only).
    """
    part, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        os.sync()
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing into a sentence.

    Raises:
        InputFileError: naming `path`.
    """
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise InputFileError(f"{path} cannot be written: {reason}.") from error
