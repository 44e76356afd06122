"""Room runs: the command line that a run came from, and its place in a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One job: a command that runs alone, or as one of a sweep.

    Attributes:
        command: its verb, such as ``train``.
        overrides: what the command line said for this job.
        folder: of the run.
        digest: of the configuration, see `status.digest`.
        sweep: folder of the sweep that the job belongs to, None where it runs alone.
        launcher: class of the launcher of the sweep.
    """

    command: str
    overrides: tuple[str, ...]
    folder: Path
    digest: str = ""
    sweep: Path | None = None
    launcher: str = ""
