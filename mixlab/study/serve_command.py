"""Room study: `serve`: the application on a socket, with backups while it runs."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mixlab.errors import ConfigError
from mixlab.study.schema import FolderSchema, ServeSchema, settings

if TYPE_CHECKING:
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.sessions import Sessions

KEEP_MINUTES = 1.0


def main(cfg: DictConfig) -> None:
    """Serve until it is stopped.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    options = settings(cfg, ServeSchema)
    check_packages()
    from mixlab.serving import ends_in_order, listen, make_server
    from mixlab.study.app import create_app
    from mixlab.study.sessions import Sessions

    stop = threading.Event()
    with ends_in_order(), listen(options.host, options.port) as place:
        folder, database = open_database(options)
        sessions = Sessions(folder, database, options.simulated)
        try:
            password = os.environ.get(options.password_variable) or None
            server = make_server(
                create_app(sessions, password, options.monitor_attempts_per_minute),
                options.host,
                behind_proxy=options.behind_proxy,
                connections_per_address=options.connections_per_address,
            )
            for name in folder.open_fields():
                print(f"{folder.path / name} still has fields in [brackets]: complete it before people are asked.")
            monitor = "at /monitor" if password else f"off, since {options.password_variable} is not set"
            address = f"http://{options.host}:{place.getsockname()[1]}"
            print(f"Serving {folder.path} at {address}; the monitor is {monitor}.", flush=True)
            keeper = threading.Thread(target=_keep, args=(sessions, options.backup_minutes, stop), daemon=True)
            keeper.start()
            server.run(sockets=[place])
        finally:
            stop.set()
            database.close()


def check_packages() -> None:
    """That what a study needs is installed.

    Raises:
        ConfigError: naming the extra.
    """
    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"A study needs the package {error.name}, which is not installed; pip install 'mixlab[study]'."
        ) from None


def open_database(options: FolderSchema) -> tuple[StudyFolder, Database]:
    """The folder and the database of a study, for the commands beside the server."""
    check_packages()
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder

    folder = StudyFolder(options.study)
    return folder, Database(options.database or folder.database_url)


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
