"""Room study: `serve`: the application on a socket, with backups while it runs."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mixlab.errors import ConfigError
from mixlab.study.schema import FolderSchema, ServeSchema, settings

if TYPE_CHECKING:
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder

BACKUPS_KEPT = 48


def main(cfg: DictConfig) -> None:
    """Serve until it is stopped.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    options = settings(cfg, ServeSchema)
    check_packages()
    import uvicorn

    from mixlab.study.app import create_app
    from mixlab.study.manifest import BACKUPS
    from mixlab.study.sessions import Sessions

    folder, database = open_database(options)
    password = os.environ.get(options.password_variable) or None
    app = create_app(Sessions(folder, database, options.simulated), password, options.monitor_attempts_per_minute)
    for name in folder.open_fields():
        print(f"{folder.path / name} still has fields in [brackets]: complete it before people are asked.")
    monitor = "at /monitor" if password else f"off, since {options.password_variable} is not set"
    print(f"Serving {folder.path} at http://{options.host}:{options.port}; the monitor is {monitor}.", flush=True)
    stop = threading.Event()
    if options.backup_minutes is not None and database.is_sqlite:
        keeper = threading.Thread(
            target=_keep, args=(database, folder.path / BACKUPS, 60 * options.backup_minutes, stop), daemon=True
        )
        keeper.start()
    try:
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            log_level="warning",
            # Links are secrets, and would stand in every line.
            access_log=False,
            proxy_headers=options.behind_proxy,
            server_header=False,
        )
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


def backup_name() -> str:
    """A name for a backup that sorts by time."""
    return f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}.sqlite"


def _keep(database: Database, folder: Path, every_s: float, stop: threading.Event) -> None:
    while not stop.wait(every_s):
        try:
            database.backup(folder / backup_name())
            for old in sorted(folder.glob("*.sqlite"))[:-BACKUPS_KEPT]:
                old.unlink(missing_ok=True)
        except Exception as error:
            # A full disk must not end the study.
            print(f"The backup into {folder} failed ({error}).", flush=True)
