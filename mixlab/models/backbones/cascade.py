"""The recipes of joined backbones: a cascade of encoder and language model, and a unified one of codes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from mixlab.chat.form import Chat
from mixlab.errors import ConfigError
from mixlab.models.backbones import components as parts
from mixlab.models.backbones.base import FAMILIES, Backbone, Recipe, dtype_of
from mixlab.models.backbones.codecs import available_codebooks, front_end_of
from mixlab.models.backbones.hearing import AUDIO_TOKEN, Hearing, SoundProcessor
from mixlab.models.backbones.joined import CascadeConfig, UnifiedConfig, new_projector, scale_projector
from mixlab.models.backbones.source import Architectures, Source


@dataclass(frozen=True)
class _Joined(Recipe):
    """What hears, a fresh projector and a causal language model, put together.

    Attributes:
        language_model: hub id, folder, or ``listener``: any causal language model of transformers.
        dtype: of the frozen weights.
        seed: of the projector.
        architectures: what is known of the shapes of its parts without a network.
    """

    language_model: str
    dtype: str = "float32"
    seed: int = 0
    architectures: Architectures | None = None

    family = ""
    """Its name in `FAMILIES`."""

    def read_chat(self) -> Chat:
        """As `Recipe.read_chat`."""
        return FAMILIES[self.family].chat(self._processor(self._config()))

    def outline(self) -> Backbone:
        """As `Recipe.outline`; without a network for the parts whose architectures are known."""
        return FAMILIES[self.family].outline(self._config(self.architectures))

    def build(self) -> Backbone:
        """As `Recipe.build`; the projector starts in the range of the embeddings of words."""
        config, family, dtype = self._config(), FAMILIES[self.family], dtype_of(self.dtype)
        processor, tower = self._processor(config), self._tower(config)
        config.hearing = asdict(processor.hearing)
        config.audio_token_id = processor.tokenizer.convert_tokens_to_ids(AUDIO_TOKEN)
        language_model, head = parts.load_language_model(self._words, config.text_config, dtype)
        words: Any = language_model
        config.tie_word_embeddings = head.weight is words.get_input_embeddings().weight
        with torch.device("meta"):
            model: Any = family.new_model(config)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            projector = new_projector(config)
            scale_projector(projector, parts.embedding_deviation(language_model))
        model.model.audio_tower = tower
        model.model.language_model = language_model
        model.model.multi_modal_projector = projector.to(dtype)
        model.lm_head = head
        model.config.dtype = dtype
        return Backbone(model.eval(), processor, family)

    @property
    def _words(self) -> Source:
        return Source("language_model", self.language_model)

    def _processor(self, config: Any) -> SoundProcessor:
        context = int(getattr(config.text_config, "max_position_embeddings", None) or 2048)
        return SoundProcessor(parts.load_tokenizer(self._words), self._hearing(config, context))

    @abstractmethod
    def _config(self, known: Architectures | None = None) -> Any:
        """The configuration of the whole; `known` architectures need no network."""

    @abstractmethod
    def _tower(self, config: Any) -> nn.Module:
        """What hears, with its weights."""

    @abstractmethod
    def _hearing(self, config: Any, context: int) -> Hearing:
        """How it hears; `context` is that of the language model."""


@dataclass(frozen=True, kw_only=True)
class Cascade(_Joined):
    """An audio encoder, a fresh projector and a causal language model (Wu et al. 2023 and many after).

    Attributes:
        audio_encoder: hub id, folder, or ``listener``: Whisper, wav2vec 2 and its kin, MERT, or a Qwen2-Audio's tower.
        projector: ``linear`` or ``mlp``.
        audio_tokens: to how many tokens the states of a clip are averaged; None keeps every state.
        level: tell the projector how loud each moment is; for encoders that normalise.
    """

    audio_encoder: str
    projector: str
    audio_tokens: int | None
    level: bool

    family = "cascade"

    def __post_init__(self) -> None:
        if self.projector not in ("linear", "mlp"):
            raise ConfigError(f"model.arguments.projector is '{self.projector}'; choose linear or mlp.")
        if self.audio_tokens is not None and self.audio_tokens < 1:
            raise ConfigError(f"model.arguments.audio_tokens is {self.audio_tokens}; use at least 1, or null for all.")

    @property
    def _encoder(self) -> Source:
        return Source("audio_encoder", self.audio_encoder)

    def _config(self, known: Architectures | None = None) -> CascadeConfig:
        words = parts.text_config(self._words, known)
        both = {"audio_config": parts.encoder_config(self._encoder, known), "text_config": words}
        tied = words.tie_word_embeddings
        return CascadeConfig(**both, tie_word_embeddings=tied, projector=self.projector, level=self.level)

    def _tower(self, config: Any) -> nn.Module:
        return parts.load_encoder(self._encoder, config.audio_config, dtype_of(self.dtype))

    def _hearing(self, config: Any, context: int) -> Hearing:
        return parts.encoder_hearing(self._encoder, config.audio_config, self.level, self.audio_tokens, context)


@dataclass(frozen=True, kw_only=True)
class Unified(_Joined):
    """Audio codes as added words of a causal language model (direct tokenization, as in AudioLM and AnyGPT).

    Attributes:
        codec: folder that ``mixlab codebook`` wrote, or an EnCodec, DAC or Mimi from the hub or a folder.
        codebooks: how many codes of each frame are heard, the coarsest first.
    """

    codec: str
    codebooks: int

    family = "unified"

    @property
    def _codec(self) -> Source:
        remedy = f"make a codebook with mixlab codebook out={self.codec} and the songs of the run, or "
        return Source("codec", self.codec, remedy)

    def _config(self, known: Architectures | None = None) -> UnifiedConfig:
        codec: Any = AutoConfig.for_model(**self._codec.config(known))
        front_end_of(codec, self.codec)
        if not 1 <= self.codebooks <= available_codebooks(codec):
            raise ConfigError(
                f"model.arguments.codebooks is {self.codebooks}, but {self.codec} has {available_codebooks(codec)}."
            )
        words = parts.text_config(self._words, known)
        tied = words.tie_word_embeddings
        return UnifiedConfig(audio_config=codec, text_config=words, tie_word_embeddings=tied, codebooks=self.codebooks)

    def _tower(self, config: Any) -> nn.Module:
        # In float32: codes are decided by small differences.
        return self._codec.whole(AutoModel, dtype=torch.float32)

    def _hearing(self, config: Any, context: int) -> Hearing:
        front_end = front_end_of(config.audio_config, self.codec)
        # A frame of sound becomes a frame of codes.
        frames = [[front_end["step"], front_end["step"]]] if "step" in front_end else []
        return Hearing(front_end, frames, self.codebooks, None, False, True, context, self.codec)
