"""Room models: the one interface that holds what differs between backbones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from torch import nn

from mixlab.data.chat import Chat
from mixlab.data.collate import Batch


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
        model_class: name of the class in transformers.
        parts: where its parts lie.
    """

    name: str
    model_class: str
    parts: Parts = Parts()

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
        """What turns text and sound into tensors, from a hub id or a folder; has `save_pretrained` and `tokenizer`."""

    @abstractmethod
    def chat(self, processor: Any) -> Chat:
        """The form of its conversations."""

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The arguments of its forward pass, and of generation, for a batch with features."""
        return {
            "input_ids": batch["input_ids"],
            "attention_mask": batch["attention_mask"],
            "input_features": batch["input_features"],
            "feature_attention_mask": batch["feature_attention_mask"],
        }


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


class Recipe(Protocol):
    """How a backbone is made; a description names one and its fields, which are plain values."""

    def build(self) -> Backbone:
        """The backbone, with its weights, before any adapter.

        Raises:
            ConfigError: if something that it needs is not there.
        """
        ...

    def read_chat(self) -> Chat:
        """The form of its conversations, without its weights, so that what does not fit is said before they load."""
        ...

    def outline(self) -> Backbone:
        """The backbone on the meta device, without weights and processor, to count its parameters."""
        ...


def bare(model: nn.Module) -> Any:
    """The model inside, with or without a PEFT adapter around it."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model
