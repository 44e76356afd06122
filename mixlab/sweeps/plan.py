"""Room sweeps: the jobs of a sweep, with every launcher: what is planned, done and left."""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from pydantic import TypeAdapter

from mixlab.errors import InputFileError, MixlabError
from mixlab.escaping import say
from mixlab.registry import RESOLVER
from mixlab.runs import status
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse
from mixlab.storage import write_whole
from mixlab.sweeps.names import DOOR, overrides_of

PLAN_FILE = "sweep.json"
EXIT_JOBS_FAILED = 1
EXIT_WRONG_INPUT = 2

HYDRAS_OWN = re.compile(
    r"hydra/launcher=\w+|hydra\.(sweep\.dir=.*|job\.chdir=false"
    r"|launcher\.[\w.]+=(-?[\d.]+|auto|null|true|false)|launcher\.(partition|account|qos|constraint)=[\w-]+)"
)
"""What the command line of a sweep that is resumed may say of Hydra itself: which launcher, and how large jobs are."""


@dataclass(frozen=True)
class Plan:
    """What a sweep was asked for: a command with its arguments, and the folders of its jobs with their commands."""

    command: str
    arguments: list[str]
    jobs: dict[str, str]
    launcher: str


_PLAN = TypeAdapter(Plan)


class Sweep(Callback):
    """Hydra's callback that plans a sweep before its first job and sums it up after its last.

    Args:
        command: the name of the command whose jobs they are.
    """

    def __init__(self, command: str) -> None:
        self.command = command

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check the configuration of every job, and write down which jobs there are."""
        # Hydra turns an error of a callback into a warning and goes on, so it has to end here.
        try:
            folder = Path(config.hydra.sweep.dir)
            planned = plan(config, self.command)
            write_whole(folder / PLAN_FILE, json.dumps(asdict(planned), indent=1) + "\n")
        except MixlabError as error:
            say(f"error: {error}", sys.stderr)
            sys.exit(EXIT_WRONG_INPUT)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Report on what is done; say what is not, why, and how to run it alone, then exit with code 1."""
        from mixlab.reports.sweep_page import write_report

        folder = Path(config.hydra.sweep.dir)
        say(status_page(folder))
        try:
            say(f"All runs side by side: {write_report([folder])}")
        except MixlabError as error:
            say(f"There is no report on the sweep: {error}")
        left = [state for state in states(folder).values() if state != "done"]
        if left:
            say(f"Again, only what is left: mixlab sweep resume {shlex.quote(str(folder))}")
            sys.exit(EXIT_JOBS_FAILED)


def plan(config: DictConfig, command: str) -> Plan:
    """The jobs that Hydra's basic sweeper will start for the composed configuration of a sweep, each checked.

    Tells `config` which overrides all jobs share.

    Raises:
        ConfigError: for the first job whose configuration cannot work, naming it.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from mixlab.training.build import check_choices
    from mixlab.training.hardware import check_devices_of_jobs

    loader: Any = GlobalHydra.instance().config_loader()
    params = config.hydra.sweeper.get("params") or {}
    arguments = [*(f"{key}={value}" for key, value in params.items()), *overrides_of(config.hydra)]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    planned = BasicSweeper.split_arguments(overrides, None)[0]
    # What is the same in all jobs need not stand in the names of their folders.
    common = [override.partition("=")[0].lstrip("+~") for override in set.intersection(*map(set, planned))]
    with read_write(config), open_dict(config):
        quoted = ",".join(f"'{key}'" for key in sorted(common))
        config.hydra.overrides.hydra.append(f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]")
    found = {}
    for job in planned:
        composed = loader.load_sweep_config(config, list(job))
        name = str(composed.hydra.sweep.subdir)
        line = status.command_line(command, overrides_of(composed.hydra), Path(config.hydra.sweep.dir, name).absolute())
        with open_dict(composed):
            del composed["hydra"]
        try:
            values: Any = OmegaConf.to_container(composed, resolve=True)
            settings = parse(values, TrainSettings)
            check_choices(settings)
            # What "auto" stands for is known to the trainer alone, which looks again.
            if isinstance(settings.trainer.devices, int):
                check_devices_of_jobs(settings.trainer.devices, str(config.hydra.launcher["_target_"]))
        except MixlabError as error:
            raise type(error)(f"{str(error).rstrip('.')} (in the job {' '.join(job)}).") from error
        found[name] = line
    return Plan(command, sys.argv[1:], found, str(config.hydra.launcher["_target_"]).rpartition(".")[2])


def read_plan(folder: Path) -> Plan:
    """What a sweep folder says of its sweep.

    Raises:
        InputFileError: if it is no folder of a sweep.
    """
    path = folder / PLAN_FILE
    try:
        return _PLAN.validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError) as error:
        raise InputFileError(
            f"{folder} is no folder of a sweep: {path} is not there or cannot be read; give the folder that "
            "hydra.sweep.dir named, by default <paths.outputs>/<name>/sweep_<time>."
        ) from error


def states(folder: Path) -> dict[str, str]:
    """The state of each job of a sweep by its folder's name: those planned, and those of earlier plans after them."""
    names = [*read_plan(folder).jobs, *sorted(path.parent.name for path in folder.glob(f"*/{status.STATUS_FILE}"))]
    return {name: status.state_of(folder / name, status.read_status(folder / name)) for name in dict.fromkeys(names)}


