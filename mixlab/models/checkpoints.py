"""Room models: folders that hold what was trained and how to rebuild the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mixlab import __version__
from mixlab.errors import CheckpointError
from mixlab.models.adapters import full, none, trainable_state
from mixlab.models.assembly.mini import Mini
from mixlab.models.backbones.base import Backbone, Recipe
from mixlab.models.backbones.cascade import Cascade, Unified
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.tiny import Tiny, fold_feature_statistics
from mixlab.models.merged_lora import merge_where_cheaper
from mixlab.models.quantization import NF4, quantize_language_model

DESCRIPTION = "mixlab.json"
ADAPTER_FOLDER = "adapter"
FULL_WEIGHTS = "trained.safetensors"
HERE = "."
"""Stands in a published description for the folder that it lies in: ``./base`` is the base that the folder carries."""
BUILDERS: dict[str, Callable[..., Recipe]] = {
    "tiny": Tiny,
    "mini": Mini,
    "from_pretrained": Pretrained,
    "cascade": Cascade,
    "unified": Unified,
}
"""The recipes that a description may name; nothing else in it is ever called."""


@dataclass(frozen=True)
class Description:
    """What an adapter folder says about itself, beside the weights.

    Attributes:
        builder, arguments: how the backbone is built: a key of `BUILDERS` and its keyword arguments.
        feature_mean, feature_deviation: what was folded into an untrained tower; None with a trained base.
        inputs: which clips the model hears.
        anchors: anchors that it was trained on.
        stems: roles that it was trained on.
        segment_s: length of a clip.
        headroom_dbfs: level that a segment's mixture is brought to.
        max_new_tokens: limit of a response.
        family: of the backbone, which reads the processor in the folder.
        quantization: ``nf4`` where the language model was held in four bits, None where it was not.
        base_fingerprint: of the backbone's weights (`fingerprint`), to know another one by; None where nobody took it.
    """

    builder: str
    arguments: dict[str, Any]
    feature_mean: list[float] | None
    feature_deviation: float | None
    inputs: str
    anchors: list[str]
    stems: list[str]
    segment_s: float
    headroom_dbfs: float
    max_new_tokens: int
    family: str = "qwen2_audio"  # before there were others, it was not written
    quantization: str | None = None
    base_fingerprint: str | None = None
    mixlab_version: str = __version__

    def build(self, full_precision: bool = False) -> Backbone:
        """The backbone without the adapter.

        Args:
            full_precision: do not quantize it, also where it was when the adapter was trained.

        Raises:
            CheckpointError: if the builder is unknown, or builds another backbone than the adapter was trained on.
        """
        if self.builder not in BUILDERS:
            raise CheckpointError(f"The checkpoint names the builder '{self.builder}'; known are {sorted(BUILDERS)}.")
        backbone = BUILDERS[self.builder](**self.arguments).build()
        if self.base_fingerprint not in (None, found := fingerprint(backbone.model)):
            raise CheckpointError(
                f"The checkpoint was trained on another backbone than {self.builder} {self.arguments} gives here "
                f"(weights {self.base_fingerprint}, found {found}); put its own weights back, or train again."
            )
        if self.feature_mean is not None and self.feature_deviation is not None:
            fold_feature_statistics(backbone.model, torch.tensor(self.feature_mean), self.feature_deviation)
        if self.quantization == NF4 and not full_precision:
            quantize_language_model(backbone)
        return backbone


@dataclass
class TrainedModel:
    """A backbone with what was trained, ready to answer, and its description."""

    backbone: Backbone
    description: Description


def fingerprint(model: torch.nn.Module) -> str:
    """A short digest of a backbone's weights: of their names, shapes and a few values of each."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        few = flat[:: max(1, flat.numel() // 16)].float().cpu().numpy().tobytes()
        digest.update(f"{name} {tuple(parameter.shape)}".encode() + few)
    return digest.hexdigest()[:16]


