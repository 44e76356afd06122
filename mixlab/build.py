"""Floor of the entry points: the parts of a run, built from its checked configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mixlab.data.encoder import ChatEncoder
from mixlab.data.module import DataSettings, FrozenItems, MixDataModule
from mixlab.errors import ConfigError, MixlabError
from mixlab.models.backbone import Backbone, fold_feature_statistics
from mixlab.models.checkpoints import BUILDERS, Description
from mixlab.models.module import AdviceModule
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.song import STEMS, MultitrackSource
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, LevelProtocol, ProblemProtocol, PromptProtocol
from mixlab.synthesis.example import Inputs


def source(cfg: DictConfig) -> MultitrackSource:
    """The source of songs that `dataset` names.

    Raises:
        MixlabError: from the source itself, or naming an argument that it does not take.
    """
    try:
        return instantiate(cfg.dataset)
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, MixlabError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError):
            raise ConfigError(f"The keys of dataset do not fit {cfg.dataset._target_} ({cause}).") from error
        raise


def protocol(cfg: DictConfig, error: DictConfig, prompt: DictConfig) -> ProblemProtocol:
    """How problems are drawn, from an error and a prompt node."""
    categories = {name: ErrorCategory(**category) for name, category in error.categories.items()}
    return ProblemProtocol(
        anchor=cfg.anchor.stem,
        error=ErrorProtocol(categories, error.rounding_db, error.answer),
        prompt=PromptProtocol(dict(prompt.weights)),
        level=LevelProtocol(**cfg.data.level),
    )


def data_module(cfg: DictConfig, songs: MultitrackSource, encoder: ChatEncoder) -> MixDataModule:
    """The data module of a run, not yet set up."""
    settings = {key: value for key, value in cfg.data.items() if key not in ("gates", "level")}
    return MixDataModule(
        songs,
        encoder,
        protocol(cfg, cfg.error, cfg.prompt),
        Inputs(cfg.inputs.layout),
        DataSettings(**settings, gates=Gates(**cfg.data.gates)),
        FrozenItems(
            cfg.evaluation.seed,
            protocol(cfg, cfg.evaluation.error, cfg.evaluation.prompt),
            cfg.evaluation.items_per_song,
            cfg.evaluation.validation_items_per_song,
        ),
        Path(cfg.paths.cache),
        cfg.seed,
    )


def backbone(cfg: DictConfig) -> Backbone:
    """The backbone that `model` names, before any adapter."""
    arguments: Any = OmegaConf.to_container(cfg.model.arguments, resolve=True)
    try:
        return BUILDERS[cfg.model.builder](**arguments)  # type: ignore[operator]
    except (TypeError, AttributeError) as error:
        raise ConfigError(
            f"model.arguments is {arguments}, which '{cfg.model.builder}' does not take ({error})."
        ) from error


def trained_module(cfg: DictConfig, base: Backbone, data: MixDataModule) -> tuple[AdviceModule, Description]:
    """The LightningModule of a run, with its adapter, and the description that its adapter folder will carry.

    An untrained backbone gets the feature statistics of the data folded in.
    """
    arguments: Any = OmegaConf.to_container(cfg.model.arguments, resolve=True)
    for key in ("base", "name"):
        if isinstance(arguments.get(key), str) and Path(arguments[key]).is_dir():
            arguments[key] = str(Path(arguments[key]).resolve())  # the adapter may be used from another folder
    mean, deviation = None, None
    if cfg.model.builder == "tiny" and arguments["base"] is None:
        mean, deviation = data.feature_statistics()
        fold_feature_statistics(base.model, torch.from_numpy(mean), deviation)
    with torch.random.fork_rng():
        torch.manual_seed(cfg.seed)
        model = instantiate(cfg.adapter)(base.model)
    module = AdviceModule(
        model, base.processor, instantiate(cfg.loss), instantiate(cfg.optim), cfg.model.max_new_tokens
    )
    module.identity = {"model": arguments, "inputs": cfg.inputs.layout, "anchor": cfg.anchor.stem}
    description = Description(
        builder=cfg.model.builder,
        arguments=arguments,
        feature_mean=None if mean is None else [float(value) for value in mean],
        feature_deviation=deviation,
        inputs=cfg.inputs.layout,
        anchors=[cfg.anchor.stem],
        stems=list(STEMS),
        segment_s=cfg.data.segment_s,
        headroom_dbfs=cfg.data.level.headroom_dbfs,
        max_new_tokens=cfg.model.max_new_tokens,
    )
    return module, description
