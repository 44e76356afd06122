"""Room training: the parts of a run, built from its settings."""

from __future__ import annotations

from dataclasses import replace

import torch

from mixlab.items.bank import ItemBank
from mixlab.items.build import SOURCES
from mixlab.models.adapters import ADAPTERS
from mixlab.models.backbones.base import Backbone, bare, dtype_of
from mixlab.models.backbones.tiny import fold_feature_statistics
from mixlab.models.checkpoints import Description, fingerprint, give_readings
from mixlab.models.compute import apply_compute
from mixlab.models.footprint import Footprint, footprint
from mixlab.models.module import AdviceModule
from mixlab.models.optim import OPTIMIZERS
from mixlab.models.quantization import NF4, is_quantized
from mixlab.models.recipes import located, outline
from mixlab.registry import check_arguments
from mixlab.runs.settings import TrainSettings
from mixlab.synthesis.anchor import fixed_anchor
from mixlab.training.data import MixDataModule


def build_module(settings: TrainSettings, base: Backbone, bank: ItemBank) -> AdviceModule:
    """The LightningModule of a run, with its adapter; needs no songs, so that what does not fit is said before any."""
    identity = {
        "model": located(settings.model.arguments),
        "base": fingerprint(base.model),
        "inputs": settings.inputs.layout,
        "anchor": settings.anchor.stem,
        "readings": settings.readings.plain(),
    }
    give_readings(base, settings.readings)
    backbone = adapted(settings, base)
    apply_compute(settings.compute, backbone)
    optim = settings.optim.build(OPTIMIZERS, "optim")
    return AdviceModule(backbone, settings.loss, optim, settings.model.max_new_tokens, bank.roles, identity)


def check_choices(settings: TrainSettings) -> None:
    """Refuse a data set, an adapter or an optimizer that there is not, or that does not take its keys; builds nothing.

    Raises:
        ConfigError: naming the key.
    """
    settings.optim.build(OPTIMIZERS, "optim")
    for key, choice, registry, given in (
        ("dataset", settings.dataset, SOURCES, 0),
        ("adapter", settings.adapter, ADAPTERS, 1),
    ):
        check_arguments(choice.named(registry, key), choice.arguments, key, skip=given)


def estimate(settings: TrainSettings) -> tuple[Footprint, Footprint]:
    """The backbone as it is loaded, and what of it will train, told from its configuration without its weights."""
    with torch.random.fork_rng():
        base = outline(settings.model)
        give_readings(base, settings.readings)
        base.model.to(dtype_of(str(settings.model.arguments.get("dtype") or "float32")))
        loaded = footprint(base)
        return loaded, footprint(adapted(settings, base))


def adapted(settings: TrainSettings, base: Backbone) -> Backbone:
    """The backbone with the adapter of the run, whose weights its seed draws."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return replace(base, model=settings.adapter.build(ADAPTERS, "adapter", base))


def describe_run(settings: TrainSettings, module: AdviceModule, data: MixDataModule) -> Description:
    """What the adapter folder of a run says of itself.

    An untrained backbone gets the feature statistics of the data folded in.
    """
    mean, deviation = None, None
    if settings.model.builder == "tiny" and settings.model.arguments["base"] is None and data.bank.inputs.audible:
        mean, deviation = data.feature_statistics()
        fold_feature_statistics(bare(module.model), torch.from_numpy(mean), deviation)
    anchor, roles = fixed_anchor(settings.anchor.stem), data.bank.roles
    return Description(
        builder=settings.model.builder,
        arguments=located(settings.model.arguments),
        feature_mean=None if mean is None else tuple(map(float, mean)),
        feature_deviation=deviation,
        inputs=settings.inputs.layout,
        readings=settings.readings,
        anchors=roles if anchor is None else (anchor,),
        stems=roles,
        segment_s=settings.data.segment_s,
        headroom_dbfs=settings.data.level.headroom_dbfs,
        max_new_tokens=settings.model.max_new_tokens,
        family=module.backbone.family.name,
        quantization=NF4 if any(is_quantized(weight) for weight in module.model.parameters()) else None,
        base_fingerprint=module.identity["base"],
    )
