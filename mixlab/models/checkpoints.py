"""Folders that hold what was trained and how to rebuild the rest. One may come from a stranger: it is data."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mixlab import __version__
from mixlab.chat.readings import NO_READINGS, Readings
from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.adapters import ADAPTERS, LANGUAGE_MODEL_LINEARS, check_fit, full, none, trainable_state
from mixlab.models.assembly.mini import Mini
from mixlab.models.backbones.base import Backbone, Recipe
from mixlab.models.backbones.cascade import Cascade, Unified
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.tiny import Tiny, fold_feature_statistics
from mixlab.models.merged_lora import merge_where_cheaper
from mixlab.models.quantization import NF4, quantize_language_model
from mixlab.registry import Registry, check_arguments, names_code
from mixlab.settings import LevelDbfs, Many, Plain, Positive, Settings, parse
from mixlab.storage import replaced_folder

DESCRIPTION = "mixlab.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_FOLDER = "adapter"
FULL_WEIGHTS = "trained.safetensors"
HERE = "."
"""Stands in a published description for the folder that it lies in: ``./base`` is the base that the folder carries."""

LARGEST_JSON_BYTES = 1_000_000
MATCHING_S = 10.0
"""How long the expression of a stranger may take to match the modules of a model."""

UNREAD = (
    "base_model_name_or_path", "revision", "peft_type", "peft_version", "task_type", "inference_mode", "auto_mapping",
)  # fmt: skip
"""Keys of an `adapter_config.json` that are for others, or are known in any case."""

MATCH = "import json, re, sys; e, n = json.load(sys.stdin); print(json.dumps([x for x in n if re.fullmatch(e, x)]))"
"""A program that matches names."""


@dataclass(frozen=True)
class Builder:
    """A kind of recipe for a backbone, by the name that ``model.builder`` and a description give."""

    name: str
    build: Callable[..., Recipe]


BUILDERS: Registry[Builder] = Registry("model builder", __name__)
"""The recipes that a description may name; nothing else in it is ever called."""
for _builder in (
    Builder("tiny", Tiny),
    Builder("mini", Mini),
    Builder("from_pretrained", Pretrained),
    Builder("cascade", Cascade),
    Builder("unified", Unified),
):
    BUILDERS.add(_builder)


def recipe_of(builder: str, arguments: Mapping[str, Any]) -> Recipe:
    """How a backbone is made.

    Raises:
        ConfigError: naming the builder that there is not, or the argument that it does not take.
    """
    entry = BUILDERS[builder]
    check_arguments(entry.build, arguments, "model.arguments")
    return entry.build(**arguments)


Word = Annotated[str, Field(min_length=1, max_length=100)]


class Description(Settings):
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
        readings: what a meter shows of the clips, and how the model is told.
        quantization: ``nf4`` where the language model was held in four bits, None where it was not.
        base_fingerprint: of the backbone's weights (`fingerprint`), to know another one by; None where nobody took it.
    """

    builder: Word
    arguments: dict[str, Plain]
    feature_mean: Many[float] | None
    feature_deviation: Positive | None
    inputs: Word
    anchors: Annotated[Many[Word], Field(min_length=1, max_length=100)]
    stems: Annotated[Many[Word], Field(min_length=1, max_length=100)]
    segment_s: Annotated[float, Field(ge=0.1, le=600.0)]
    headroom_dbfs: LevelDbfs
    max_new_tokens: Annotated[int, Field(ge=1, le=10_000)]
    family: Word = "qwen2_audio"  # before there were others, it was not written
    quantization: Literal["nf4"] | None = None
    readings: Readings = NO_READINGS
    base_fingerprint: Word | None = None
    mixlab_version: str = __version__

    def build(self, full_precision: bool = False) -> Backbone:
        """The backbone without the adapter.

        Args:
            full_precision: do not quantize it, also where it was when the adapter was trained.

        Raises:
            CheckpointError: if the builder is unknown, or builds another backbone than the adapter was trained on.
        """
        try:
            recipe = recipe_of(self.builder, self.arguments)
        except ConfigError as error:
            raise CheckpointError(f"The checkpoint does not tell how its backbone is built. {error}") from error
        backbone = recipe.build()
        if self.base_fingerprint not in (None, found := fingerprint(backbone.model)):
            raise CheckpointError(
                f"The checkpoint was trained on another backbone than {self.builder} {self.arguments} gives here "
                f"(weights {self.base_fingerprint}, found {found}); put its own weights back, or train again."
            )
        try:
            give_readings(backbone, self.readings)
        except ConfigError as error:
            raise CheckpointError(f"The checkpoint does not fit its backbone. {error}") from error
        if self.feature_mean is not None and self.feature_deviation is not None:
            fold_feature_statistics(backbone.model, torch.tensor(self.feature_mean), self.feature_deviation)
        if self.quantization == NF4 and not full_precision:
            quantize_language_model(backbone)
        return backbone

    def to_text(self) -> str:
        """The description as JSON."""
        return json.dumps(self.plain(), indent=2) + "\n"


def give_readings(backbone: Backbone, readings: Readings) -> None:
    """Give a backbone that is told readings as numbers a meter to read them with, where it has none.

    Raises:
        ConfigError: if it cannot have one, or reads another.
    """
    if readings.in_numbers:
        backbone.family.with_meter(backbone.model, readings.meter)


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
    """Write the adapter in PEFT's own format (or all trained weights, without one), processor and description.

    The folder appears whole, in the place of an older one.
    """
    model = backbone.model
    with replaced_folder(folder) as new:
        if isinstance(model, PeftModel):
            model.save_pretrained(new)
            # PEFT writes a model card of its own with unfilled fields; ours is made when a model is published.
            (new / "README.md").unlink(missing_ok=True)
        else:
            weights = {name: tensor.contiguous() for name, tensor in trainable_state(model).items()}
            save_file(weights, new / FULL_WEIGHTS)
        backbone.processor.save_pretrained(new)
        (new / DESCRIPTION).write_text(description.to_text())


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
        "give the folder that mixlab train wrote."
    )


