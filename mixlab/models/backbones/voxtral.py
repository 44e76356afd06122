"""Voxtral (Liu et al. 2025): a Whisper tower whose states are joined by fours, and a Ministral."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.integrations.mistral import convert_tekken_tokenizer
from transformers.utils import cached_file

from mixlab.audio.log_mel import LogMel
from mixlab.chat.collate import Batch
from mixlab.chat.form import Chat
from mixlab.models.backbones.base import FAMILIES, Family
from mixlab.models.backbones.source import Pair
from mixlab.synthesis.example import Clip

FRAMES_A_TOKEN = 8
"""The convolution halves the frames, and four states become one token."""


class Voxtral(Family):
    """Voxtral; each clip has a slot of its own, always as long as the whole window."""

    name = "voxtral"
    model_types = ("voxtral",)
    model_class = "VoxtralForConditionalGeneration"

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A tokenizer and an extractor: the processor of transformers would need mistral-common.

        The hub has the vocabulary in Mistral's own format, which transformers converts to a fast tokenizer.
        """
        lenient = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
        tekken = cached_file(name, "tekken.json", revision=revision, **lenient)
        return Pair.read(name, revision, convert_tekken_tokenizer(tekken) if tekken else None)

    def chat(self, processor: Any) -> Chat:
        """In Mistral's instruction form."""
        front_end = LogMel.of(processor.feature_extractor)
        return VoxtralChat(processor.tokenizer, front_end, audio_token="[AUDIO]", end_token="</s>")

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Without a mask of frames: the model hears the silence that fills the window."""
        return {key: value for key, value in super().inputs(batch).items() if key != "feature_attention_mask"}


FAMILIES.add(Voxtral())


class VoxtralChat(Chat):
    """What mistral-common writes for one user, who says and plays something."""

    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """As `Chat.conversation`."""
        heard = "".join(self.introduced(clip, f"[BEGIN_AUDIO]{self.audio_token}") for clip in clips)
        return f"<s>[INST]{heard}{prompt}[/INST]"

    def audio_tokens(self, samples: int) -> int:
        """Those of the whole window."""
        return self.front_end.frames(self.front_end.window_samples) // FRAMES_A_TOKEN
