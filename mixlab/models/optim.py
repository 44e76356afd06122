"""Optimizers and their schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch.optim.lr_scheduler import LambdaLR

from mixlab.registry import Registry
from mixlab.settings import NotNegative, Positive, PositiveCount, Settings

NamedParameters = Iterable[tuple[str, torch.nn.Parameter]]


OPTIMIZERS: Registry[Any] = Registry("optimizer", __name__)
"""Optimizers with their schedule, by the name that ``optim.kind`` gives."""


@OPTIMIZERS.add
class AdamWCosine(Settings):
    """AdamW (Loshchilov & Hutter 2019) with a linear warm-up and a cosine decay to zero.

    Attributes:
        lr: peak learning rate.
        weight_decay: on matrices; vectors (biases, norms) are not decayed.
        warmup_steps: optimizer steps of the linear warm-up.
        lora_b_factor: on the rate of LoRA's second matrix, which starts at zero and learns faster at a higher one than
            the first (LoRA+, Hayou et al. 2024); 1 for one rate.
    """

    name: ClassVar[str] = "adamw"
    lr: Positive
    weight_decay: NotNegative
    warmup_steps: PositiveCount
    lora_b_factor: Positive

    def build(self, parameters: NamedParameters, total_steps: int) -> tuple[torch.optim.Optimizer, LambdaLR]:
        """The optimizer over the parameters that train, and its schedule, which is stepped after every step."""
        optimizer = self._optimizer([(name, p) for name, p in parameters if p.requires_grad])
        return optimizer, LambdaLR(optimizer, lambda step: self.factor(step, total_steps))

    def factor(self, step: int, total_steps: int) -> float:
        """The learning rate at `step` as a share of the peak."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))

    def _optimizer(self, named: list[tuple[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        return self._adamw(named)

    def _adamw(self, named: list[tuple[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        second = [p for name, p in named if "lora_B" in name.split(".")]
        others = [p for name, p in named if "lora_B" not in name.split(".")]
        groups = [
            {"params": [p for p in others if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
            {"params": second, "weight_decay": self.weight_decay, "lr": self.lr * self.lora_b_factor},
        ]
        return self._new_adamw([group for group in groups if group["params"]], lr=self.lr, betas=(0.9, 0.98))

    def _new_adamw(self, groups: list[dict[str, Any]], **settings: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, **settings)


@OPTIMIZERS.add
class PagedAdamWCosine(AdamWCosine):
    """`AdamWCosine` whose state moves between the GPU's memory and the machine's as needed (Dettmers et al. 2023).

    Pages exist on a GPU only; elsewhere it is the plain AdamW.
    """

    name: ClassVar[str] = "paged_adamw"

    def _new_adamw(self, groups: list[dict[str, Any]], **settings: Any) -> torch.optim.Optimizer:
        if not any(parameter.is_cuda for group in groups for parameter in group["params"]):
            return super()._new_adamw(groups, **settings)
        from bitsandbytes.optim import PagedAdamW32bit

        return PagedAdamW32bit(groups, **settings)


@OPTIMIZERS.add
class MuonCosine(AdamWCosine):
    """Muon (Jordan et al. 2024) on the matrices inside layers, AdamW on all else, with the schedule of `AdamWCosine`.

    Attributes:
        matrix_lr: peak learning rate of Muon, whose updates are scaled to the size of AdamW's (Liu et al. 2025).
    """

    name: ClassVar[str] = "muon"
    matrix_lr: Positive

    def _optimizer(self, named: list[tuple[str, torch.nn.Parameter]]) -> torch.optim.Optimizer:
        matrices = [p for name, p in named if p.ndim == 2 and "layers" in name.split(".")]
        chosen = {id(p) for p in matrices}
        muon = torch.optim.Muon(
            matrices, lr=self.matrix_lr, weight_decay=self.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        return Together([muon, self._adamw([(name, p) for name, p in named if id(p) not in chosen])])


class Together(torch.optim.Optimizer):
    """Several optimizers that are stepped, scheduled and saved as one, each over parameters of its own."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers
        super().__init__([p for part in optimizers for group in part.param_groups for p in group["params"]], {})
        # The very groups of the parts, so that a schedule reaches them.
        self.param_groups = [group for part in optimizers for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts."""
        return {"parts": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for optimizer, state in zip(self.optimizers, state_dict["parts"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [group for part in self.optimizers for group in part.param_groups]
