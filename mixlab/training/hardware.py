"""Room training: what a run asks of the machine that it cannot do, said before any long work."""

from __future__ import annotations

import re
from pathlib import Path

import lightning
import torch
from lightning.pytorch.accelerators import CUDAAccelerator

from mixlab.errors import ConfigError
from mixlab.models.adapters import ADAPTERS
from mixlab.models.footprint import Footprint, check_memory, free_gpu_bytes, free_host_bytes
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings
from mixlab.runs.trainer import is_sharded


def check_precision(settings: TrainSettings, trainer: lightning.Trainer) -> None:
    """Refuse bfloat16 where nothing computes in it: it would run, a hundred times slower.

    Raises:
        ConfigError: naming the key that asks for it.
    """
    on_gpu = isinstance(trainer.accelerator, CUDAAccelerator)
    if torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_has_bfloat16():
        return
    where = "this GPU" if on_gpu else "this CPU"
    if str(trainer.precision).startswith("bf16"):
        instead = "16-mixed or 32-true" if on_gpu else "32-true"
        asked = settings.trainer.precision
        raise ConfigError(f"trainer.precision is '{asked}', but {where} has no bfloat16 units; set it to {instead}.")
    if settings.model.arguments.get("dtype") == "bfloat16":
        raise ConfigError(
            f"model.arguments.dtype is 'bfloat16', but {where} has no units for it; set it to float32, or take a "
            "machine that has them."
        )


def cpu_has_bfloat16(description: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies in bfloat16 (AVX512-BF16, AMX, or ARM's own), as far as the system says."""
    if not description.is_file():
        return False
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", description.read_text(), re.MULTILINE)
    return found is not None and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(found[1].split())


def check_devices(settings: TrainSettings, trainer: lightning.Trainer, job: Job) -> None:
    """Refuse what does not work with several devices.

    Raises:
        ConfigError: for a sweep that this process runs by itself, and for four-bit weights that would be sharded.
    """
    if job.sweep is not None:
        check_devices_of_jobs(trainer.world_size, job.launcher)
    kind = settings.adapter.kind
    if is_sharded(trainer) and kind is not None and ADAPTERS[kind].quantizes:
        raise ConfigError(
            "trainer=fsdp cannot shard the four-bit weights of adapter=qlora; choose trainer=ddp or adapter=lora."
        )


def check_devices_of_jobs(devices: int, launcher: str) -> None:
    """Refuse a sweep whose jobs want several devices each from a launcher that gives a job one process.

    Args:
        devices: of each job.
        launcher: the class of Hydra's launcher.

    Raises:
        ConfigError: with the ways out.
    """
    # Only submitit starts the processes of a job itself; with all others each would start the sweep again.
    if devices > 1 and "submitit" not in launcher:
        raise ConfigError(
            f"A sweep (-m) has one process a job, but trainer asks for {devices} devices a job, whose "
            "processes would each start the whole sweep again; set trainer.devices=1, or give the jobs to SLURM "
            "with hydra/launcher=slurm, or start the runs one by one."
        )


def check_room(loaded: Footprint, trained: Footprint, trainer: lightning.Trainer) -> None:
    """Refuse a model that does not fit into memory, before its weights are loaded.

    Args:
        loaded: of the backbone as it is loaded, on the machine and by every process there.
        trained: of the model with its adapter, where it trains.

    Raises:
        ConfigError: with the memory that is needed and the memory that is free.
    """
    shards = trainer.world_size if is_sharded(trainer) else 1
    if isinstance(trainer.accelerator, CUDAAccelerator):
        check_memory(loaded.weight_bytes * trainer.num_devices, free_host_bytes(), "the machine, to load it,")
        check_memory(trained.training_bytes / shards, free_gpu_bytes(), "the GPU")
    else:
        needed = max(loaded.weight_bytes, trained.training_bytes / shards) * trainer.num_devices
        check_memory(needed, free_host_bytes(), "the machine")
