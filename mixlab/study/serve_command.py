"""Serve a study: participants open the links that `mixlab study invite` prints; /monitor shows how far they are.

    MIXLAB_STUDY_PASSWORD=... mixlab study serve study=studies/first

Every answer is stored before it is acknowledged. Links are secrets: serve over TLS where people come from outside.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mixlab.errors import require
from mixlab.settings import Positive, PositiveCount
from mixlab.study.settings import StudyPlace, Words

if TYPE_CHECKING:
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.sessions import Sessions

KEEP_MINUTES = 1.0


class ServeSettings(StudyPlace):
    """The whole configuration of `mixlab study serve`."""

    host: Words
    port: Annotated[int, Field(ge=0, le=65535)]
    password_variable: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
    monitor_attempts_per_minute: PositiveCount
    connections_per_address: PositiveCount
    behind_proxy: bool | str
    backup_minutes: Positive | None
    simulated: bool


def main(settings: ServeSettings) -> None:
    """Serve until it is stopped.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    require_server()
    from mixlab.serving.server import ends_in_order, listen, make_server
    from mixlab.study.app import create_app
    from mixlab.study.sessions import Sessions

    stop = threading.Event()
    with ends_in_order(), listen(settings.host, settings.port) as place:
        folder, database = open_database(settings)
        sessions = Sessions(folder, database, settings.simulated)
        try:
            password = os.environ.get(settings.password_variable) or None
            server = make_server(
                create_app(sessions, password, settings.monitor_attempts_per_minute),
                settings.host,
                behind_proxy=settings.behind_proxy,
                connections_per_address=settings.connections_per_address,
            )
            for name in folder.open_fields():
                print(f"{folder.path / name} still has fields in [brackets]: complete it before people are asked.")
            monitor = "at /monitor" if password else f"off, since {settings.password_variable} is not set"
            address = f"http://{settings.host}:{place.getsockname()[1]}"
            print(f"Serving {folder.path} at {address}; the monitor is {monitor}.", flush=True)
            keeper = threading.Thread(target=_keep, args=(sessions, settings.backup_minutes, stop), daemon=True)
            keeper.start()
            server.run(sockets=[place])
        finally:
            stop.set()
            database.close()


def require_server() -> None:
    """Raise ConfigError, naming the extra, unless what serving needs is installed."""
    require("A study", "study", "fastapi", "sqlalchemy", "uvicorn")


def open_database(place: StudyPlace) -> tuple[StudyFolder, Database]:
    """The folder and the database of a study, for the commands beside the server."""
    require_server()
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder

    folder = StudyFolder(place.study)
    return folder, Database(place.database or folder.database_url)


def _keep(sessions: Sessions, backup_minutes: float | None, stop: threading.Event) -> None:
    """Clear once a minute what deletions left over, and make backups."""
    database, waited = sessions.database, 0.0
    pause = min(KEEP_MINUTES, backup_minutes or KEEP_MINUTES)
    while True:
        try:
            sessions.backups.forget()
            database.clear_log()
            if backup_minutes is not None and database.is_sqlite and waited >= backup_minutes:
                waited = 0.0
                sessions.backups.make()
        except Exception as error:
            # A full disk must not end the study.
            print(f"The backup into {sessions.backups.folder} failed ({error}).", flush=True)
        if stop.wait(60.0 * pause):
            return
        waited += pause
