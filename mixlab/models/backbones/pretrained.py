"""Room models: backbones from the Hugging Face Hub or a local folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from transformers import AutoConfig

from mixlab.data.chat import Chat
from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.backbones.base import Backbone, Family
from mixlab.models.backbones.families import CascadeFamily, UnifiedFamily
from mixlab.models.backbones.flamingo import AudioFlamingo3, MusicFlamingo
from mixlab.models.backbones.qwen2_5_omni import Qwen25Omni
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.voxtral import Voxtral

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Qwen2Audio(),
        Qwen25Omni(),
        Voxtral(),
        AudioFlamingo3(),
        MusicFlamingo(),
        CascadeFamily(),
        UnifiedFamily(),
    )
}
"""All families, by the name that a description keeps."""

OF_MODEL_TYPE = {
    "qwen2_audio": "qwen2_audio",
    "qwen2_5_omni": "qwen2_5_omni",
    "qwen2_5_omni_thinker": "qwen2_5_omni",
    "voxtral": "voxtral",
    "audioflamingo3": "audio_flamingo_3",
    "musicflamingo": "music_flamingo",
    "mixlab_cascade": "cascade",
    "mixlab_unified": "unified",
}
"""The family of a `config.json`, by its model_type."""

ARCHITECTURES = Path(__file__).with_name("architectures.yaml")
"""The shapes of the hub models that `model` offers, so that their parameters are counted without a network."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class Pretrained:
    """A backbone with trained weights, safetensors only, without remote code.

    Attributes:
        name: hub id such as ``Qwen/Qwen2-Audio-7B-Instruct``, or a folder.
        revision: commit or tag on the hub.
        dtype: of the frozen weights, such as ``bfloat16``.
    """

    name: str
    revision: str | None = None
    dtype: str = "float32"

    def read_chat(self) -> Chat:
        """The form of its conversations.

        Raises:
            ConfigError: as `build`.
        """
        family = self.family()
        return family.chat(self._read(family.read_processor))

    def build(self) -> Backbone:
        """Load it.

        Raises:
            ConfigError: if the model cannot be found (no network, wrong id or folder) or is of no family.
            CheckpointError: if weights are missing.
        """
        family = self.family()
        processor = self._read(family.read_processor)
        load = family.loaded_class().from_pretrained
        model, loading = self._read(
            load, dtype=getattr(torch, self.dtype), use_safetensors=True, output_loading_info=True
        )
        model = family.trimmed(model)
        if missing := sorted({*loading["missing_keys"], *loading["mismatched_keys"]} & model.state_dict().keys()):
            raise CheckpointError(f"The weights of '{self.name}' do not fit: {missing[:5]} are missing.")
        return Backbone(model, processor, family)

    def outline(self) -> Backbone:
        """Its shapes alone; without a network for the models that `model` offers.

        Raises:
            ConfigError: as `build`.
        """
        known = yaml.safe_load(ARCHITECTURES.read_text()).get(self.name)
        config = AutoConfig.for_model(**known["config"]) if known else self._read(AutoConfig.from_pretrained)
        return self._family_of(config.model_type).outline(config)

    def family(self) -> Family:
        """The family that the model's configuration says it is of.

        Raises:
            ConfigError: if it is of none, or cannot be found.
        """
        return self._family_of(self._read(AutoConfig.from_pretrained).model_type)

    def _family_of(self, model_type: str) -> Family:
        if model_type not in OF_MODEL_TYPE:
            raise ConfigError(
                f"model.arguments.name is '{self.name}', a model of type '{model_type}'; "
                f"mixlab knows {', '.join(sorted(OF_MODEL_TYPE))}."
            )
        return FAMILIES[OF_MODEL_TYPE[model_type]]

    def _read(self, load: Callable[..., Read], **arguments: Any) -> Read:
        try:
            return load(self.name, revision=self.revision, **arguments)
        except (OSError, ValueError, ImportError) as error:
            first_line = str(error).strip().splitlines()[0].rstrip(".")
            raise ConfigError(
                f"model.arguments.name is '{self.name}', which cannot be loaded ({first_line}); check the id and the "
                "network, or give a local folder that holds it, as in model.arguments.name=/path/to/folder."
            ) from error
