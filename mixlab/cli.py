"""Floor of the entry points: how a command composes its configuration, and how it fails in one sentence."""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mixlab import jobs
from mixlab.errors import MixlabError
from mixlab.sweeping import run_job

EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141


def config_folder() -> str:
    """The folder of the configuration: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    return str(package / "conf" if (package / "conf").is_dir() else package.parent / "conf")


def register_resolvers() -> None:
    """Make known to configurations what the machine has.

    ``${cpu_count:}`` is the number of cores that this process may use, and ``${cores:devices,most}`` how many of them
    one of two tasks of a training process may take, where `devices` (the value of ``trainer.devices``) processes share
    the machine: one at least, `most` at most. ``${job_folder:}`` names the folder of a job in its sweep.
    """
    OmegaConf.register_new_resolver("cpu_count", _cpu_count, replace=True)
    OmegaConf.register_new_resolver("cores", _cores, replace=True)
    OmegaConf.register_new_resolver("job_folder", jobs.job_folder, replace=True)


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores(devices: Any, most: int) -> int:
    # Device numbers come as a list, and "auto" or -1 stands for all that there are, which only the trainer finds out.
    processes = len(devices) if isinstance(devices, list | ListConfig) else devices if isinstance(devices, int) else 1
    return max(1, min(most, _cpu_count() // (2 * max(1, processes))))


# On import, since the processes of launchers resolve the folder of a job before they call anything of mixlab.
register_resolvers()


def run(
    task: Callable[[DictConfig], Any], config_name: str, folder: str | None = None, *, recorded: bool = False
) -> None:
    """Run a command: compose its configuration from the command line, call `task`, and exit.

    Args:
        task: the command, called with its configuration.
        config_name: name of its configuration file.
        folder: where that file lies; `config_folder` unless given.
        recorded: the run folder says how the run goes, and the jobs of a sweep do not stop each other.

    Errors in the configuration and in the user's files end in one sentence on stderr and exit code 2, Ctrl-C in code
    130, and a reader of the output who leaves early (``| head``) in code 141; anything else is a defect of mixlab and
    keeps its traceback.
    """
    if _is_further_process():
        # The folder of the first process is the run's; the clocks of others may name another one.
        sys.argv += ["hydra.output_subdir=null", f"hydra.run.dir={tempfile.mkdtemp(prefix='mixlab-')}"]
    # With this set Hydra raises instead of printing, so that all errors are worded in one place, here.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")

    # The name of the wrapper is Hydra's job name; errors are worded here, before Hydra adds lines of its own to them.
    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> Any:
        try:
            return run_job(task, config_name, cfg) if recorded else task(cfg)
        except MixlabError as error:
            return fail(str(error))

    with one_sentence_errors():
        hydra.main(version_base="1.3", config_path=folder or config_folder(), config_name=config_name)(guarded)()


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """End the process as `run` says where its block fails; for commands without a configuration, too."""
    try:
        yield
        sys.stdout.flush()
    except MixlabError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(_hydra_sentence(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        if not _reader_left():
            raise
        # Python writes what is left when it ends, and would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_NO_READER)


def _reader_left() -> bool:
    """Whether nobody reads the output any more; pipes to other processes break, too."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False


def _is_further_process() -> bool:
    """Whether torchrun or SLURM started this process beside the first one of the same training."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["RANK"]) > 0
    # Lightning's own test for processes that srun started, and not a shell of salloc.
    in_step = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    return in_step and int(os.environ.get("SLURM_PROCID", "0")) > 0


def fail(sentence: str) -> NoReturn:
    """End the process for wrong input, with one sentence on stderr."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(EXIT_WRONG_INPUT)


def _hydra_sentence(error: Exception) -> str:
    """Hydra's and OmegaConf's messages of several lines as one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = []
    for line in lines:
        if line.startswith("Config search path"):
            break
        if not line.startswith(("full_key:", "object_type=", "See https")):
            kept.append(line.rstrip("."))
    return re.sub(r":;", ":", "; ".join(kept)) + "; --help lists the groups and --cfg job the keys."
