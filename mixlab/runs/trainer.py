"""Room runs: the Lightning trainer that a run's settings describe, and the process group of its devices."""

from __future__ import annotations

import os
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.accelerators import MPSAccelerator
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities import rank_zero_only

from mixlab.errors import ConfigError
from mixlab.registry import Choice
from mixlab.runs.settings import TrainerSettings

STRATEGIES: dict[str, Any] = {"model_parallel": ModelParallelStrategy}
"""Strategies that take settings, by the name that ``trainer.strategy.kind`` gives; Lightning knows others by name."""

STARTED_FROM_OUTSIDE = {"SLURM_NTASKS", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK"}
"""In the environment of a process that a launcher of several machines started."""


def build_trainer(settings: TrainerSettings, **arguments: Any) -> lightning.Trainer:
    """The Lightning trainer that `trainer` describes; without arguments it shows nothing and writes nothing.

    Raises:
        ConfigError: naming the key that asks for what the machine or Lightning does not have.
    """
    silent: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    check_devices_there(settings)
    strategy: Any = settings.strategy
    if isinstance(strategy, Choice):
        strategy = strategy.build(STRATEGIES, "trainer.strategy")
    try:
        return lightning.Trainer(**(silent | settings.options | {"strategy": strategy} | arguments))
    except (TypeError, ValueError, MisconfigurationException) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConfigError(f"The keys of trainer do not fit lightning.Trainer ({first}).") from error


def check_devices_there(settings: TrainerSettings) -> None:
    """Refuse devices that the machine does not have.

    Raises:
        ConfigError: naming the key, with what there is.
    """
    if (settings.num_nodes or 1) > 1 and STARTED_FROM_OUTSIDE.isdisjoint(os.environ):
        raise ConfigError(
            f"trainer.num_nodes is {settings.num_nodes}, but this process would wait for the other machines in vain; "
            "start one process a device with srun or torchrun on each of them."
        )
    accelerator, asked = settings.accelerator, settings.devices
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (
        accelerator in ("gpu", "cuda") and not gpus and not (accelerator == "gpu" and MPSAccelerator.is_available())
    ) or (accelerator == "mps" and not MPSAccelerator.is_available()):
        raise ConfigError(
            f"trainer.accelerator is '{accelerator}', but PyTorch finds no such device on this machine; choose "
            "trainer=cpu, or install the driver and the build of PyTorch that belong to it."
        )
    if accelerator in ("gpu", "cuda", "auto") and gpus:
        there, numbered = gpus, f"the GPUs 0 to {gpus - 1}" if gpus > 1 else "one GPU, number 0"
        missing = max(asked) >= gpus if isinstance(asked, list) else isinstance(asked, int) and asked > gpus
    elif accelerator in ("cpu", "auto"):
        there, numbered = os.cpu_count() or 1, f"{os.cpu_count() or 1} cores, which have no numbers"
        missing = isinstance(asked, list) or (isinstance(asked, int) and not 0 < asked <= there)
    else:
        return
    if missing:
        raise ConfigError(f"trainer.devices is {asked}, but this machine has {numbered}; set it to 1 to {there}.")


def is_sharded(trainer: lightning.Trainer) -> bool:
    """Whether the trainer spreads the model's weights over devices."""
    return isinstance(trainer.strategy, ModelParallelStrategy)


def is_first_process() -> bool:
    """Whether this process is the only one of its run, or the one of all (rank 0) that writes and reports."""
    return getattr(rank_zero_only, "rank", 0) == 0


class Devices:
    """The devices of a trainer, one a process, for work that is shared among them without training.

    Where a training has set the processes up before, they are used; else they are started.

    Args:
        settings: of the trainer.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        check_devices_there(settings)
        options = {
            key: settings.options[key] for key in ("accelerator", "devices", "num_nodes") if key in settings.options
        }
        several = settings.strategy != "auto"
        try:
            self._fabric = lightning.Fabric(strategy="ddp" if several else "auto", **options)
        except (TypeError, ValueError, MisconfigurationException) as error:
            raise ConfigError(f"trainer asks for devices that are not there ({str(error).splitlines()[0]}).") from error
        self._fabric.launch()

    @property
    def rank(self) -> int:
        """The number of this process among all."""
        return self._fabric.global_rank

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return self._fabric.world_size

    @property
    def device(self) -> torch.device:
        """That of this process."""
        return self._fabric.device

    def gather(self, part: list[Any]) -> list[list[Any]]:
        """The lists of all processes, in the order of their ranks, in every process."""
        if self.world_size == 1:
            return [part]
        found: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(found, part)
        return found
