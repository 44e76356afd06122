"""The thinker of Qwen2.5-Omni (Xu et al. 2025), which hears and writes; it does not see or speak here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from mixlab.audio.log_mel import LogMel
from mixlab.chat.form import Chat, WhisperChat
from mixlab.models.backbones.base import FAMILIES, Family, Parts
from mixlab.models.backbones.source import Pair
from mixlab.synthesis.example import Clip

WINDOW_S = 30
"""The extractor's window is 300 s, and features are made for all of it; no clip here is that long."""


class Qwen25Omni(Family):
    """Qwen2.5-Omni; each clip has a slot of its own between two tokens, and the tower runs on its frames alone."""

    name = "qwen2_5_omni"
    model_types = ("qwen2_5_omni", "qwen2_5_omni_thinker")
    model_class = "Qwen2_5OmniThinkerForConditionalGeneration"
    parts = Parts(projector="model.audio_tower.proj")

    def new_model(self, config: Any) -> nn.Module:
        """The thinker, also of the configuration of the whole."""
        return super().new_model(getattr(config, "thinker_config", config))

    def trimmed(self, model: nn.Module) -> nn.Module:
        """The model without its eyes."""
        model.get_submodule("model").visual = None  # type: ignore[assignment]
        return model

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A tokenizer and an extractor: the processor of transformers would need torchvision."""
        return Pair.read(name, revision)

    def chat(self, processor: Any) -> Chat:
        """Between ``<|audio_bos|>`` and ``<|audio_eos|>``, as in Qwen2-Audio."""
        front_end = LogMel.of(processor.feature_extractor)
        window_samples = min(front_end.window_samples, WINDOW_S * front_end.sample_rate)
        return OmniChat(
            processor.tokenizer,
            replace(front_end, window_samples=window_samples),
            audio_token="<|AUDIO|>",
            end_token="<|im_end|>",
            closes=True,
        )


FAMILIES.add(Qwen25Omni())


class OmniChat(WhisperChat):
    """What the model's own template writes for one user, who says and plays something."""

    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """As `Chat.conversation`."""
        heard = "".join(self.introduced(clip, f"<|audio_bos|>{self.audio_token}<|audio_eos|>") for clip in clips)
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\n{heard}{prompt}<|im_end|>\n<|im_start|>assistant\n"
        )
