"""Room models: Qwen2-Audio (Chu et al. 2024): a Whisper tower, one linear projector, any causal language model."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import Qwen2AudioProcessor

from mixlab.audio.log_mel import LogMel
from mixlab.data.chat import Chat, TemplateChat
from mixlab.models.backbones.base import Family
from mixlab.models.backbones.slots import fill_slots
from mixlab.models.backbones.tower import run_on_clips


class Qwen2Audio(Family):
    """Qwen2-Audio; each clip has a slot of its own between two tokens."""

    name = "qwen2_audio"
    model_class = "Qwen2AudioForConditionalGeneration"

    def trimmed(self, model: nn.Module) -> nn.Module:
        """The model with a tower that need not hear silence to the end of its window, asking nothing of the device."""
        run_on_clips(model.get_submodule(self.parts.audio_tower))
        fill_slots(model.get_submodule("model"))
        return model

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A Qwen2AudioProcessor."""
        return Qwen2AudioProcessor.from_pretrained(name, revision=revision)

    def chat(self, processor: Any) -> Chat:
        """In the words of the processor's template, which numbers the clips."""
        return TemplateChat(
            processor,
            tokenizer=processor.tokenizer,
            front_end=LogMel.of(processor.feature_extractor, to_window=False),
            audio_token=processor.audio_token,
            end_token="<|im_end|>",
            closes=True,
        )