def read_description(folder: Path) -> Description:
    """The description in an adapter folder.

    Raises:
        CheckpointError: if it cannot be read, holds something else, or leads out of the folder.
    """
    description = _parsed(folder / DESCRIPTION, _read_json(folder / DESCRIPTION), Description)
    if reason := names_code(description.arguments, "arguments"):
        raise CheckpointError(f"{folder / DESCRIPTION} {reason}")
    return description.but(arguments=_resolved(description.arguments, folder))


def _read_json(path: Path) -> dict[str, Any]:
    """The keys in a JSON file.

    Raises:
        CheckpointError: if it cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST_JSON_BYTES:
            raise ValueError(f"it is larger than {LARGEST_JSON_BYTES:,} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no keys")
        return values
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); train again or copy it whole.") from error


def _parsed(path: Path, values: dict[str, Any], kind: type[Any]) -> Any:
    try:
        return parse(values, kind)
    except (ConfigError, RecursionError) as error:
        reason = str(error) if len(str(error)) < 500 else f"{str(error)[:500]}..."
        raise CheckpointError(f"{path} cannot be read. {reason}") from error


def _resolved(arguments: dict[str, Plain], folder: Path) -> dict[str, Plain]:
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
    if (folder / ADAPTER_CONFIG).is_file():
        model = _load_adapter(backbone, folder)
    else:
        weights = _read_weights(folder / FULL_WEIGHTS)
        # A run without training (adapter=none) leaves the file, empty: a lost file stays an error.
        model = full(backbone) if weights else none(backbone)
        check_fit(weights, trainable_state(model), f"The checkpoint in {folder}")
        model.load_state_dict(weights, strict=False)
    model.eval()
    return TrainedModel(replace(backbone, model=model), description)


def _load_adapter(backbone: Backbone, folder: Path) -> torch.nn.Module:
    path, weights = folder / ADAPTER_CONFIG, _read_weights(folder / "adapter_model.safetensors")
    config = _read_adapter_config(path)
    said: Any = config.target_modules
    # By their whole names: PEFT would let an expression from the folder run for as long as it likes.
    config.target_modules = _matched(path, said, [name for name, _ in backbone.model.named_modules()])
    try:
        model = PeftModel.from_pretrained(backbone.model, str(folder), config=config)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"The adapter in {folder} does not fit its model ({reason}).") from error
    config.target_modules = said
    # Without embeddings, or PEFT would ask the Hub for the configuration of the base.
    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    check_fit(weights, expected, f"The checkpoint in {folder}")
    return model


def _read_adapter_config(path: Path) -> Any:
    """PEFT's configuration of the adapter in a folder.

    Only what the kind of adapter may set is taken over, each value checked; all else has to be as usual in PEFT.

    Raises:
        CheckpointError: naming the key that is wrong.
    """
    values = _read_json(path)
    kinds = {kind.config().peft_type.value: kind for kind in ADAPTERS.values() if kind.config is not None}
    kind = kinds.get(str(values.get("peft_type")))
    if kind is None or kind.config is None:
        raise CheckpointError(f"{path} has the peft_type {values.get('peft_type')!r}; known are {', '.join(kinds)}.")
    usual: dict[str, Any] = kind.config().to_dict()
    taken = kind.saved.model_fields
    for key in values.keys() - {*taken, *UNREAD}:
        if (value := values[key]) not in (None, False, {}, usual.get(key)):
            raise CheckpointError(f"{path} sets {key} to {str(value)[:60]!r}, which no adapter of mixlab does.")
    saved = _parsed(path, {key: value for key, value in values.items() if key in taken}, kind.saved)
    config: Any = kind.config(**saved.plain())
    config.task_type, config.inference_mode = "CAUSAL_LM", True
    if isinstance(config, LoraConfig):
        merge_where_cheaper(config)
    return config


def _matched(path: Path, wanted: str | set[str], names: Sequence[str]) -> list[str]:
    """The modules that an adapter's configuration names, by an expression for whole names or by the ends of names.

    Raises:
        CheckpointError: if there are none, or the expression is none, or takes too long.
    """
    if not isinstance(wanted, str):
        found = [name for name in names if any(f".{name}".endswith(f".{end}") for end in wanted if end)]
    elif wanted == LANGUAGE_MODEL_LINEARS:
        found = [name for name in names if re.fullmatch(wanted, name)]
    else:
        # In a process of its own, which can be ended: an expression may take longer than anybody lives.
        options: dict[str, Any] = {"capture_output": True, "text": True, "check": True, "timeout": MATCHING_S}
        try:
            program = [sys.executable, "-I", "-c", MATCH]
            done = subprocess.run(program, input=json.dumps([wanted, list(names)]), **options)
        except (subprocess.SubprocessError, OSError) as error:
            slow = isinstance(error, subprocess.TimeoutExpired)
            reason = f"takes more than {MATCHING_S:g} s to match" if slow else "is no regular expression"
            raise CheckpointError(f"{path} sets target_modules to '{wanted[:60]}', which {reason}.") from error
        found = json.loads(done.stdout)
    if not found:
        raise CheckpointError(f"{path} sets target_modules to '{str(wanted)[:60]}', which matches no module.")
    return found


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the adapter folder whole.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the adapter folder again.") from error
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"'{name}' in {path} is of {tensor.dtype}, and weights are floating-point numbers.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"'{name}' in {path} holds values that are no finite numbers; train again.")
    return weights
