"""Room cli: from a command line through Hydra to a command's typed settings."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mixlab.cli.errors import fail, one_sentence_errors
from mixlab.cli.hints import refusal
from mixlab.cli.table import COMMANDS, Command, config_place, kind_of
from mixlab.cli.words import read_words
from mixlab.errors import ConfigError, MixlabError, StorageError
from mixlab.escaping import LogFormatter
from mixlab.registry import load_plugins
from mixlab.runs.job import Job
from mixlab.runs.status import digest
from mixlab.settings import parse
from mixlab.sweeps.jobs import run_job
from mixlab.sweeps.names import DOOR, job_folder, overrides_of

RECORDED = ("train",)
"""Commands whose run folder says how the run goes, and whose jobs of a sweep do not stop each other."""

WITHOUT_FOLDER = {"hydra.run.dir": ".", "hydra.output_subdir": "null", "hydra.job.chdir": "false"}
"""What Hydra is told for a command that writes where its own keys say."""


def register_resolvers() -> None:
    """Make known to configurations what the machine has.

    ``${cpu_count:}`` is the number of cores that this process may use, and ``${cores:devices,most}`` how many of them
    one of two tasks of a training process may take, where `devices` (the value of ``trainer.devices``) processes share
    the machine: one at least, `most` at most. ``${job_folder:}`` names the folder of a job in its sweep, and
    ``${expanded:path}`` is a path whose ``~`` is the home folder.
    """
    OmegaConf.register_new_resolver("cpu_count", _cpu_count, replace=True)
    OmegaConf.register_new_resolver("cores", _cores, replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    OmegaConf.register_new_resolver("expanded", os.path.expanduser, replace=True)


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores(devices: Any, most: int) -> int:
    # Device numbers come as a list, and "auto" or -1 stands for all that there are, which only the trainer finds out.
    processes = len(devices) if isinstance(devices, list | ListConfig) else devices if isinstance(devices, int) else 1
    return max(1, min(most, _cpu_count() // (2 * max(1, processes))))


def composed(config: str, *overrides: str) -> dict[str, Any]:
    """The plain values that a command line composes, for scripts that do a part of what a command does.

    Args:
        config: of the command, below `conf/`.
        overrides: as on its command line.
    """
    folder, name = config_place(config)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose(name, overrides=list(overrides)), resolve=True)
    return values


# On import, since the processes of launchers resolve the folder of a job before they call anything of mixlab.
register_resolvers()


def run(verb: str, command: Command, words: Sequence[str]) -> None:
    """Run a command: compose its configuration from the command line, parse it, call the command, and exit."""
    whole = sys.argv
    # With this set Hydra raises instead of printing, so that all errors are worded in one place, here.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    folder, name = config_place(str(command.config))
    task = _task(verb, command, whole)
    with one_sentence_errors():
        words = read_words(words, verb, folder)
        # Among the overrides, which argparse wants in one piece, behind options.
        first = next(
            (place for place, word in enumerate(words) if "=" in word and not word.startswith("-")), len(words)
        )
        sys.argv = [whole[0], *words[:first], *_hydras_own(verb, command, words), *words[first:]]
        if _is_further_process():
            # The folder of the first process is the run's; the clocks of others may name another one.
            sys.argv += ["hydra.output_subdir=null", f"hydra.run.dir={tempfile.mkdtemp(prefix='mixlab-')}"]
        with worded(verb):
            hydra.main(version_base="1.3", config_path=str(folder), config_name=name)(task)()


@contextmanager
def worded(verb: str) -> Iterator[None]:
    """Raise what Hydra and OmegaConf refuse in the block as a ConfigError in one sentence."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(refusal(error, verb)) from error


class Door(Callback):
    """Hydra's callback that refuses a command line before there is a run folder.

    Args:
        verb: of the command.

    Attributes:
        made: the folders above the run folder that it was the first to need, innermost first.
    """

    made: ClassVar[list[Path]] = []

    def __init__(self, verb: str) -> None:
        self.verb = verb

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Parse the settings, check them, and make the run folder."""
        with one_sentence_errors(), worded(self.verb):
            overrides, folder = overrides_of(config.hydra), Path(config.hydra.run.dir)
            composed = config.copy()
            with open_dict(composed):
                del composed["hydra"]
            settings_of(self.verb, composed, overrides)
            Door.made[:] = [path for path in folder.parents if not path.exists()]
            make_folder(folder)


def make_folder(folder: Path) -> None:
    """Make the folder of a run.

    Raises:
        StorageError: if nothing can be written there, naming the keys that place it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"The run folder {folder} cannot be written to ({error.strerror or error}); set paths.outputs, name or "
            "hydra.run.dir to another place."
        ) from error


