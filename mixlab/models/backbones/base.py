"""The one interface that holds what differs between backbones, and the registry of their families."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from mixlab.chat.collate import Batch
from mixlab.chat.form import Chat
from mixlab.errors import ConfigError
from mixlab.registry import Registry


@dataclass(frozen=True)
class Parts:
    """Where the parts of a backbone lie in its module tree, as dotted names.

    Attributes:
        audio_tower: what hears.
        projector: what brings its states to the width of the language model; may lie inside the tower.
        language_model: the layers and the embeddings, without the head; what adapters sit on.
        head: from states to logits, an `nn.Linear`.
    """

    audio_tower: str = "model.audio_tower"
    projector: str = "model.multi_modal_projector"
    language_model: str = "model.language_model"
    head: str = "lm_head"


class Family(ABC):
    """What differs between backbones and nothing more; it holds no weights and no settings.

    What all have in common: ``model.model(**inputs)`` gives the language model's states before the head, and
    ``model.generate(**inputs, ...)`` responses.

    Attributes:
        name: key in a description.
        model_types: of the `config.json` of its models.
        model_class: name of the class in transformers.
        parts: where its parts lie.
    """

    name: str
    model_types: tuple[str, ...]
    model_class: str
    parts: Parts = Parts()

    def with_meter(self, model: nn.Module, meter: str) -> None:
        """Give the model's projector a meter that its readings are told through, with weights of zero, if it has none.

        Raises:
            ConfigError: if the model cannot have it, or reads another meter.
        """
        raise ConfigError(
            f"readings.form is 'number', which a model of the family '{self.name}' cannot be told; "
            "set readings.form=words."
        )

    def loaded_class(self) -> Any:
        """The class of its model."""
        return getattr(transformers, self.model_class)

    def new_model(self, config: Any) -> nn.Module:
        """The model of a configuration, with fresh weights."""
        return self.trimmed(self.loaded_class()(config))

    def trimmed(self, model: nn.Module) -> nn.Module:
        """The model without the parts that neither hear nor write; here it has none."""
        return model

    def outline(self, config: Any) -> Backbone:
        """The backbone of a configuration on the meta device: shapes, no weights, no processor."""
        with torch.device("meta"):
            return Backbone(self.new_model(config), None, self)

    @abstractmethod
    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """What turns text and sound into tensors, from a hub id or a folder; has `save_pretrained` and `tokenizer`.

        Code that lies there never runs.
        """

    @abstractmethod
    def chat(self, processor: Any) -> Chat:
        """The form of its conversations."""

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The arguments of its forward pass, and of generation, for a batch with features."""
        taken = ("input_ids", "attention_mask", "input_features", "feature_attention_mask", "readings_db")
        # Where nothing is heard there are no features.
        return {name: batch[name] for name in taken if name in batch}  # type: ignore[literal-required]


FAMILIES: Registry[Family] = Registry(
    "family of backbones",
    *(f"mixlab.models.backbones.{name}" for name in ("qwen2_audio", "qwen2_5_omni", "voxtral", "flamingo", "joined")),
)
"""All families, by the name that a description keeps; ``FAMILIES.add(MyFamily())`` adds one."""


def family_of(model_type: str, name: str) -> Family:
    """The family of models of a type.

    Args:
        name: of the model, for the message.

    Raises:
        ConfigError: if there is none.
    """
    found = next((family for family in FAMILIES.values() if model_type in family.model_types), None)
    if found is None:
        known = sorted(kind for family in FAMILIES.values() for kind in family.model_types)
        raise ConfigError(
            f"model.arguments.name is '{name}', a model of type '{model_type}'; mixlab knows {', '.join(known)}."
        )
    return found


@dataclass
class Backbone:
    """A model of transformers, with or without a PEFT adapter around it, its processor and its family.

    An outline has no processor.
    """

    model: Any
    processor: Any
    family: Family

    @cached_property
    def chat(self) -> Chat:
        """The form of its conversations."""
        return self.family.chat(self.processor)

    def part(self, name: str) -> nn.Module:
        """A part of the model by its field in `Parts`, under the adapter if there is one."""
        return bare(self.model).get_submodule(getattr(self.family.parts, name))

    def save(self, folder: Path) -> None:
        """Write a folder that `Pretrained` builds from; for a model without an adapter."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)


class Recipe(ABC):
    """How a backbone is made; a description names one and its fields, which are plain values.

    All methods raise ConfigError if something that they need is not there, or does not fit.
    """

    @abstractmethod
    def build(self) -> Backbone:
        """The backbone, before any adapter; raises CheckpointError if weights are missing."""

    @abstractmethod
    def read_chat(self) -> Chat:
        """The form of its conversations, without its weights, so that what does not fit is said before they load."""

    @abstractmethod
    def outline(self) -> Backbone:
        """The backbone on the meta device, without weights and processor, to count its parameters."""


def bare(model: nn.Module) -> Any:
    """The model inside, with or without a PEFT adapter around it."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def dtype_of(name: str) -> torch.dtype:
    """The format of weights that a configuration names.

    Raises:
        ConfigError: if there is no such one.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        raise ConfigError(f"model.arguments.dtype is '{name}'; choose {', '.join(known)}.")
    return known[name]
