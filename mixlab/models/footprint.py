"""What of a model trains, and the memory that this takes."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from mixlab.errors import ConfigError
from mixlab.models.adapters import adapted_modules
from mixlab.models.backbones.base import Backbone, Parts
from mixlab.models.quantization import BYTES_PER_WEIGHT, is_quantized, weights_in

REST = "rest"
MOMENTS = 2
"""Values of the format of its weight that AdamW keeps for each weight that trains."""


@dataclass(frozen=True)
class PartFootprint:
    """One part of the model, adapters counted with the part that they sit on.

    Attributes:
        part: its field in `Parts`, or ``rest`` for what is in none.
        adapted: modules of it that an adapter sits on.
        parameters, trainable: how many weights it has, and how many of them train.
        weight_bytes, trainable_bytes: memory of those.
    """

    part: str
    adapted: int
    parameters: int
    trainable: int
    weight_bytes: int
    trainable_bytes: int


@dataclass(frozen=True)
class Footprint:
    """What trains and the memory that it takes, activations apart."""

    parts: tuple[PartFootprint, ...]

    def total(self, field: str) -> int:
        """A field of the parts, summed."""
        return sum(getattr(part, field) for part in self.parts)

    @property
    def parameters(self) -> int:
        return self.total("parameters")

    @property
    def trainable(self) -> int:
        return self.total("trainable")

    @property
    def weight_bytes(self) -> int:
        return self.total("weight_bytes")

    @property
    def gradient_bytes(self) -> int:
        return self.total("trainable_bytes")

    @property
    def optimizer_bytes(self) -> int:
        """State of AdamW; other optimizers keep less."""
        return MOMENTS * self.gradient_bytes

    @property
    def training_bytes(self) -> int:
        return self.weight_bytes + self.gradient_bytes + self.optimizer_bytes

    def table(self) -> list[str]:
        """Lines of a table of modules, parameters and memory."""
        whole = PartFootprint("all", *(self.total(field.name) for field in fields(PartFootprint)[1:]))
        lines = [f"{'part':<22} {'adapted':>8} {'parameters':>14} {'trainable':>13} {'weights':>10}"]
        for part in (*self.parts, whole):
            counts = f"{part.adapted:>8,} {part.parameters:>14,} {part.trainable:>13,}"
            lines.append(f"{part.part:<22} {counts} {readable(part.weight_bytes):>10}")
        return [*lines, self.memory()]

    def memory(self) -> str:
        """One line on the memory of a training."""
        return (
            f"memory of a training beside activations: {readable(self.training_bytes)} "
            f"(weights {readable(self.weight_bytes)}, gradients {readable(self.gradient_bytes)}, "
            f"optimizer state {readable(self.optimizer_bytes)})"
        )

    def figures(self) -> dict[str, int]:
        """What a logger keeps."""
        return {
            "adapted_modules": self.total("adapted"),
            "parameters": self.parameters,
            "trainable_parameters": self.trainable,
            "weight_bytes": self.weight_bytes,
            "gradient_bytes": self.gradient_bytes,
            "optimizer_bytes": self.optimizer_bytes,
        }


def footprint(backbone: Backbone) -> Footprint:
    """The footprint of a model with or without an adapter, on any device, the meta device included.

    A weight that two parts share, such as tied embeddings, counts with the first.
    """
    parts = backbone.family.parts
    totals = {part: [0, 0, 0, 0, 0] for part in (*asdict(parts), REST)}
    for name in adapted_modules(backbone.model):
        totals[_part(name, parts)][0] += 1
    for name, parameter in backbone.model.named_parameters():
        count, size = weights_in(parameter), _bytes(parameter)
        trains = parameter.requires_grad
        row = totals[_part(name.removeprefix("base_model.model."), parts)]
        for column, value in enumerate((count, count * trains, size, size * trains), start=1):
            row[column] += value
    return Footprint(tuple(PartFootprint(part, *row) for part, row in totals.items() if part != REST or row[1]))


def _part(name: str, parts: Parts) -> str:
    # The longest name first: a projector may lie inside a tower.
    by_length = sorted(asdict(parts).items(), key=lambda part: -len(part[1]))
    return next((part for part, path in by_length if f"{name}.".startswith(f"{path}.")), REST)


def _bytes(parameter: torch.Tensor) -> int:
    if is_quantized(parameter):
        return round(weights_in(parameter) * BYTES_PER_WEIGHT)
    return parameter.numel() * parameter.element_size()


def check_memory(needed_bytes: float, free_bytes: float | None, where: str) -> None:
    """Refuse what cannot fit.

    Args:
        needed_bytes: beside activations.
        free_bytes: None where it is not known, which is not refused.
        where: such as "the GPU".

    Raises:
        ConfigError: with both numbers and the remedies.
    """
    if free_bytes is not None and needed_bytes > free_bytes:
        raise ConfigError(
            f"The model needs {readable(needed_bytes)} on {where} beside activations, where {readable(free_bytes)} are "
            "free; choose adapter=qlora, a smaller adapter.r, a smaller model, or a machine with more memory."
        )


def free_host_bytes() -> int | None:
    """Memory that this process can still get, in its control group if it has one; None where the system keeps it."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            reclaimable = [
                int(line.split()[1])
                for line in (group / "memory.stat").read_text().splitlines()
                if line.startswith("inactive_file ")
            ]
            found.append(int(limit) - int((group / "memory.current").read_text()) + sum(reclaimable))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def free_gpu_bytes() -> int:
    """Memory that is free on the GPU of this process."""
    return torch.cuda.mem_get_info(int(os.environ.get("LOCAL_RANK", "0")))[0]


def readable(size: float) -> str:
    """A number of bytes for people, with units of 1000."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}" if unit != "B" else f"{size:.0f} B"
        size /= 1000
    return f"{size:,.1f} GB"
