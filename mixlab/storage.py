"""Ground floor: files that appear whole or not at all, and what a killed process leaves behind."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mixlab.errors import StorageError

_TEMPORARY = re.compile(r"^\.tmp-(?P<host>.+)-(?P<process>\d+)-")


def write_whole(path: Path, content: str | bytes | Callable[[IO[bytes]], Any]) -> None:
    """Write a file under a temporary name, then move it to its own; of two writers the last one wins.

    Args:
        path: of the file; its folders are created.
        content: text, which is written as UTF-8, bytes, or a function that writes to the open file.

    Raises:
        StorageError: naming the folder, where nothing can be written (full, read-only).
    """
    temporary = path.with_name(f".tmp-{socket.gethostname()}-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            if callable(content):
                content(handle)
            else:
                handle.write(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path.parent, error) from error
    finally:
        # Gone already where all went well.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