def save_trained(folder: Path, backbone: Backbone, description: Description) -> None:
    """Write the adapter in PEFT's own format (or all trained weights, without one), processor and description."""
    folder.mkdir(parents=True, exist_ok=True)
    model = backbone.model
    if isinstance(model, PeftModel):
        model.save_pretrained(folder)
        # PEFT writes a model card of its own with unfilled fields; ours is made when a model is published.
        (folder / "README.md").unlink(missing_ok=True)
    else:
        save_file({name: tensor.contiguous() for name, tensor in trainable_state(model).items()}, folder / FULL_WEIGHTS)
    backbone.processor.save_pretrained(folder)
    (folder / DESCRIPTION).write_text(json.dumps(asdict(description), indent=2) + "\n")


def find_trained(path: Path) -> Path:
    """The adapter folder of a run folder, or the folder itself.

    Raises:
        CheckpointError: if neither holds a description.
    """
    for folder in (path, path / ADAPTER_FOLDER):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise CheckpointError(
        f"{path} is neither a run folder nor an adapter folder (no {DESCRIPTION} in it or in its {ADAPTER_FOLDER}/); "
        "give the folder that python -m mixlab.train wrote."
    )


def read_description(folder: Path) -> Description:
    """The description in an adapter folder.

    Raises:
        CheckpointError: if it cannot be read.
    """
    try:
        description = Description(**json.loads((folder / DESCRIPTION).read_text()))
        return replace(description, arguments=_resolved(description.arguments, folder))
    except (json.JSONDecodeError, TypeError) as error:
        raise CheckpointError(
            f"{folder / DESCRIPTION} cannot be read ({error}); train again or copy it whole."
        ) from error


def _resolved(arguments: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Arguments whose places are told from the folder (`HERE`) as paths; one that leads out of it is refused."""
    resolved = dict(arguments)
    for key, value in arguments.items():
        if isinstance(value, str) and (value == HERE or value.startswith(f"{HERE}/")):
            place = folder.absolute() / value
            if ".." in place.relative_to(folder.absolute()).parts:
                raise CheckpointError(
                    f"{folder / DESCRIPTION} leads out of its folder ({key} is '{value}'); do not use it."
                )
            resolved[key] = str(place)
    return resolved


def load_trained(path: Path, full_precision: bool = False) -> TrainedModel:
    """Load what a run trained, from its run folder or adapter folder.

    Args:
        full_precision: put an adapter that was trained on a quantized backbone on the one that is not.

    Raises:
        CheckpointError: if the folder is none, or its weights do not fit the model that it names, key by key.
    """
    folder = find_trained(Path(path))
    description = read_description(folder)
    backbone = description.build(full_precision)
    if (folder / "adapter_config.json").is_file():
        model = _load_adapter(backbone, folder)
    else:
        weights = _read_weights(folder / FULL_WEIGHTS)
        # A run without training (adapter=none) leaves the file, empty: a lost file stays an error.
        model = full(backbone) if weights else none(backbone)
        _check_fit(weights, trainable_state(model), folder)
        model.load_state_dict(weights, strict=False)
    model.eval()
    return TrainedModel(replace(backbone, model=model), description)


def _load_adapter(backbone: Backbone, folder: Path) -> torch.nn.Module:
    weights = _read_weights(folder / "adapter_model.safetensors")
    try:
        model = PeftModel.from_pretrained(backbone.model, str(folder))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"The adapter in {folder} does not fit its model ({reason}).") from error
    # Without embeddings, or PEFT would ask the Hub for the configuration of the base.
    _check_fit(weights, get_peft_model_state_dict(model, save_embedding_layers=False), folder)
    merge_where_cheaper(model)
    return model


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the adapter folder whole.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the adapter folder again.") from error


def _check_fit(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], folder: Path) -> None:
    for name in sorted(expected.keys() ^ found.keys()):
        what = "lack" if name in expected else "hold an unknown"
        raise CheckpointError(f"The weights in {folder} {what} '{name}', so they do not fit the model that they name.")
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise CheckpointError(
                f"'{name}' in {folder} has shape {tuple(found[name].shape)}, but the model's is {tuple(tensor.shape)}."
            )
