"""What is done beside the server of a study, also while it runs."""

from __future__ import annotations

from pathlib import Path

from mixlab.settings import FilePath, PositiveCount
from mixlab.study.serve_command import open_database
from mixlab.study.settings import StudyPlace

KEEPS = "participants who have their data deleted later stay in it: look after it yourself."


class InviteSettings(StudyPlace):
    """The whole configuration of `mixlab study invite`."""

    count: PositiveCount
    address: str


class BackupSettings(StudyPlace):
    """The whole configuration of `mixlab study backup`."""

    out: FilePath | None


class ExportSettings(StudyPlace):
    """The whole configuration of `mixlab study export`."""

    out: FilePath


def invite(settings: InviteSettings) -> None:
    """Print links, each of which lets one participant in.

    mixlab study invite study=studies/first count=20 address=https://study.example.org
    """
    folder, database = open_database(settings)
    from mixlab.study.sessions import Sessions

    for token in Sessions(folder, database).invite(settings.count):
        print(f"{settings.address.rstrip('/')}/i/{token}")


def backup(settings: BackupSettings) -> None:
    """Copy an SQLite database while the study is served; for PostgreSQL there is pg_dump.

    mixlab study backup study=studies/first
    """
    folder, database = open_database(settings)
    from mixlab.study.backups import Backups
    from mixlab.study.manifest import BACKUPS

    if settings.out is None:
        print(f"Copied to {Backups(database, folder.path / BACKUPS).make()}")
    else:
        print(f"Copied to {database.backup(Path(settings.out).expanduser())}; {KEEPS}")


def export(settings: ExportSettings) -> None:
    """Write ratings.csv, participants.csv, comments.csv, codes.csv, preferences.csv, items.csv, webmushra.csv and
    codebook.md; of a study with mode=annotate, annotations.jsonl and predictions/, in which experts' advice is scored
    like a model's: human.jsonl (one person's answer to each item), each run's on these items, people/ (each person's).

    mixlab study export study=studies/first out=results/first
    mixlab score predictions=results/first/predictions/human.jsonl
    mixlab compare runs='[results/first/predictions/human.jsonl,results/first/predictions/fine_tuned.jsonl]'
    """
    folder, database = open_database(settings)
    from mixlab.study.exporting import export_study

    counts = export_study(folder, database, Path(settings.out).expanduser())
    print(f"Written to {settings.out}: " + ", ".join(f"{name} ({count} rows)" for name, count in counts.items()))
    print(KEEPS.capitalize())