def status_page(folder: Path) -> str:
    """A table of the jobs of a sweep with the time left, then what failed, why, and how to run it alone."""
    planned, found = read_plan(folder).jobs, states(folder)
    statuses = {name: status.read_status(folder / name) for name in found}
    width = max(len(name) for name in found)
    lines = [f"{'job':{width}}  {'state':8}  {'steps':>12}  {'minutes':>7}  objective"]
    for name, state in found.items():
        job = statuses[name]
        steps = f"{job.step} of {job.steps}" if job is not None and job.steps else ""
        minutes = f"{job.seconds / 60:.1f}" if job is not None and state != "killed" else ""
        objective = f"{job.objective:.3f}" if job is not None and job.objective is not None else ""
        lines.append(f"{name:{width}}  {state:8}  {steps:>12}  {minutes:>7}  {objective}".rstrip())
    counts = Counter(found.values())
    lines += ["", f"{folder}: " + ", ".join(f"{number} {state}" for state, number in counts.items()) + "."]
    left_s = seconds_left(statuses, found)
    if left_s is not None:
        lines.append(
            f"About {left_s / 60:.0f} minutes left, by the jobs that are done." if left_s else "Nothing is left."
        )
    for name, state in found.items():
        job = statuses[name]
        if state in ("failed", "killed", "stopped"):
            why = job.reason if job is not None and job.reason else state
            command = job.command if job is not None else planned[name]
            lines += ["", f"{state.capitalize()}: {name}", f"  {why}", f"  alone: {command}"]
    return "\n".join(lines)


def seconds_left(statuses: dict[str, status.Status | None], found: dict[str, str]) -> float | None:
    """The time until running and waiting jobs are done, if each takes what the median job that is done took.

    As many jobs as run now are taken to run at a time until the end, at least one. None where no job is done yet.
    """
    known = {name: job for name, job in statuses.items() if job is not None}
    done = [job.seconds for name, job in known.items() if found[name] == "done"]
    running = [job for name, job in known.items() if found[name] == "running"]
    if not done:
        return None
    usual_s = statistics.median(done)
    left_s = [max(0.0, usual_s - job.seconds) for job in running]
    left_s += [usual_s] * sum(state == "waiting" for state in found.values())
    return max(sum(left_s) / max(1, len(running)), *left_s) if left_s else 0.0


def resume(folder: Path) -> None:
    """Start a sweep again in its folder, with the arguments it was started with; replaces this process.

    Raises:
        InputFileError: if the folder is none of a sweep, or may be a stranger's: its arguments name what would be
            imported, called, looked up or composed from elsewhere.
    """
    planned = read_plan(folder)
    kept = [argument for argument in typed(planned.arguments) if not argument.startswith("hydra.sweep.dir=")]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    words = [planned.command, *kept, f"hydra.sweep.dir='{quoted}'"]
    if planned.command != "train" or not all(map(is_plain, kept)):
        reason = next((word for word in kept if not is_plain(word)), planned.command)
        raise InputFileError(
            f"{folder / PLAN_FILE} says '{reason[:60]}' (arguments), which a folder may not, since it may come from a "
            f"stranger; if the sweep is yours, type its command yourself: mixlab {shlex.join(words)}"
        )
    say(f"mixlab {shlex.join(words)}", sys.stderr)
    os.execv(sys.executable, [sys.executable, "-m", "mixlab", *words])


def typed(words: Sequence[str]) -> list[str]:
    """The words of a sweep's command line without those that mixlab adds anew whenever it starts."""
    return [word for word in words if word.partition("=")[0] != DOOR]


def is_plain(argument: str) -> bool:
    """Whether an argument of a command line names registered things and plain values, and nothing else."""
    if argument in ("-m", "--multirun"):
        return True
    key = argument.partition("=")[0].lstrip("+~")
    if key.partition("@")[0].startswith("hydra") or "@hydra" in key:
        return HYDRAS_OWN.fullmatch(argument.lstrip("+")) is not None
    names_code = "_target_" in argument or "plugins" in re.split(r"\W", key)
    return not (argument.startswith("-") or names_code or RESOLVER.search(argument))