def _hydras_own(verb: str, command: Command, words: Sequence[str]) -> list[str]:
    """The block of Hydra's settings that all commands share, but for what the command line says otherwise."""
    said = {word.lstrip("+~").partition("=")[0] for word in words}
    shared = {} if command.has_folder else dict(WITHOUT_FOLDER)
    shared |= {"hydra.job.chdir": "false"}
    if not command.has_folder or not command.screen:
        # The screen belongs to what the command prints, or shows its log; there is no log file beside it.
        shared |= {"hydra/job_logging": "stdout" if command.screen else "none", "hydra/hydra_logging": "none"}
    if command.has_folder:
        shared |= {DOOR: f"{{_target_:mixlab.cli.run.Door,verb:'{verb}'}}"}
    return [f"{key}={value}" for key, value in shared.items() if key.lstrip("+") not in said]


def _task(verb: str, command: Command, argv: Sequence[str]) -> Callable[[DictConfig], Any]:
    """What Hydra calls with the composed configuration of a job."""

    def task(cfg: DictConfig) -> Any:
        # Lightning starts further processes by the words of this one.
        sys.argv = list(argv)
        hydra_cfg = HydraConfig.get()
        folder = Path(hydra_cfg.runtime.output_dir)
        for handler in logging.root.handlers:
            handler.setFormatter(LogFormatter(getattr(handler.formatter, "_fmt", None)))
        try:
            return call(verb, command, cfg, _job(verb, cfg))
        except MixlabError as error:
            if command.has_folder and hydra_cfg.mode != RunMode.MULTIRUN:
                from mixlab.runs.folder import RunFolder

                RunFolder(folder).discard_if_nothing_was_done()
                for path in Door.made:
                    with suppress(OSError):
                        path.rmdir()
            return fail(str(error))

    # Hydra names the job, and its log file, after the module.
    task.__module__ = f"mixlab.{verb.replace(' ', '_')}"
    return task


def settings_of(verb: str, cfg: DictConfig, overrides: Sequence[str]) -> Any:
    """The settings of a command, parsed and checked.

    Args:
        verb: of the command.
        cfg: as composed.
        overrides: of the command line.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    with worded(verb):
        values: Any = OmegaConf.to_container(cfg, resolve=True)
    load_plugins(_plugins(values))
    module = importlib.import_module(COMMANDS[verb].place[0])
    door, check = getattr(module, "settings", None), getattr(module, "check", None)
    settings = parse(values, kind_of(verb)) if door is None else door(values, overrides)
    if check is not None:
        check(settings)
    return settings


def call(verb: str, command: Command, cfg: DictConfig, job: Job) -> Any:
    """Parse the configuration of a command into its settings, once, and call it.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    settings = settings_of(verb, cfg, job.overrides)
    module, function = command.place
    main = getattr(importlib.import_module(module), function)
    if verb in RECORDED:
        return run_job(functools.partial(main), settings, job)
    return main(settings, job) if len(inspect.signature(main).parameters) > 1 else main(settings)


def _plugins(values: Mapping[str, Any]) -> Sequence[str]:
    names = values.get("plugins") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"The key 'plugins' is {names!r}: name modules in a list, as in plugins=[my_lab.mixing].")
    return names


def _job(verb: str, cfg: DictConfig) -> Job:
    """The job of this process, as Hydra knows it."""
    hydra_cfg = HydraConfig.get()
    in_sweep = hydra_cfg.mode == RunMode.MULTIRUN
    unresolved: Any = OmegaConf.to_container(cfg, resolve=False)
    return Job(
        verb,
        tuple(overrides_of(hydra_cfg)),
        Path(hydra_cfg.runtime.output_dir),
        digest(unresolved),
        Path(hydra_cfg.sweep.dir) if in_sweep else None,
        str(hydra_cfg.launcher.get("_target_", "")) if in_sweep else "",
    )


def _is_further_process() -> bool:
    """Whether torchrun or SLURM started this process beside the first one of the same training."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["RANK"]) > 0
    # Lightning's own test for processes that srun started, and not a shell of salloc.
    in_step = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    return in_step and int(os.environ.get("SLURM_PROCID", "0")) > 0
