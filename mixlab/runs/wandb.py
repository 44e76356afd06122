"""Room runs: the Weights & Biases run of a run folder: which one it is, how it is opened and how it is uploaded."""

from __future__ import annotations

import json
import netrc
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args
from urllib.parse import urlparse

from pydantic import TypeAdapter

from mixlab.errors import InputFileError
from mixlab.settings import Plain
from mixlab.storage import write_whole

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

IDENTITY_FILE = "wandb.json"
"""In a run folder that has a W&B run: which one it is. It holds no key."""

LONGEST_TAG = 64
"""W&B refuses longer tags."""


@dataclass(frozen=True)
class Identity:
    """Which W&B run belongs to a run folder."""

    project: str
    run_id: str
    group: str


def read_identity(folder: Path) -> Identity | None:
    """The W&B run of a run folder; None where it has none.

    Raises:
        InputFileError: naming the file, if it does not say which run.
    """
    path = folder / IDENTITY_FILE
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Identity).validate_json(path.read_bytes(), strict=True)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputFileError(
            f"{path} does not say which W&B run belongs to its folder ({reason}); remove it to start a new one."
        ) from error


def settle_identity(folder: Path, project: str, group: str, resume_from: Path | None) -> Identity:
    """The W&B run of a folder, kept in it: the one it has, or that of the checkpoint gone on from, or a new one.

    Args:
        resume_from: the checkpoint file, in ``checkpoints/`` of its run folder; None for a fresh start.
    """
    found = read_identity(folder)
    if found is None and resume_from is not None:
        found = read_identity(resume_from.absolute().parent.parent)
    if found is None:
        found = Identity(project, secrets.token_hex(8), group)
    write_whole(folder / IDENTITY_FILE, json.dumps(asdict(found), indent=1) + "\n")
    return found


Mode = Literal["online", "offline", "disabled", "shared"]


def wandb_mode() -> Mode:
    """What ``WANDB_MODE`` says; otherwise online where a key is found, and offline where none is."""
    asked = os.environ.get("WANDB_MODE", "").strip().lower()
    if asked in get_args(Mode):
        return cast(Mode, asked)
    if asked == "dryrun":
        return "offline"
    return "online" if has_wandb_key() else "offline"


def has_wandb_key() -> bool:
    """Whether a W&B key is in the environment or in the user's netrc file; the key itself is not kept."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (FileNotFoundError, netrc.NetrcParseError):
        return False


def open_run(
    folder: Path,
    identity: Identity,
    *,
    name: str,
    job_type: str = "train",
    tags: Sequence[str] = (),
    config: Mapping[str, Plain] | None = None,
    beside: bool = False,
) -> Run:
    """Start the W&B run of a folder, or go on with it.

    Args:
        name: that people read.
        tags: those that are too long for W&B are left out.
        config: resolved; None where the run has one already.
        beside: leaves a run that is open untouched, as for a control.
    """
    import wandb

    mode = wandb_mode()
    run = wandb.init(
        project=identity.project,
        id=identity.run_id,
        group=identity.group,
        name=name,
        job_type=job_type,
        tags=[tag for tag in tags if 0 < len(tag) <= LONGEST_TAG] or None,
        config=None if config is None else dict(config),
        dir=folder,
        mode=mode,
        resume="allow",
        reinit="create_new" if beside else "finish_previous",
        # The address of a git remote may hold a token as its user name, which W&B would keep.
        settings=wandb.Settings(silent=True, disable_git=True),
    )
    if mode == "online":
        print(f"W&B run: {run.url}", file=sys.stderr)
    return run


def open_run_of(folder: Path) -> Run | None:
    """The W&B run of a run folder where it is open in this process."""
    import wandb

    identity = read_identity(folder)
    return wandb.run if identity is not None and wandb.run is not None and wandb.run.id == identity.run_id else None


def finish_run(run: Run, folder: Path) -> None:
    """Close a run; where it was logged offline, print the command that uploads all that its folder holds of it."""
    run.finish()
    if wandb_mode() == "offline" and (line := sync_line(folder, run.id)):
        why = "" if has_wandb_key() else ", since no W&B key was found"
        print(f"Logged offline{why}. To upload: {line}", file=sys.stderr)


def sync_line(folder: Path, run_id: str) -> str:
    """``wandb sync`` with what a folder holds of a run offline, oldest first; empty where that is nothing."""
    found = sorted((folder / "wandb").glob(f"offline-run-*-{run_id}*"))
    return shlex.join(["wandb", "sync", *map(str, found)]) if found else ""


@contextmanager
def closing_runs() -> Iterator[None]:
    """Leaves no W&B run open, whatever happens: the next job of a sweep must not go on in it."""
    try:
        yield
    finally:
        # Not imported for this: who has not loaded W&B has no run.
        if (wandb := sys.modules.get("wandb")) is not None and wandb.run is not None:
            run = wandb.run
            finish_run(run, Path(run.dir).parents[2])
