"""Room models: adapters on the language model, and the table of what trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from mixlab.errors import ConfigError
from mixlab.models.backbones.base import Backbone
from mixlab.models.merged_lora import merge_where_cheaper

LANGUAGE_MODEL_LINEARS = r".*language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""The linear layers of the language model, and none of the audio tower, whose layers share some of these names."""


def lora(
    backbone: Backbone,
    r: int,
    scale: float,
    dropout: float,
    target_modules: str,
    train_projector: bool,
) -> PeftModel:
    """Freeze a backbone and put a LoRA adapter (Hu et al. 2021) on it.

    Args:
        r: rank of the update.
        scale: factor on the update (alpha / r in the paper), so that a sweep over ranks compares ranks.
        dropout: on the adapter's input, in training.
        target_modules: regular expression for whole module names.
        train_projector: train the audio projector beside, saved in the same PEFT folder.

    Raises:
        ConfigError: if the rank is no rank, or the expression matches no module.
    """
    if r < 1:
        raise ConfigError(f"adapter.r is {r}; use a rank of at least 1.")
    config = LoraConfig(
        r=r,
        lora_alpha=round(scale * r),
        lora_dropout=dropout,
        target_modules=target_modules,
        modules_to_save=[backbone.family.parts.projector.removeprefix("model.")] if train_projector else None,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(backbone.model, config)
    except ValueError as error:
        raise ConfigError(
            f"adapter.target_modules is '{target_modules}', which matches no module of the model; "
            "use a regular expression for whole module names."
        ) from error
    merge_where_cheaper(adapted)
    return adapted


def full(backbone: Backbone) -> nn.Module:
    """Train every weight of the model, without an adapter."""
    model = backbone.model.requires_grad_(True)
    # Where a tower's positions are sinusoids by design, they stay as transformers makes them.
    positions = getattr(backbone.part("audio_tower"), "embed_positions", None)
    if positions is not None:
        positions.requires_grad_(False)
    return model


@dataclass(frozen=True)
class PartCount:
    """Parameters of one part of the model."""

    part: str
    parameters: int
    trainable: int


def parameter_table(backbone: Backbone) -> list[PartCount]:
    """Parameters and trainable parameters by part, adapters counted with the part that they sit on.

    A weight that two parts share, such as tied embeddings, counts with the first; what is in no part counts as `rest`.
    """
    parts = asdict(backbone.family.parts)
    totals = {part: [0, 0] for part in (*parts, "rest")}
    # The longest name first: a projector may lie inside a tower.
    by_length = sorted(parts, key=lambda part: -len(parts[part]))
    for name, parameter in backbone.model.named_parameters():
        path = name.removeprefix("base_model.model.")
        part = next((part for part in by_length if path.startswith(f"{parts[part]}.")), "rest")
        totals[part][0] += parameter.numel()
        totals[part][1] += parameter.numel() if parameter.requires_grad else 0
    return [PartCount(part, *counts) for part, counts in totals.items() if part in parts or counts[0]]


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that train, by name: all that a checkpoint has to hold."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}
