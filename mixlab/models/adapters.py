"""Adapters on the language model, and what of a model trains."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from pydantic import Field
from torch import nn

from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.backbones.base import Backbone, bare
from mixlab.models.merged_lora import merge_where_cheaper
from mixlab.models.quantization import quantize_language_model
from mixlab.registry import Registry
from mixlab.settings import Positive, Settings

LANGUAGE_MODEL_LINEARS = r".*language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""The linear layers of the language model, and none of the audio tower, whose layers share some of these names."""


class SavedAdapter(Settings):
    """What an `adapter_config.json` may say of any kind: modules by an expression, or by the ends of their names."""

    target_modules: str | list[str]
    modules_to_save: list[Annotated[str, Field(pattern=r"^[\w.]{1,200}$")]] | None = None


class SavedLora(SavedAdapter):
    """What it may say of LoRA."""

    r: Annotated[int, Field(ge=1, le=65536)]
    lora_alpha: Positive
    lora_dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    use_dora: bool = False
    use_rslora: bool = False


@dataclass(frozen=True)
class Adapter:
    """A kind of adapter.

    Attributes:
        build: takes the backbone, then its settings by name; returns the model.
        quantizes: holds the language model in four bits, which cannot be sharded.
        config: PEFT's configuration of it; None where it saves plain weights, without PEFT.
        saved: what a folder may set of that configuration; all else has to be as PEFT has it by default.
    """

    name: str
    build: Callable[..., nn.Module]
    quantizes: bool = False
    config: type[PeftConfig] | None = LoraConfig
    saved: type[SavedAdapter] = SavedLora


ADAPTERS: Registry[Adapter] = Registry("adapter", __name__)
"""How a backbone is made to train, by the name that ``adapter.kind`` gives."""


def lora(
    backbone: Backbone, r: int, scale: float, dropout: float, target_modules: str, train_projector: bool,
    tower_modules: str | None = None, use_dora: bool = False,
) -> PeftModel:  # fmt: skip
    """Freeze `model` and put a LoRA adapter (Hu et al. 2021) on it.

    Args:
        r: rank of the update.
        scale: factor on the update (alpha / r in the paper), so that a sweep over ranks compares ranks.
        dropout: on the adapter's input, in training.
        target_modules: regular expression for whole names of modules outside the audio tower.
        train_projector: train the audio projector beside, saved in the same PEFT folder.
        tower_modules: regular expression for whole names of modules of the audio tower; None adapts none there.
        use_dora: train the length of each row of the adapted weights apart from its direction (DoRA, Liu et al. 2024).

    Raises:
        ConfigError: if a number is out of its range, an expression matches no module, or `target_modules` matches
            modules of the audio tower.
    """
    _check_range(r, "scale", scale, dropout)
    config = LoraConfig(r=r, lora_alpha=_whole(scale * r), lora_dropout=dropout, use_dora=use_dora)
    return _adapt(backbone, config, target_modules, tower_modules, train_projector)


def rslora(
    backbone: Backbone, r: int, alpha: float, dropout: float, target_modules: str, train_projector: bool,
    tower_modules: str | None = None,
) -> PeftModel:  # fmt: skip
    """Freeze `model` and put a rank-stabilised LoRA adapter on it, whose update has the factor alpha / sqrt(r).

    With that factor updates of high ranks learn as fast as those of low ones (Kalajdzievski 2023). The other arguments
    and what is raised are those of `lora`.
    """
    _check_range(r, "alpha", alpha, dropout)
    config = LoraConfig(r=r, lora_alpha=_whole(alpha), lora_dropout=dropout, use_rslora=True)
    return _adapt(backbone, config, target_modules, tower_modules, train_projector)


def qlora(
    backbone: Backbone, r: int, scale: float, dropout: float, target_modules: str, train_projector: bool,
    tower_modules: str | None = None,
) -> PeftModel:  # fmt: skip
    """Hold the language model's linear layers in four bits and put a LoRA adapter on it (QLoRA, Dettmers et al. 2023).

    The arguments are those of `lora`.

    Raises:
        ConfigError: as `lora` does, and if bitsandbytes is missing.
    """
    quantize_language_model(backbone)
    return lora(backbone, r, scale, dropout, target_modules, train_projector, tower_modules)


