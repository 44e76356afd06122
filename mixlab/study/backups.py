"""Room study: copies of an SQLite database: made while it is in use, kept by what they hold, cleared of who left."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import select

from mixlab.storage import remove_leftovers
from mixlab.study.database import Database, Deletion, digest_of

KEPT = 24
"""So many of the latest backups are kept, and as many of those that hold most."""

_HOLDS = """SELECT (SELECT count(*) FROM participants) + (SELECT count(*) FROM ratings) + (SELECT count(*) FROM codes)
    + (SELECT count(*) FROM trials WHERE final IS NOT NULL) + (SELECT count(*) FROM trials WHERE comment != '')"""


class Backups:
    """The backups of a study.

    Args:
        database: that is copied.
        folder: of the copies, for its owner alone.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self._lock = Lock()

    def make(self) -> Path:
        """Copy the database, unless the latest backup holds the same, and remove backups that are not worth keeping.

        Numbers in their names tell which is the latest, since clocks are set back; and an empty database in the place
        of a lost one never drives out the backups of what was lost.

        Returns:
            The latest backup.

        Raises:
            ConfigError: for PostgreSQL.
            StorageError: if it cannot be written.
        """
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = self._all()
            number = 1 + max((_number(path) for path in before), default=0)
            path = self.database.backup(self.folder / f"{number:06d}_{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}.sqlite")
        # Whoever left while it was written, and asked for the other copies alone.
        self.forget()
        with self._lock:
            if before and before[-1].exists() and _content(before[-1]) == _content(path):
                path.unlink()
                return before[-1]
            self._rotate()
        return path

    def forget(self) -> list[str]:
        """Delete from all backups what was said by participants who have had their data deleted.

        Returns:
            Names of the backups in which that was not possible.
        """
        failed = []
        with self._lock:
            remove_leftovers(self.folder)
            if self.folder.is_dir():
                self.folder.chmod(0o700)
            with self.database.reading() as db:
                gone = set(db.scalars(select(Deletion.digest)))
            for path in self._all() if gone else []:
                try:
                    _clear(path, gone)
                except sqlite3.Error:
                    failed.append(path.name)
        return failed

    def _rotate(self) -> None:
        paths = self._all()
        older = paths[:-KEPT]
        fullest = sorted(older, key=lambda path: (_holds(path), _number(path)))
        for path in fullest[:-KEPT]:
            path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        """The latest one last."""
        return sorted(self.folder.glob("*.sqlite"), key=lambda path: (_number(path), path.name))


def _number(path: Path) -> int:
    found = re.match(r"\d{1,9}", path.name)
    return int(found[0]) if found else 0


def _opened(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    # Whoever removes a backup meanwhile does not find an empty one in its place.
    return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True))


def _content(path: Path) -> Sequence[str] | None:
    """What a backup holds, whole; None where it cannot be read."""
    try:
        with _opened(path) as connection:
            return list(connection.iterdump())
    except sqlite3.Error:
        return None


def _holds(path: Path) -> int:
    """How many answers a backup holds; -1 where it cannot be read."""
    try:
        with _opened(path) as connection:
            return int(connection.execute(_HOLDS).fetchone()[0])
    except sqlite3.Error:
        return -1


def _clear(path: Path, gone: set[str]) -> None:
    """Delete participants by the digests of their links, so that their bytes are gone as well."""
    with _opened(path) as connection:
        for pragma in ("journal_mode=DELETE", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        rows = connection.execute("SELECT id, link FROM participants").fetchall()
        with connection:
            for number in (number for number, link in rows if digest_of(link) in gone):
                unlinked = "UPDATE invitations SET participant_id = NULL, join_key = NULL WHERE participant_id = ?"
                connection.execute(unlinked, (number,))
                connection.execute("DELETE FROM participants WHERE id = ?", (number,))
