"""Room web: folders of the people who use the page: unguessable, bounded together, gone after use."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, StorageError

TOKEN_BYTES = 32


@dataclass
class Folder:
    """What one person has on the server.

    Attributes:
        token: names the folder in the file system and in addresses; nobody can guess it.
        served: name in an address -> file; nothing else of the folder is ever sent.
        work: what the page knows of this person's song.
        outlines: of the waveforms, by file.
    """

    token: str
    path: Path
    served: dict[str, Path] = field(default_factory=dict)
    work: Any = None
    outlines: dict[Path, list[float]] = field(default_factory=dict)
    taken: int = 0
    used: float = field(default_factory=time.monotonic)

    def count(self) -> int:
        """A number that no other file in the folder was named by."""
        self.taken += 1
        return self.taken

    def serve(self, path: Path, name: str) -> str:
        """Let a file be fetched under `name`; returns its address, relative to the page."""
        self.served[name] = path
        return f"files/{self.token}/{name}"


class Folders:
    """All folders of a server, under one temporary folder of its own.

    Args:
        total_mb: of all folders together.
        idle_s: a folder that was not used for this long is removed.

    Raises:
        ConfigError: if the place for temporary files lies in the working directory, which servers hand out.
    """

    def __init__(self, total_mb: float, idle_s: float) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mixlab-web-")).resolve()
        if self.root.is_relative_to(Path.cwd().resolve()) and Path.cwd() != Path("/"):
            shutil.rmtree(self.root)
            raise ConfigError(
                f"Temporary files would lie in the working directory ({self.root}); set TMPDIR elsewhere."
            )
        self.uploads = self.root / "uploads"
        self.uploads.mkdir()
        self.total_mb, self.idle_s = total_mb, idle_s
        self._folders: dict[str, Folder] = {}
        self._by_visitor: dict[str, str] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def new(self) -> Folder:
        """A fresh folder that only this process' user can read."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        path = self.root / token
        path.mkdir(mode=0o700)
        folder = Folder(token, path)
        with self._lock:
            self._folders[token] = folder
        return folder

    def of_visitor(self, visitor: str) -> Folder:
        """The folder of a visitor of the page, by the page's own secret; a new one where there is none."""
        with self._lock:
            folder = self._folders.get(self._by_visitor.get(visitor, ""))
        if folder is None:
            folder = self.new()
            with self._lock:
                self._by_visitor[visitor] = folder.token
        folder.used = time.monotonic()
        return folder

    def file(self, token: str, name: str) -> Path | None:
        """A file that a folder serves, or None."""
        folder = self._folders.get(token)
        if folder is None:
            return None
        folder.used = time.monotonic()
        return folder.served.get(name)

    def remove(self, folder: Folder) -> None:
        """Forget a folder and delete what is in it."""
        with self._lock:
            self._folders.pop(folder.token, None)
        shutil.rmtree(folder.path, ignore_errors=True)

    def leave(self, visitor: str) -> None:
        """Remove a visitor's folder, if there is one."""
        with self._lock:
            folder = self._folders.get(self._by_visitor.pop(visitor, ""))
        if folder is not None:
            self.remove(folder)

    def sweep(self) -> None:
        """Remove what has been idle, folders and uploads that nobody asked about."""
        for folder in [f for f in self._folders.values() if time.monotonic() - f.used > self.idle_s]:
            self.remove(folder)
        with self._lock:
            self._by_visitor = {who: token for who, token in self._by_visitor.items() if token in self._folders}
        for path in self.uploads.glob("*"):
            if time.time() - path.stat().st_mtime > self.idle_s:
                shutil.rmtree(path, ignore_errors=True)

    def used_mb(self) -> float:
        """What all files take, in MB."""
        total = 0
        for path in self.root.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except OSError:  # removed in between
                continue
        return total / 1e6

    def require_space(self, more_mb: float) -> None:
        """Raises StorageError if `more_mb` would exceed what all folders may take together."""
        if self.used_mb() + more_mb > self.total_mb:
            self.sweep()
            if self.used_mb() + more_mb > self.total_mb:
                raise StorageError("The server has no space for this at the moment; try again in some minutes.")

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.root, ignore_errors=True)
