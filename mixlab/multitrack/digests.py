"""Room multitrack: digests of files, so that a store is keyed by what files hold and not by their names or times."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mixlab.storage import write_whole


class DigestMemo:
    """SHA-256 of files, remembered while a file's size, times and inode stay as they are.

    A program may set a file's modification time, but not the time of its last change (ctime), so that an edit is seen
    even where the size and the modification time are kept.

    Args:
        folder: where what was computed is remembered; losing it costs time alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def known(self, path: Path) -> str | None:
        """The digest of a file if it is remembered."""
        try:
            record = json.loads(self._record(path).read_text())
        except (OSError, ValueError):
            return None
        return record["sha256"] if record.get("state") == _state(path) else None

    def digest(self, path: Path) -> str:
        """The digest of a file, computed where it is not remembered.

        Raises:
            OSError: if the file cannot be read.
        """
        known = self.known(path)
        if known is not None:
            return known
        state = _state(path)
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        record = json.dumps({"state": state, "sha256": found}).encode()
        write_whole(self._record(path), record)
        return found

    def _record(self, path: Path) -> Path:
        return self.folder / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]}.json"


def _state(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
