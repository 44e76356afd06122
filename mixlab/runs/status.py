"""Room runs: what a run folder says of the run that fills it (``status.json``), and what goes on in it.

A run that is killed cannot say so: its folder keeps saying that it runs, and whoever reads it looks for the process,
or, where that ran on another machine, for its heartbeat (the time of the file, which a living run renews).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mixlab.storage import write_whole

STATUS_FILE = "status.json"
HEARTBEAT_S = 10.0
LOST_S = 180.0
"""A process of another machine that has not renewed its file for so long counts as killed."""


@dataclass(frozen=True)
class Status:
    """What is known of one job.

    Attributes:
        state: running, done, failed, or stopped (by Ctrl-C). A dead process that "runs" is killed, see `state_of`.
        command: the command line that runs this job alone, in its folder.
        config: digest of the configuration, see `digest`.
        host, process, born: the machine, the process there, and when it began, by the machine's own count.
        started_s, ended_s: seconds since 1970, UTC.
        step, steps: how far training is, of how many.
        reason: one sentence, of what failed.
        objective: what the job found.
    """

    state: str
    command: str
    config: str
    host: str
    process: int
    born: str | None
    started_s: float
    ended_s: float | None = None
    step: int = 0
    steps: int | None = None
    reason: str | None = None
    objective: float | None = None

    @property
    def seconds(self) -> float:
        """How long the job took, or has taken so far."""
        return (self.ended_s or time.time()) - self.started_s


_STATUS = TypeAdapter(Status)


def digest(values: Mapping[str, object]) -> str:
    """Eight hex digits of a configuration: equal where all choices are equal.

    Args:
        values: the configuration with its references as they are written, so that the cores and the environment of the
            machine that reads them do not count.
    """
    # Keys as text, as JSON has them: YAML's own may be numbers beside text, which have no order.
    plain = json.loads(json.dumps(dict(values), default=str))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]


def command_line(command: str, overrides: Sequence[str], folder: Path) -> str:
    """What to type to run one job alone, in its folder."""
    with suppress(ValueError):
        folder = folder.relative_to(Path.cwd())
    return shlex.join(["mixlab", command, *overrides, f"hydra.run.dir={folder}"])


def read_status(folder: Path) -> Status | None:
    """What a run folder says of its run; None if nothing, or nothing that can be read."""
    try:
        return _STATUS.validate_json((folder / STATUS_FILE).read_bytes(), strict=True)
    except (OSError, ValueError):
        return None


def write_status(folder: Path, status: Status) -> None:
    """Write it, whole."""
    write_whole(folder / STATUS_FILE, json.dumps(asdict(status), indent=1, allow_nan=False) + "\n")


def state_of(folder: Path, status: Status | None) -> str:
    """The state of a job as it is: waiting, running, killed, done, failed or stopped."""
    if status is None:
        return "waiting"
    if status.state != "running":
        return status.state
    if status.host == socket.gethostname():
        return "running" if born(status.process) == status.born is not None else "killed"
    try:
        silent_s = time.time() - (folder / STATUS_FILE).stat().st_mtime
    except OSError:
        return "killed"
    return "running" if silent_s < LOST_S else "killed"


def born(process: int) -> str | None:
    """When a living process of this machine began, in a form that only serves to compare; None if there is none."""
    try:
        # The name in parentheses may hold anything; behind it the 1st field is Z for a zombie, the 20th the start.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").is_file():
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"


def is_further_process() -> bool:
    """Whether this process trains together with a first one, which alone writes what is known of the job."""
    return any(int(os.environ.get(name) or 0) > 0 for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def progress(folder: Path, step: int, steps: int) -> None:
    """Note how far the run of a folder is; nothing where the folder says nothing of a run of this process."""
    status = read_status(folder)
    if status is not None and status.process == os.getpid() and status.state == "running":
        write_status(folder, replace(status, step=step, steps=steps))


def checkpoint_to_go_on_from(folder: Path, config: str) -> Path | None:
    """The newest checkpoint of a run of the same configuration that did not come to its end; None if there is none.

    Args:
        config: the `digest` of the configuration.
    """
    status, last = read_status(folder), folder / "checkpoints" / "last.ckpt"
    goes_on = status is not None and status.state != "done" and status.config == config and last.is_file()
    return last if goes_on else None


class Outcome:
    """What a recorded job hands over for its status."""

    objective: float | None = None


@contextmanager
def recorded(folder: Path, command: str, config: str) -> Iterator[Outcome]:
    """Keep ``status.json`` true while the block runs a job; errors pass through.

    Args:
        folder: of the run.
        command: what runs this job alone.
        config: the `digest` of its configuration.
    """
    outcome = Outcome()
    if is_further_process():
        yield outcome
        return
    before = read_status(folder)
    kept = before if before is not None and before.config == config else None
    write_status(
        folder,
        Status(
            state="running",
            command=command,
            config=config,
            host=socket.gethostname(),
            process=os.getpid(),
            born=born(os.getpid()),
            started_s=time.time(),
            step=kept.step if kept else 0,
            steps=kept.steps if kept else None,
        ),
    )
    ended = threading.Event()
    threading.Thread(target=_keep_heartbeat, args=(folder / STATUS_FILE, ended), daemon=True).start()
    try:
        yield outcome
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        _end(folder, ended, "stopped" if stopped else "failed", reason=None if stopped else reason(error))
        raise
    value = outcome.objective
    _end(folder, ended, "done", objective=value if value is not None and math.isfinite(value) else None)


def _end(folder: Path, ended: threading.Event, state: str, **found: Any) -> None:
    ended.set()
    if (status := read_status(folder)) is not None:
        write_status(folder, replace(status, state=state, ended_s=time.time(), **found))


def _keep_heartbeat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        with suppress(OSError):
            os.utime(path)


def reason(error: BaseException) -> str:
    """Why a job failed, in one sentence; the kind of an error that is not worded for people stands before it."""
    from mixlab.errors import MixlabError

    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return line if isinstance(error, MixlabError) else f"{type(error).__name__}: {line}".rstrip(": ")
