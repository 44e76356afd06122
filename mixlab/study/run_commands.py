"""Room study: `invite`, `backup` and `export`: what is done beside the server, also while it runs."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab.study.schema import BackupSchema, ExportSchema, InviteSchema, settings
from mixlab.study.serve_command import open_database

KEEPS = "participants who have their data deleted later stay in it: look after it yourself."


def invite(cfg: DictConfig) -> None:
    """Print new invitation links, one a line."""
    options = settings(cfg, InviteSchema)
    folder, database = open_database(options)
    from mixlab.study.sessions import Sessions

    for token in Sessions(folder, database).invite(options.count):
        print(f"{options.address.rstrip('/')}/i/{token}")


def backup(cfg: DictConfig) -> None:
    """Copy the database, and say where to."""
    options = settings(cfg, BackupSchema)
    folder, database = open_database(options)
    from mixlab.study.backups import Backups
    from mixlab.study.manifest import BACKUPS

    if options.out is None:
        print(f"Copied to {Backups(database, folder.path / BACKUPS).make()}")
    else:
        print(f"Copied to {database.backup(Path(options.out).expanduser())}; {KEEPS}")


def export(cfg: DictConfig) -> None:
    """Write what people said, and say where to."""
    options = settings(cfg, ExportSchema)
    folder, database = open_database(options)
    from mixlab.study.exporting import export_study

    counts = export_study(folder, database, Path(options.out).expanduser())
    print(f"Written to {options.out}: " + ", ".join(f"{name} ({count} rows)" for name, count in counts.items()))
    print(KEEPS.capitalize())