def _check_range(r: int, factor_key: str, factor: float, dropout: float) -> None:
    if r < 1:
        raise ConfigError(f"adapter.r is {r}; use a rank of at least 1.")
    if not factor > 0.0:
        raise ConfigError(f"adapter.{factor_key} is {factor:g}, so that the update would not count; use one above 0.")
    if not 0.0 <= dropout < 1.0:
        raise ConfigError(f"adapter.dropout is {dropout:g}; use a share from 0 up to, but not including, 1.")


def _whole(alpha: float) -> float:
    """The number as PEFT's own type where it is whole."""
    return round(alpha) if alpha == round(alpha) else alpha


def _adapt(
    backbone: Backbone, config: LoraConfig, target_modules: str, tower_modules: str | None, train_projector: bool
) -> PeftModel:
    parts = backbone.family.parts
    config.task_type = "CAUSAL_LM"
    # PEFT matches it by its end.
    config.modules_to_save = [parts.projector.removeprefix("model.")] if train_projector else None
    config.target_modules = target_modules if tower_modules is None else f"(?:{target_modules})|(?:{tower_modules})"
    merge_where_cheaper(config)
    try:
        adapted = get_peft_model(backbone.model, config)
    except ValueError as error:
        raise ConfigError(
            f"adapter.target_modules is '{target_modules}', which matches no module of the model; "
            "use a regular expression for whole module names."
        ) from error
    in_tower = [name for name in adapted_modules(adapted) if f"{name}.".startswith(f"{parts.audio_tower}.")]
    wanted = [name for name in in_tower if tower_modules is not None and re.fullmatch(tower_modules, name)]
    if tower_modules is not None and not wanted:
        raise ConfigError(
            f"adapter.tower_modules is '{tower_modules}', which matches no module of the audio tower; "
            "use a regular expression for whole module names, or null."
        )
    if len(in_tower) > len(wanted):
        leaked = next(name for name in in_tower if name not in wanted)
        raise ConfigError(
            f"adapter.target_modules is '{target_modules}', which matches {len(in_tower) - len(wanted)} modules of the "
            f"audio tower ({leaked}, ...); begin it as conf/adapter/lora.yaml does, or name what is to be adapted "
            "there in adapter.tower_modules."
        )
    return adapted


def adapted_modules(model: nn.Module) -> list[str]:
    """Names, in the model without an adapter, of the modules that an adapter sits on."""
    return [name for name, part in bare(model).named_modules() if isinstance(part, BaseTunerLayer)]


def full(backbone: Backbone) -> nn.Module:
    """Train every weight of the model, without an adapter.

    In float32: small updates would vanish in a shorter format.
    """
    model: nn.Module = backbone.model.float().requires_grad_(True)
    # Where a tower's positions are sinusoids by design, they stay as transformers makes them.
    positions = getattr(backbone.part("audio_tower"), "embed_positions", None)
    if positions is not None:
        positions.requires_grad_(False)
    return model


def none(backbone: Backbone) -> nn.Module:
    """Train nothing: the model answers as it is (zero-shot)."""
    model: nn.Module = backbone.model.requires_grad_(False)
    return model


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that train, by name: all that a checkpoint has to hold."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def check_fit(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], what: str) -> None:
    """Raise CheckpointError unless `found` has the keys and shapes of `expected`; `what` holds the weights."""
    for name in sorted(expected.keys() ^ found.keys()):
        verb = "lacks" if name in expected else "holds an unknown"
        raise CheckpointError(f"{what} {verb} '{name}', so it does not fit; use the run's own model and adapter.")
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise CheckpointError(
                f"{what} does not fit: its '{name}' has shape {tuple(found[name].shape)}, the model's "
                f"{tuple(tensor.shape)}; use the run's own model and adapter."
            )


for _entry in (
    Adapter("lora", lora),
    Adapter("rslora", rslora),
    Adapter("qlora", qlora, quantizes=True),
    Adapter("full", full, config=None),
    Adapter("none", none, config=None),
):
    ADAPTERS.add(_entry)
