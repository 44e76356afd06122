"""Room web: folders of the people who use the page: unguessable, bounded together, gone after use."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, StorageError
from mixlab.storage import lives

TOKEN_BYTES = 32
MOST_FOLDERS = 200
"""Of one address: with the next one, the folder goes that was not used for longest."""

_PREFIX = f"mixlab-web-{socket.gethostname()}-"

LOOK_BYTES = 4_000_000
"""After so much more of an upload it is looked at whether there is still room."""


@dataclass
class Folder:
    """What one person has on the server.

    Attributes:
        token: names the folder in the file system and in addresses; nobody can guess it.
        address: of the client whose it is.
        served: name in an address -> file; nothing else of the folder is ever sent.
        work: what the page knows of this person's song.
        outlines: of the waveforms, by file.
    """

    token: str
    path: Path
    address: str
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


@dataclass
class Arrival:
    """An upload while it arrives, in a place of its own; `grow` raises StorageError where there is no room for more."""

    place: Path
    grow: Callable[[int], None]


class Folders:
    """All folders of a server, under one temporary folder of its own.

    Args:
        total_mb: of all folders together.
        address_mb: of those of one address.
        idle_s: a folder that was not used for this long is removed.

    Raises:
        ConfigError: if the place for temporary files lies in the working directory, which servers hand out.
    """

    def __init__(self, total_mb: float, address_mb: float, idle_s: float) -> None:
        _remove_leftovers()
        self.root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")).resolve()
        if self.root.is_relative_to(Path.cwd().resolve()) and Path.cwd() != Path("/"):
            shutil.rmtree(self.root)
            raise ConfigError(
                f"Temporary files would lie in the working directory ({self.root}); set TMPDIR elsewhere."
            )
        self.uploads = self.root / "uploads"
        self.uploads.mkdir()
        self.total_mb, self.address_mb, self.idle_s = total_mb, address_mb, idle_s
        self._folders: dict[str, Folder] = {}
        self._by_visitor: dict[str, str] = {}
        self._places: dict[Path, str] = {}
        self._arriving: set[Path] = set()
        self._promised_mb = defaultdict[str, float](float)
        self._lock = threading.Lock()
        atexit.register(self.close)

    def new(self, address: str) -> Folder:
        """A fresh folder of an address that only this process' user can read."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        path = self.root / token
        path.mkdir(mode=0o700)
        folder = Folder(token, path, address)
        with self._lock:
            own = [other for other in self._folders.values() if other.address == address]
            self._folders[token] = folder
        for other in sorted(own, key=lambda other: other.used)[: max(0, len(own) + 1 - MOST_FOLDERS)]:
            self.remove(other)
        return folder

    def of_visitor(self, visitor: str, address: str) -> Folder:
        """The folder of a visitor of the page, by the page's own secret; a new one where there is none.

        Raises:
            StorageError: for a visitor without one, who would share a folder with all others like that.
        """
        if not visitor:
            raise StorageError("This page is not known any more; load it again.")
        with self._lock:
            folder = self._folders.get(self._by_visitor.get(visitor, ""))
        if folder is None:
            folder = self.new(address)
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
    def arriving(self, address: str) -> Iterator[Arrival]:
        """A place of its own for an upload while it arrives; if that fails, nothing of it stays.

        Nobody else's upload lies there, not even one of the same content and name. Room is taken by what has arrived,
        not by what was announced.

        Raises:
            StorageError: if there is no room at all.
        """
        place = self.uploads / secrets.token_urlsafe(TOKEN_BYTES)
        looked_at = arrived = 0

        def grow(size: int) -> None:
            nonlocal looked_at, arrived
            arrived += size
            if arrived >= looked_at:
                looked_at = arrived + LOOK_BYTES
                with self.room(0.0, address):
                    pass

        grow(0)
        with self._lock:
            self._places[place] = address
            self._arriving.add(place)
        place.mkdir(mode=0o700)
        try:
            yield Arrival(place, grow)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        finally:
            with self._lock:
                self._arriving.discard(place)

    def is_upload(self, path: Path) -> bool:
        """Whether a path is that of a file that was uploaded: in a folder of its own, in the place of its upload."""
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
        for path in self.uploads.glob("*"):
            with suppress(FileNotFoundError):  # taken in between
                if path not in arriving and time.time() - path.stat().st_mtime > self.idle_s:
                    shutil.rmtree(path, ignore_errors=True)
        with self._lock:
            self._by_visitor = {who: token for who, token in self._by_visitor.items() if token in self._folders}
            self._places = {path: who for path, who in self._places.items() if path.exists() or path in self._arriving}

    def used_mb(self, address: str | None = None) -> float:
        """What all files take in MB, or those of one address."""
        with self._lock:
            own = [folder.path for folder in self._folders.values() if folder.address == address]
            own += [place for place, who in self._places.items() if who == address]
        total = 0
        for top in [self.root] if address is None else own:
            # Unlike Path.rglob, os.walk does not mind folders that others remove meanwhile.
            for folder, _, names in os.walk(top):
                for name in names:
                    with suppress(OSError):
                        total += os.lstat(os.path.join(folder, name)).st_size
        return total / 1e6

    @contextmanager
    def room(self, more_mb: float, address: str) -> Iterator[None]:
        """Keep room for files that are being written, so that what is written at one time fits together.

        Raises:
            StorageError: if `more_mb` would exceed what all folders, or those of an address, may take together.
        """
        refusal = self._promise(more_mb, address)
        if refusal:
            self.sweep()
            refusal = self._promise(more_mb, address)
        if refusal:
            raise StorageError(refusal)
        try:
            yield
        finally:
            with self._lock:
                self._promised_mb[address] -= more_mb
                if self._promised_mb[address] <= 0.0:
                    del self._promised_mb[address]

    def _promise(self, more_mb: float, address: str) -> str:
        """Promise room; a sentence where there is none."""
        used_mb, own_mb = self.used_mb(), self.used_mb(address)
        with self._lock:
            if used_mb + sum(self._promised_mb.values()) + more_mb > self.total_mb:
                return "The server has no space for this at the moment; try again in some minutes."
            if own_mb + self._promised_mb[address] + more_mb > self.address_mb:
                return (
                    f"The files from your address would exceed {self.address_mb:g} MB together; close pages that are "
                    "not needed, or try again later."
                )
            self._promised_mb[address] += more_mb
            return ""

    def close(self) -> None:
        """Delete everything, also what a thread that is still at work adds meanwhile."""
        for _ in range(20):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return
            time.sleep(0.05)


def _remove_leftovers() -> None:
    """Delete what servers of this machine left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        process = path.name.removeprefix(_PREFIX).split("-")[0]
        if process.isdecimal() and not lives(int(process)):
            shutil.rmtree(path, ignore_errors=True)
