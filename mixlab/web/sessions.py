"""Room web: folders of the people who use the page: unguessable, bounded together, gone after use."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        self._arriving: set[Path] = set()
        self._promised_mb = 0.0
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

    @contextmanager
    def arriving(self, size_mb: float) -> Iterator[Path]:
        """A place of its own for an upload while it arrives; if that fails, nothing of it stays.

        Nobody else's upload lies there, not even one of the same content and name.

        Raises:
            StorageError: if there is no room for it.
        """
        with self.room(size_mb):
            place = self.uploads / secrets.token_urlsafe(TOKEN_BYTES)
            place.mkdir(mode=0o700)
            with self._lock:
                self._arriving.add(place)
            try:
                yield place
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
            finally:
                with self._lock:
                    self._arriving.discard(place)

    def is_upload(self, path: Path) -> bool:
        """Whether a path is that of a file that was uploaded: in a folder by content, in a place of its own."""
        return path == path.resolve() and path.is_file() and path.parent.parent.parent == self.uploads

    def drop_upload(self, path: Path) -> None:
        """Delete an upload that was taken or refused, and its place once nothing else is in it."""
        shutil.rmtree(path.parent, ignore_errors=True)
        with suppress(OSError):
            path.parent.parent.rmdir()

    def sweep(self) -> None:
        """Remove what has been idle, folders and uploads that nobody asked about."""
        with self._lock:
            folders, arriving = list(self._folders.values()), set(self._arriving)
        for folder in folders:
            if time.monotonic() - folder.used > self.idle_s:
                self.remove(folder)
        with self._lock:
            self._by_visitor = {who: token for who, token in self._by_visitor.items() if token in self._folders}
        for path in self.uploads.glob("*"):
            with suppress(FileNotFoundError):  # taken in between
                if path not in arriving and time.time() - path.stat().st_mtime > self.idle_s:
                    shutil.rmtree(path, ignore_errors=True)

    def used_mb(self) -> float:
        """What all files take, in MB."""
        total = 0
        # Unlike Path.rglob, os.walk does not mind folders that others remove meanwhile.
        for folder, _, names in os.walk(self.root):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total / 1e6

    @contextmanager
    def room(self, more_mb: float) -> Iterator[None]:
        """Keep room for files that are being written, so that what is written at one time fits together.

        Raises:
            StorageError: if `more_mb` would exceed what all folders may take together.
        """
        if not self._promise(more_mb):
            self.sweep()
            if not self._promise(more_mb):
                raise StorageError("The server has no space for this at the moment; try again in some minutes.")
        try:
            yield
        finally:
            with self._lock:
                self._promised_mb -= more_mb

    def _promise(self, more_mb: float) -> bool:
        used_mb = self.used_mb()
        with self._lock:
            if used_mb + self._promised_mb + more_mb > self.total_mb:
                return False
            self._promised_mb += more_mb
            return True

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.root, ignore_errors=True)
