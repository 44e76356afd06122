"""Floor of the entry points: the parts of a run, built from its checked configuration."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from mixlab.data.encoder import ChatEncoder
from mixlab.data.exported import ExportedDataModule, ExportedSet
from mixlab.data.module import DataSettings, FrozenItems, MixDataModule
from mixlab.errors import ConfigError, MixlabError
from mixlab.evaluation.listening import Heard, SongPlayer
from mixlab.models.backbones.base import Backbone, bare
from mixlab.models.backbones.tiny import fold_feature_statistics
from mixlab.models.checkpoints import BUILDERS, Description, fingerprint
from mixlab.models.compute import Compute
from mixlab.models.footprint import Footprint, footprint
from mixlab.models.module import AdviceModule
from mixlab.models.quantization import NF4, is_quantized
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.song import STEMS, MultitrackSource
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.anchor import fixed_anchor
from mixlab.synthesis.augment import Augmentation
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, LevelProtocol, ProblemProtocol, PromptProtocol
from mixlab.synthesis.example import Inputs

SERVING = {
    "data": ("batch_size", "eval_batch_size", "examples_per_epoch", "workers", "prepare_workers"),
    "evaluation": ("baselines", "resamples", "tuning_items", "protocol", "loop_steps", "audio_examples"),
}
"""Keys that say how items are served and judged, not which items there are."""

log = logging.getLogger(__name__)


def made(node: DictConfig, key: str, **arguments: Any) -> Any:
    """What a node with a target builds.

    Args:
        key: of the node in the configuration, for the message.
        arguments: beside those of the node.

    Raises:
        MixlabError: from the target itself, or naming the node whose keys or values it does not take.
    """
    try:
        return instantiate(node, **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MixlabError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError | MisconfigurationException):
            raise ConfigError(f"The keys of {key} do not fit {node._target_} ({_first_line(cause)}).") from error
        raise


def source(cfg: DictConfig) -> MultitrackSource | ExportedSet:
    """The source of songs, or the exported data set, that `dataset` names."""
    return made(cfg.dataset, "dataset")


def player(songs: MultitrackSource | ExportedSet) -> Callable[[Prediction], Heard | None]:
    """What renders examples for a report from the songs' own files; an exported data set has clips and no songs."""
    return (lambda prediction: None) if isinstance(songs, ExportedSet) else SongPlayer(songs).heard


def trainer(cfg: DictConfig, **arguments: Any) -> lightning.Trainer:
    """The Lightning trainer that `trainer` describes; without arguments it shows nothing and writes nothing."""
    silent: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    values: Any = OmegaConf.to_container(cfg.trainer, resolve=True)
    settings = OmegaConf.create({key: value for key, value in values.items() if key not in ("threads", "features")})
    return made(settings, "trainer", **(silent | arguments))


def protocol(cfg: DictConfig, error: DictConfig, prompt: DictConfig, level: Any) -> ProblemProtocol:
    """How problems are drawn, from an error, a prompt and a level node."""
    categories = {name: ErrorCategory(**category) for name, category in error.categories.items()}
    return ProblemProtocol(
        anchor=cfg.anchor.stem,
        error=ErrorProtocol(
            categories,
            error.rounding_db,
            error.answer,
            tuple(error.get("faulty_stems") or (1.0,)),
            relative=error.kind == "relative",
            targets=tuple(error.get("targets") or ()),
        ),
        prompt=PromptProtocol(dict(prompt.weights)),
        level=LevelProtocol(**level),
    )


def item_settings(cfg: DictConfig) -> dict[str, Any]:
    """The parts of a configuration that decide its items, by group: all but what only says how they are served."""
    groups: dict[str, Any] = {}
    for group in ("anchor", "error", "prompt", "inputs", "data", "evaluation"):
        node: Any = OmegaConf.to_container(cfg[group], resolve=True)
        groups[group] = {key: value for key, value in node.items() if key not in SERVING.get(group, ())}
    return groups


def check_exported(exported: ExportedSet, cfg: DictConfig) -> None:
    """Check that a run describes its items as the data set does that holds them.

    Raises:
        ConfigError: with the overrides that are missing.
    """
    wanted, found = _flat(exported.manifest.settings), _flat(item_settings(cfg))
    overrides = [
        f"{'' if key in found else '+'}{key}={_as_override(value)}"
        for key, value in wanted.items()
        if key not in found or found[key] != value
    ]
    overrides += sorted({f"~{_surplus(key, wanted)}" for key in found if key not in wanted})
    if overrides:
        raise ConfigError(
            f"{exported.root} was exported with other settings than this run has; "
            f"add {' '.join(overrides)} to the command."
        )


