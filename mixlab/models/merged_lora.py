"""LoRA layers that add the update to the weight once instead of taking every token through both paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.tuners import lora
from torch import nn


@dataclass(frozen=True)
class _Kept:
    """A merged weight and the state of what it was made from."""

    weight: torch.Tensor
    made_from: tuple[Any, ...]


class MergedLoraLinear(lora.Linear):
    """PEFT's LoRA layer, which computes ``x (W + s B A)^T`` where that is cheaper than ``x W^T + s (x A^T) B^T``.

    Both are the same sum (the adapter's dropout is 0), so states, folders and PEFT's own methods stay as they are. With
    gradients the weight is merged anew in each step; without (generation) it is kept until A, B or W change.
    """

    _kept: _Kept | None = None

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The layer's output for `x` of shape (..., in): shape (..., out)."""
        if args or kwargs or not self._can_merge(x):
            return super().forward(x, *args, **kwargs)
        if torch.is_grad_enabled():
            self._kept = None  # a fused optimizer, which steps next, leaves no mark on what it changes
            if not self._saves_work(x.numel() // x.shape[-1]):
                return super().forward(x)
            weight = self._merged_weight()
        else:
            weight = self._kept_weight()
        return F.linear(x, weight, self.base_layer.bias)

    def _can_merge(self, x: torch.Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1 or self.lora_variant:
            return False
        # In bfloat16 a sum with the frozen weight would swallow small updates, which a path of their own keeps.
        exact = x.dtype == self.base_layer.weight.dtype == torch.float32
        return exact and not torch.is_autocast_enabled(x.device.type)

    def _saves_work(self, tokens: int) -> bool:
        """Whether one more gradient of the whole weight costs fewer products than LoRA's two matrices for each token.

        For each token, forward and backward of the low rank cost 3 r (in + out), the weight's gradient in x out; for
        the batch, merging and its gradients cost 3 r in x out.
        """
        rank, inputs = self.lora_A[self.active_adapters[0]].weight.shape
        outputs = self.base_layer.weight.shape[0]
        return tokens * (3 * rank * (inputs + outputs) - inputs * outputs) > 3 * rank * inputs * outputs

    def _merged_weight(self) -> torch.Tensor:
        adapter = self.active_adapters[0]
        first, second = self.lora_A[adapter].weight, self.lora_B[adapter].weight
        return torch.addmm(self.base_layer.weight, second, first, alpha=self.scaling[adapter])

    def _kept_weight(self) -> torch.Tensor:
        adapter = self.active_adapters[0]
        parts = (self.base_layer.weight, self.lora_A[adapter].weight, self.lora_B[adapter].weight)
        made_from = (adapter, self.scaling[adapter], *((part.data_ptr(), part._version, part.device) for part in parts))
        if self._kept is None or self._kept.made_from != made_from:
            self._kept = _Kept(self._merged_weight(), made_from)
        return self._kept.weight


def merge_where_cheaper(config: LoraConfig) -> None:
    """Have PEFT put a `MergedLoraLinear` where merging saves work, and its own layer elsewhere.

    It saves work in linear layers in float32 that are small for the rank, as in small models; in a 7B at rank 16 there
    are none. Layers that are quantised, or have a variant such as DoRA, dropout or a bias of their own, stay PEFT's.
    """
    config._register_custom_module({nn.Linear: _merging_layer})


def _merging_layer(
    target: nn.Module, adapter_name: str, config: LoraConfig, r: int, **arguments: Any
) -> MergedLoraLinear | None:
    """The layer for `target`; None leaves it to PEFT."""
    plain = not (config.use_dora or config.lora_bias or config.lora_dropout or config.fan_in_fan_out)
    if type(target) is not nn.Linear or target.weight.dtype != torch.float32 or not plain:
        return None
    if 3 * r * (target.in_features + target.out_features) <= target.in_features * target.out_features:
        return None
    return MergedLoraLinear(target, adapter_name, config=config, r=r, **arguments)
