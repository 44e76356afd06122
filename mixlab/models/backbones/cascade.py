"""Room models: the recipes of joined backbones: a cascade of encoder and language model, and a unified one of codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from mixlab.data.chat import Chat
from mixlab.errors import ConfigError
from mixlab.models.backbones import components as parts
from mixlab.models.backbones.base import Backbone, Family
from mixlab.models.backbones.codecs import available_codebooks, front_end_of
from mixlab.models.backbones.components import Component
from mixlab.models.backbones.families import CascadeFamily, UnifiedFamily
from mixlab.models.backbones.hearing import AUDIO_TOKEN, Hearing, SoundProcessor
from mixlab.models.backbones.joined import CascadeConfig, UnifiedConfig, new_projector, scale_projector


@dataclass(frozen=True)
class Cascade:
    """An audio encoder, a fresh projector and a causal language model (Wu et al. 2023 and many after).

    Attributes:
        audio_encoder: hub id, folder, or ``listener``: Whisper, wav2vec 2 and its kin, MERT, or a Qwen2-Audio's tower.
        language_model: hub id, folder, or ``listener``: any causal language model of transformers.
        projector: ``linear`` or ``mlp``.
        audio_tokens: to how many tokens the states of a clip are averaged; None keeps every state.
        level: tell the projector how loud each moment is; for encoders that normalise.
        dtype: of the frozen weights.
        seed: of the projector.
    """

    audio_encoder: str
    language_model: str
    projector: str
    audio_tokens: int | None
    level: bool
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.projector not in ("linear", "mlp"):
            raise ConfigError(f"model.arguments.projector is '{self.projector}'; choose linear or mlp.")
        if self.audio_tokens is not None and self.audio_tokens < 1:
            raise ConfigError(f"model.arguments.audio_tokens is {self.audio_tokens}; use at least 1, or null for all.")

    def read_chat(self) -> Chat:
        """The form of its conversations.

        Raises:
            ConfigError: as `build`.
        """
        return CascadeFamily().chat(self._processor(self._config()))

    def build(self) -> Backbone:
        """Load the parts and join them.

        Raises:
            ConfigError: if a part cannot be found, or does not fit.
            CheckpointError: if weights are missing.
        """
        config = self._config()
        tower = parts.load_encoder(self._encoder, config.audio_config, getattr(torch, self.dtype))
        words = Component("language_model", self.language_model)
        return _joined(CascadeFamily(), config, self._processor(config), tower, words, self.dtype, self.seed)

    def outline(self) -> Backbone:
        """Its shapes alone; without a network for the parts that `model` offers."""
        return CascadeFamily().outline(self._config(shapes_only=True))

    @property
    def _encoder(self) -> Component:
        return Component("audio_encoder", self.audio_encoder)

    def _config(self, shapes_only: bool = False) -> CascadeConfig:
        words = parts.text_config(Component("language_model", self.language_model), shapes_only)
        return CascadeConfig(
            audio_config=parts.encoder_config(self._encoder, shapes_only),
            text_config=words,
            tie_word_embeddings=words.tie_word_embeddings,
            projector=self.projector,
            level=self.level,
        )

    def _processor(self, config: CascadeConfig) -> SoundProcessor:
        context = _context(config.text_config)
        hearing = parts.encoder_hearing(self._encoder, config.audio_config, self.level, self.audio_tokens, context)
        return SoundProcessor(parts.load_tokenizer(Component("language_model", self.language_model)), hearing)


@dataclass(frozen=True)
class Unified:
    """Audio codes as added words of a causal language model (direct tokenization, as in AudioLM and AnyGPT).

    Attributes:
        codec: folder that ``python -m mixlab.codebook`` wrote, or an EnCodec, DAC or Mimi from the hub or a folder.
        codebooks: how many codes of each frame are heard, the coarsest first.
        language_model, dtype, seed: as in `Cascade`; the seed is that of the new words.
    """

    codec: str
    language_model: str
    codebooks: int
    dtype: str = "float32"
    seed: int = 0

    def read_chat(self) -> Chat:
        """The form of its conversations.

        Raises:
            ConfigError: as `build`.
        """
        return UnifiedFamily().chat(self._processor(self._config()))

    def build(self) -> Backbone:
        """Load the parts and join them.

        Raises:
            ConfigError: if a part cannot be found, or does not fit.
            CheckpointError: if weights are missing.
        """
        config = self._config()
        # In float32: codes are decided by small differences.
        tower = self._codec.weights(AutoModel, dtype=torch.float32)
        words = Component("language_model", self.language_model)
        return _joined(UnifiedFamily(), config, self._processor(config), tower, words, self.dtype, self.seed)

    def outline(self) -> Backbone:
        """Its shapes alone; without a network for the parts that `model` offers."""
        return UnifiedFamily().outline(self._config(shapes_only=True))

    @property
    def _codec(self) -> Component:
        remedy = f"make a codebook with python -m mixlab.codebook out={self.codec} and the songs of the run, or "
        return Component("codec", self.codec, remedy)

    def _config(self, shapes_only: bool = False) -> UnifiedConfig:
        found = self._codec.raw_config(shapes_only)
        codec: Any = AutoConfig.for_model(**{key: value for key, value in found.items() if key != "auto_map"})
        front_end_of(codec, self.codec)
        if not 1 <= self.codebooks <= available_codebooks(codec):
            raise ConfigError(
                f"model.arguments.codebooks is {self.codebooks}, but {self.codec} has {available_codebooks(codec)}."
            )
        words = parts.text_config(Component("language_model", self.language_model), shapes_only)
        return UnifiedConfig(
            audio_config=codec,
            text_config=words,
            tie_word_embeddings=words.tie_word_embeddings,
            codebooks=self.codebooks,
        )

    def _processor(self, config: UnifiedConfig) -> SoundProcessor:
        front_end = front_end_of(config.audio_config, self.codec)
        hearing = Hearing(
            front_end,
            # A frame of sound becomes a frame of codes.
            convolutions=[[front_end["step"], front_end["step"]]] if "step" in front_end else [],
            per_state=self.codebooks,
            pooled=None,
            common_scale=False,
            hears_level=True,
            context=_context(config.text_config),
            tower=self.codec,
        )
        return SoundProcessor(parts.load_tokenizer(Component("language_model", self.language_model)), hearing)


def _context(config: Any) -> int:
    return int(getattr(config, "max_position_embeddings", None) or 2048)


def _joined(
    family: Family, config: Any, processor: SoundProcessor, tower: nn.Module, words: Component, dtype: str, seed: int
) -> Backbone:
    """The parts in their places, with a fresh projector that starts in the range of the embeddings of words."""
    config.hearing = asdict(processor.hearing)
    config.audio_token_id = processor.tokenizer.convert_tokens_to_ids(AUDIO_TOKEN)
    language_model, head = parts.load_language_model(words, config.text_config, getattr(torch, dtype))
    config.tie_word_embeddings = head.weight is language_model.get_input_embeddings().weight  # type: ignore[operator]
    with torch.device("meta"):
        model: Any = family.new_model(config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        projector = new_projector(config)
        scale_projector(projector, parts.embedding_deviation(language_model))
    model.model.audio_tower = tower
    model.model.language_model = language_model
    model.model.multi_modal_projector = projector.to(getattr(torch, dtype))
    model.lm_head = head
    model.config.dtype = getattr(torch, dtype)
    return Backbone(model.eval(), processor, family)
