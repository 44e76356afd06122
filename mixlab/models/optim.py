"""Room models: the optimizer and its schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class AdamWCosine:
    """AdamW (Loshchilov & Hutter 2019) with a linear warm-up and a cosine decay to zero.

    Attributes:
        lr: peak learning rate.
        weight_decay: on matrices; vectors (biases, norms) are not decayed.
        warmup_steps: optimizer steps of the linear warm-up.
    """

    lr: float
    weight_decay: float
    warmup_steps: int

    def build(
        self, parameters: Iterable[torch.nn.Parameter], total_steps: int
    ) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
        """The optimizer over `parameters` and its schedule, which is stepped after every optimizer step."""
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        groups = [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, betas=(0.9, 0.98))
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.factor(step, total_steps))

    def factor(self, step: int, total_steps: int) -> float:
        """The learning rate at `step` as a share of the peak."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