def data_module(
    cfg: DictConfig, songs: MultitrackSource | ExportedSet, encoder: ChatEncoder, features_in_worker: bool
) -> MixDataModule:
    """The data module of a run, not yet set up; says so where it trains on other errors than it is evaluated on.

    Args:
        features_in_worker: batches carry features instead of waveforms.

    Raises:
        ConfigError: if an exported data set was made with other settings.
    """
    if isinstance(songs, ExportedSet):
        check_exported(songs, cfg)
    module: Any = ExportedDataModule if isinstance(songs, ExportedSet) else MixDataModule
    settings = {key: value for key, value in cfg.data.items() if key not in ("gates", "level", "augmentation")}
    training = protocol(cfg, cfg.error, cfg.prompt, cfg.data.level)
    evaluation = protocol(cfg, cfg.evaluation.error, cfg.evaluation.prompt, cfg.evaluation.level)
    if training.error.kind != evaluation.error.kind:
        log.warning(
            "Training has %s, validation and test have %s; to ask what is trained, choose evaluation/error as error.",
            training.error.kind,
            evaluation.error.kind,
        )
    return module(
        songs,
        encoder,
        training,
        Inputs(cfg.inputs.layout),
        DataSettings(**settings, gates=Gates(**cfg.data.gates), augmentation=Augmentation(**cfg.data.augmentation)),
        FrozenItems(
            cfg.evaluation.seed,
            evaluation,
            cfg.evaluation.items_per_song,
            cfg.evaluation.validation_items_per_song,
            cfg.evaluation.segment_step_s,
            Gates(**cfg.evaluation.gates),
        ),
        Path(cfg.paths.cache),
        cfg.seed,
        features_in_worker=features_in_worker,
    )


def backbone(cfg: DictConfig) -> Backbone:
    """The backbone that `model` names, before any adapter.

    Raises:
        ConfigError: if it cannot be built, or cannot hear what `inputs` and `data.segment_s` give.
    """
    arguments: Any = OmegaConf.to_container(cfg.model.arguments, resolve=True)
    try:
        recipe = BUILDERS[cfg.model.builder](**arguments)
        clips = {"mixture": 1, "anchor_rest": 2, "stems": len(STEMS)}[cfg.inputs.layout]
        recipe.read_chat().check_inputs(cfg.inputs.layout, clips, cfg.data.segment_s)
        return recipe.build()
    except (TypeError, AttributeError) as error:
        raise ConfigError(
            f"model.arguments is {arguments}, which '{cfg.model.builder}' does not take ({error})."
        ) from error


def advice_module(cfg: DictConfig, base: Backbone) -> AdviceModule:
    """The LightningModule of a run, with its adapter; needs no songs, so that what does not fit is said before any."""
    identity = {
        "model": _arguments(cfg),
        "base": fingerprint(base.model),
        "inputs": cfg.inputs.layout,
        "anchor": cfg.anchor.stem,
    }
    adapted = _adapted(cfg, base)
    Compute(**cfg.compute).apply(adapted)
    return AdviceModule(adapted, made(cfg.loss, "loss"), made(cfg.optim, "optim"), cfg.model.max_new_tokens, identity)


def estimate(cfg: DictConfig) -> tuple[Footprint, Footprint]:
    """The backbone as it is loaded, and what of it will train, told from its configuration without its weights."""
    arguments = _arguments(cfg)
    with torch.random.fork_rng():
        base = BUILDERS[cfg.model.builder](**arguments).outline()
        base.model.to(getattr(torch, arguments.get("dtype") or "float32"))
        loaded = footprint(base)
        return loaded, footprint(_adapted(cfg, base))


def _adapted(cfg: DictConfig, base: Backbone) -> Backbone:
    """The backbone with the adapter of the run, whose weights its seed draws."""
    with torch.random.fork_rng():
        torch.manual_seed(cfg.seed)
        try:
            return replace(base, model=made(cfg.adapter, "adapter")(base))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The keys of adapter do not fit the model ({_first_line(error)}).") from error


def description(cfg: DictConfig, module: AdviceModule, data: MixDataModule) -> Description:
    """What the adapter folder of a run says of itself.

    An untrained backbone gets the feature statistics of the data folded in.
    """
    mean, deviation = None, None
    if cfg.model.builder == "tiny" and cfg.model.arguments.base is None:
        mean, deviation = data.feature_statistics()
        fold_feature_statistics(bare(module.model), torch.from_numpy(mean), deviation)
    anchor = fixed_anchor(cfg.anchor.stem)
    return Description(
        builder=cfg.model.builder,
        arguments=_arguments(cfg),
        feature_mean=None if mean is None else [float(value) for value in mean],
        feature_deviation=deviation,
        inputs=cfg.inputs.layout,
        anchors=list(STEMS) if anchor is None else [anchor],
        stems=list(STEMS),
        segment_s=cfg.data.segment_s,
        headroom_dbfs=cfg.data.level.headroom_dbfs,
        max_new_tokens=cfg.model.max_new_tokens,
        family=module.backbone.family.name,
        quantization=NF4 if any(is_quantized(weight) for weight in module.model.parameters()) else None,
        base_fingerprint=module.identity["base"],
    )


def _arguments(cfg: DictConfig) -> dict[str, Any]:
    """The arguments of the backbone; folders as absolute paths, since the adapter may be used from another place."""
    arguments: Any = OmegaConf.to_container(cfg.model.arguments, resolve=True)
    for key in ("base", "folder", "name", "audio_encoder", "language_model", "codec"):
        if isinstance(arguments.get(key), str) and Path(arguments[key]).is_dir():
            arguments[key] = str(Path(arguments[key]).resolve())
    return arguments


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    """Leaves of a tree of settings by their dotted keys."""
    if not isinstance(node, Mapping):
        return {key: node}
    return {k: v for name, part in node.items() for k, v in _flat(part, f"{key}.{name}" if key else name).items()}


def _surplus(key: str, wanted: Mapping[str, Any]) -> str:
    """The largest part of the tree that holds `key` and nothing that is wanted."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next(prefix for prefix in prefixes if not any(f"{name}.".startswith(f"{prefix}.") for name in wanted))


def _as_override(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
