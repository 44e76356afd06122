"""Backbones from the Hugging Face Hub or a local folder."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import AutoConfig

from mixlab.chat.form import Chat
from mixlab.models.backbones.base import Backbone, Family, Recipe, dtype_of, family_of
from mixlab.models.backbones.source import Architectures, Source


@dataclass(frozen=True)
class Pretrained(Recipe):
    """A backbone with trained weights, safetensors only, without remote code.

    Attributes:
        name: hub id such as ``Qwen/Qwen2-Audio-7B-Instruct``, or a folder.
        revision: commit or tag on the hub.
        dtype: of the frozen weights, such as ``bfloat16``.
        architectures: what is known of its shapes without a network.
    """

    name: str
    revision: str | None = None
    dtype: str = "float32"
    architectures: Architectures | None = None

    def read_chat(self) -> Chat:
        """As `Recipe.read_chat`."""
        family = self.family()
        return family.chat(self._source.read(family.read_processor))

    def build(self) -> Backbone:
        """As `Recipe.build`."""
        family = self.family()
        processor = self._source.read(family.read_processor)
        formats = {"dtype": dtype_of(self.dtype), "use_safetensors": True}
        loaded, missing = self._source.weights(family.loaded_class(), **formats)
        model = family.trimmed(loaded)
        self._source.check_weights([name for name in missing if name in model.state_dict()])
        return Backbone(model, processor, family)

    def outline(self) -> Backbone:
        """As `Recipe.outline`; without a network where its architecture is known."""
        known = (self.architectures or {}).get(self.name)
        config = AutoConfig.for_model(**known) if known else self._config()
        return family_of(config.model_type, self.name).outline(config)

    def family(self) -> Family:
        """The family that the model's configuration says it is of."""
        return family_of(self._config().model_type, self.name)

    def _config(self) -> AutoConfig:
        return self._source.read(AutoConfig.from_pretrained, trust_remote_code=False)

    @property
    def _source(self) -> Source:
        return Source("name", self.name, pinned=self.revision)
