"""Room models: adapters on the language model, and the table of what trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from mixlab.errors import ConfigError
from mixlab.models.merged_lora import merge_where_cheaper

LANGUAGE_MODEL_LINEARS = r".*language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""The linear layers of the language model, and none of the audio tower, whose layers share some of these names."""

PROJECTOR = "multi_modal_projector"
PARTS = ("audio_tower", PROJECTOR, "language_model", "lm_head")


def lora(
    model: Qwen2AudioForConditionalGeneration,
    r: int,
    scale: float,
    dropout: float,
    target_modules: str,
    train_projector: bool,
) -> PeftModel:
    """Freeze `model` and put a LoRA adapter (Hu et al. 2021) on it.

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
        modules_to_save=[PROJECTOR] if train_projector else None,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(
            f"adapter.target_modules is '{target_modules}', which matches no module of the model; "
            "use a regular expression for whole module names."
        ) from error
    merge_where_cheaper(adapted)
    return adapted


def full(model: Qwen2AudioForConditionalGeneration) -> Qwen2AudioForConditionalGeneration:
    """Train every weight of the model, without an adapter."""
    model.requires_grad_(True)
    # The tower's positions are sinusoids by design and stay as transformers makes them.
    model.model.audio_tower.embed_positions.requires_grad_(False)
    return model


def base_model(model: nn.Module) -> Qwen2AudioForConditionalGeneration:
    """The Qwen2-Audio inside, with or without an adapter around it."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


@dataclass(frozen=True)
class PartCount:
    """Parameters of one part of the model."""

    part: str
    parameters: int
    trainable: int


def parameter_table(model: nn.Module) -> list[PartCount]:
    """Parameters and trainable parameters by part, adapters counted with the part that they sit on."""
    totals = {part: [0, 0] for part in PARTS}
    for name, parameter in model.named_parameters():
        part = next(part for part in PARTS if f"{part}." in name)
        totals[part][0] += parameter.numel()
        totals[part][1] += parameter.numel() if parameter.requires_grad else 0
    return [PartCount(part, *counts) for part, counts in totals.items()]


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that train, by name: all that a checkpoint has to hold."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}
