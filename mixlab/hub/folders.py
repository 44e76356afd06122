"""Room hub: a folder that appears whole or not at all, and what the disk says in one sentence."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixlab.errors import InputFileError

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
        with lock.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputFileError(
                    f"Another process is writing {out}; wait for it, or choose another out=."
                ) from None
            try:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                yield part
                os.sync()
                part.rename(out)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                lock.unlink(missing_ok=True)


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
