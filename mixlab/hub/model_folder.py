"""The files of a trained model as they are published: loadable without mixlab, with no path of a machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors.torch import save_file
from transformers import GenerationConfig

from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.backbones.base import Backbone
from mixlab.models.backbones.joined import CascadeFamily
from mixlab.models.checkpoints import (
    DESCRIPTION,
    FULL_WEIGHTS,
    HERE,
    Description,
    TrainedModel,
    find_trained,
    fingerprint,
    load_trained,
    read_description,
)

BASE_FOLDER = "base"
"""Where a folder carries the base itself, which no repository of the Hub holds."""

CARRIED = ("tiny", "mini")
"""Builders whose base no repository of the Hub holds."""

ADAPTER_FILES = ("*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "adapter_model.safetensors")


@dataclass(frozen=True)
class Base:
    """The base that an adapter sits on.

    Attributes:
        name: hub id, or None where the folder carries it.
        revision: commit or tag on the Hub, if known.
        dtype: of its weights.
        is_plain: whether plain transformers has its class.
    """

    name: str | None
    revision: str | None
    dtype: str
    is_plain: bool


@dataclass(frozen=True)
class Published:
    """A model folder that was written."""

    description: Description
    base: Base
    form: str
    trains_projector: bool
    sample_rate: int


def find_base(description: Description, base_model: str | None, base_revision: str | None) -> Base:
    """Where others find the base of a checkpoint.

    Raises:
        ConfigError: if that is a folder of this machine only.
    """
    arguments = dict(description.arguments)
    is_plain = description.family not in ("cascade", "unified")
    dtype = str(arguments.get("dtype", "float32"))
    name = arguments.get("name")
    if description.builder in CARRIED or (
        name is not None and Path(str(name)).name == BASE_FOLDER and Path(str(name)).is_dir()
    ):
        return Base(None, None, dtype, is_plain)
    for key in ("name", "folder", "audio_encoder", "language_model", "codec"):
        if key == "name" and base_model is not None:
            continue
        if isinstance(value := arguments.get(key), str) and Path(value).is_absolute():
            hint = "add base_model=<its hub id>" if key == "name" else "train with its hub id"
            raise ConfigError(
                f"The base of the checkpoint was read from a folder of this machine (model.arguments.{key} is "
                f"'{value}'), which nobody else has; {hint}."
            )
    hub_id = base_model or (str(name) if name else None)
    said = arguments.get("revision")
    cached = None if hub_id is None else _cached_commit(hub_id)
    revision = base_revision or (said if isinstance(said, str) else None) or cached
    return Base(hub_id, revision, dtype, is_plain)


def _cached_commit(hub_id: str) -> str | None:
    """The commit of the copy in the HF cache, which is what the run was trained on if nobody fetched another since."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, "config.json")
    return Path(found).parent.name if isinstance(found, str) else None


def write_model(checkpoint: Path, folder: Path, form: str, base: Base) -> Published:
    """Write weights, processor, generation configuration and description; no card.

    The checkpoint is loaded first, so that one that does not fit is never published.

    Raises:
        CheckpointError: if it does not fit, or has no adapter where one is to be published.
    """
    found = find_trained(checkpoint)
    description = read_description(found)
    trained = load_trained(found, full_precision=True)
    adapted = trained.backbone.model
    if form == "adapter" and not isinstance(adapted, PeftModel):
        raise CheckpointError(f"The run in {checkpoint} has no adapter; publish its own weights with form=merged.")
    projector = isinstance(adapted, PeftModel) and bool(adapted.peft_config["default"].modules_to_save)
    folder.mkdir(parents=True, exist_ok=True)
    merged = form == "merged"
    described = _write_merged(trained, folder) if merged else _write_adapter(found, description, folder, base)
    _write_generation(trained, folder)
    (folder / DESCRIPTION).write_text(described.to_text(), encoding="utf-8")
    return Published(described, base, form, projector, trained.backbone.chat.front_end.sample_rate)


def _write_merged(trained: TrainedModel, folder: Path) -> Description:
    model: Any = trained.backbone.model
    if isinstance(model, PeftModel):
        model = model.merge_and_unload()
    merged = replace(trained.backbone, model=model)
    merged.save(folder)
    # An empty file, as a run without training leaves it: what trained is in the weights themselves.
    save_file({}, folder / FULL_WEIGHTS)
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    return _at(trained.description, HERE, merged, {"dtype": dtype})


def _write_adapter(found: Path, description: Description, folder: Path, base: Base) -> Description:
    for pattern in ADAPTER_FILES:
        for path in found.glob(pattern):
            shutil.copyfile(path, folder / path.name)
    config = json.loads((folder / "adapter_config.json").read_text())
    if base.name is None and base.is_plain:
        carried = description.build(full_precision=True)
        carried.save(folder / BASE_FOLDER)
        described = _at(description, f"{HERE}/{BASE_FOLDER}", carried, {})
        config |= {"base_model_name_or_path": BASE_FOLDER, "revision": None}
    else:
        named = {"name": base.name, "revision": base.revision} if base.name else {}
        described = description.but(arguments={**description.arguments, **named})
        config |= {"base_model_name_or_path": base.name or description.builder, "revision": base.revision}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return described


def _at(description: Description, place: str, backbone: Backbone, more: Mapping[str, Any]) -> Description:
    """The description of a model whose weights lie in the folder itself, with all that was folded into them."""
    if isinstance(backbone.family, CascadeFamily):
        more = {}
    return description.but(
        builder="from_pretrained", arguments={"name": place, **more}, feature_mean=None, feature_deviation=None,
        base_fingerprint=fingerprint(backbone.model),
        quantization=None if place == HERE else description.quantization,
    )  # fmt: skip


def _write_generation(trained: TrainedModel, folder: Path) -> None:
    chat = trained.backbone.chat
    ends = {"eos_token_id": chat.end_token_id, "pad_token_id": chat.pad_token_id}
    GenerationConfig(max_new_tokens=trained.description.max_new_tokens, do_sample=False, **ends).save_pretrained(folder)
