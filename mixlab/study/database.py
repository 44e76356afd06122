"""Tables of what people said, in SQLite or PostgreSQL, and transactions on them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, ForeignKey, UniqueConstraint, create_engine, event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from mixlab.errors import ConfigError, StorageError
from mixlab.storage import whole_file

BUSY_S = 30
"""How long a writer waits for another one in SQLite."""

CLEAR_S = 5
"""How long clearing the log waits for readers."""


class Table(DeclarativeBase):
    """Times are ISO 8601 in UTC, as text."""


class Participant(Table):
    """A person, known by a secret link alone. ``id`` is never given twice, since it decides on the order of trials."""

    __tablename__ = "participants"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    link: Mapped[str] = mapped_column(unique=True)
    simulated: Mapped[bool]
    started: Mapped[str]
    background: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    playback: Mapped[str | None]
    tones_right: Mapped[int | None]
    headphone_check_passed: Mapped[bool | None]
    finished: Mapped[str | None]
    trials: Mapped[list[Trial]] = relationship(order_by="Trial.position", cascade="all, delete-orphan")
    requests: Mapped[list[Request]] = relationship(cascade="all, delete-orphan")


class Invitation(Table):
    """A link that lets one person in; ``join_key`` is that of the request which used it."""

    __tablename__ = "invitations"
    token: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[str]
    join_key: Mapped[str | None]
    used: Mapped[str | None]
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participants.id", ondelete="SET NULL"))


class Trial(Table):
    """A trial of one participant. What it shows never changes; ``preferred`` is 0, 1 or 2 (neither) in a pair."""

    __tablename__ = "trials"
    __table_args__ = (UniqueConstraint("participant_id", "position"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    kind: Mapped[str]
    item: Mapped[int]
    systems: Mapped[list[str]] = mapped_column(JSON)
    instructed: Mapped[int | None]
    is_repeat: Mapped[bool]
    opened: Mapped[str | None]
    locked: Mapped[str | None]
    final: Mapped[str | None]
    comment: Mapped[str] = mapped_column(default="")
    preferred: Mapped[int | None]
    ratings: Mapped[list[Rating]] = relationship(cascade="all, delete-orphan")
    codes: Mapped[list[Code]] = relationship(cascade="all, delete-orphan")


class Rating(Table):
    """A point on a scale; one a trial and criterion, as the database itself sees to."""

    __tablename__ = "ratings"
    __table_args__ = (UniqueConstraint("trial_id", "criterion"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), index=True)
    criterion: Mapped[str]
    rating: Mapped[int]
    at: Mapped[str]


class Request(Table):
    """An acknowledged request: sent again under its key it changes nothing; ``content`` has no word of what it said."""

    __tablename__ = "requests"
    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[str]
    at: Mapped[str]


class Deletion(Table):
    """That a participant's data were deleted, which backups are to follow; a digest of the link says nothing of it."""

    __tablename__ = "deletions"
    digest: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[str]


class Code(Table):
    """That a coder gave a comment a code; the code ``""`` says that the coder has read it."""

    __tablename__ = "codes"
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    coder: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def digest_of(text: str) -> str:
    """SHA-256 of a text, as hexadecimal digits."""
    return sha256(text.encode()).hexdigest()


class Database:
    """Transactions on a study's answers; tables are made where they are missing.

    Args:
        url: as SQLAlchemy writes it. SQLite runs in WAL mode with a full sync at every commit, so that what was
            acknowledged is there after a crash. Its files are readable for their owner alone.

    Raises:
        ConfigError: if the URL is none, or names a database that is not supported.
        StorageError: if the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            self.shown = parsed.render_as_string(hide_password=True)
            if parsed.get_backend_name() not in ("sqlite", "postgresql"):
                raise ConfigError(f"The key 'database' is {self.shown}; give a URL of SQLite or PostgreSQL.")
            options: dict[str, Any] = {"timeout": BUSY_S} if self.is_sqlite else {}
            self.engine: Engine = create_engine(
                parsed, connect_args=options, pool_size=20, max_overflow=30, pool_pre_ping=not self.is_sqlite
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"The database needs the package {error.name}, which is missing; pip install 'mixlab[postgresql]'."
            ) from None
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigError(
                "The key 'database' is no URL of a database; give one such as postgresql+psycopg://user@host/name."
            ) from error
        self._writer = self.engine.execution_options(writes=True)
        # SQLite has one writer at a time, and lets others knock again and again until one gives up: they queue here.
        self._turn: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            if self.engine.url.database:
                _make_private(Path(self.engine.url.database))
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        try:
            Table.metadata.create_all(self.engine)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise StorageError(f"The database {self.shown} cannot be used ({reason}); check its URL.") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A view of one moment."""
        with Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed, and on the disk, when the block ends without an error."""
        with self._turn, Session(self._writer) as session, session.begin():
            yield session

    def clear_log(self) -> bool:
        """Clear SQLite's log of changes, which holds deleted rows as well; PostgreSQL looks after its own.

        Returns:
            Whether it is clear; it is not while somebody reads what it holds.
        """
        path = self.engine.url.database
        if not self.is_sqlite or not path:
            return True
        with self._turn, closing(sqlite3.connect(path, timeout=CLEAR_S)) as connection:
            return connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0

    def backup(self, path: Path) -> Path:
        """Copy an SQLite database while it is in use, through its own backup interface, for its owner alone.

        Raises:
            ConfigError: for PostgreSQL, which has a program for it.
            StorageError: if the copy cannot be written.
        """
        if not self.is_sqlite or self.engine.url.database is None:
            raise ConfigError(f"The database is {self.shown}; back it up with PostgreSQL's own pg_dump.")
        try:
            with whole_file(path) as part:
                _make_private(part)
                with closing(sqlite3.connect(self.engine.url.database)) as here, closing(sqlite3.connect(part)) as copy:
                    here.backup(copy)
                    # Without the log that the database has: the copy is one file.
                    copy.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise StorageError(
                f"{path} cannot be written ({error}); free some space, or choose another place."
            ) from None
        return path

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _make_private(path: Path) -> None:
    """Let the owner alone read a file of SQLite, new or not; its log gets the same rights from SQLite."""
    # What is wrong with the place is said where it is used.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        for name in ("", "-wal", "-shm"):
            if (file := path.with_name(path.name + name)).exists():
                file.chmod(0o600)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver is to begin nothing by itself, since it would begin too late to be safe.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # Whoever is going to write takes the lock at once: two readers that both want to write would shut each other out.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
