"""Audio Flamingo 3 and Music Flamingo (Goel et al. 2025, Ghosh et al. 2025): one sound a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from mixlab.audio.log_mel import LogMel
from mixlab.chat.collate import Batch
from mixlab.chat.form import Chat, Slot, TemplateChat
from mixlab.errors import ConfigError
from mixlab.models.backbones.base import FAMILIES, Family
from mixlab.synthesis.example import Clip

GAP_S = 1.0
"""Silence between two clips."""


class AudioFlamingo3(Family):
    """Audio Flamingo 3; the clips lie one after another in its window of 30 s."""

    name = "audio_flamingo_3"
    model_types = ("audioflamingo3",)
    model_class = "AudioFlamingo3ForConditionalGeneration"
    processor_class = "AudioFlamingo3Processor"
    around = ("", "")
    """Tokens that its processor puts before and after a sound."""

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """The processor of transformers."""
        processor_class: Any = getattr(transformers, self.processor_class)
        return processor_class.from_pretrained(name, revision=revision, trust_remote_code=False)

    def chat(self, processor: Any) -> Chat:
        """In the words of the processor's template, which puts the sound first."""
        return OneWindowChat(
            self.around,
            template=processor,
            tokenizer=processor.tokenizer,
            front_end=LogMel.of(processor.feature_extractor),
            audio_token=processor.audio_token,
            end_token="<|im_end|>",
        )

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """With the mask of frames under its own name."""
        inputs = super().inputs(batch)
        if "feature_attention_mask" in inputs:
            inputs["input_features_mask"] = inputs.pop("feature_attention_mask")
        return inputs


class MusicFlamingo(AudioFlamingo3):
    """Music Flamingo: Audio Flamingo 3, trained on music, with time codes on what it hears."""

    name = "music_flamingo"
    model_types = ("musicflamingo",)
    model_class = "MusicFlamingoForConditionalGeneration"
    processor_class = "MusicFlamingoProcessor"
    around = ("<|sound_bos|>", "<|sound_eos|>")


FAMILIES.add(AudioFlamingo3())
FAMILIES.add(MusicFlamingo())


class OneWindowChat(TemplateChat):
    """Clips one after another in one sound, with `GAP_S` of silence between; the text says which is where."""

    def __init__(self, around: tuple[str, str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.around = around

    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """As `Chat.conversation`."""
        if not any(clip.audible for clip in clips):
            text = " ".join([*(clip.label for clip in clips), prompt]).strip()
            return self.rendered([{"type": "text", "text": text}])
        rate = self.front_end.sample_rate
        places = [
            f"{clip.label} {start / rate:g} to {(start + clip.samples.size) / rate:g} s."
            for clip, start in zip(clips, self._starts(clips), strict=True)
        ]
        text = " ".join([*places, prompt]).strip()
        content = [{"type": "audio", "audio": ""}, {"type": "text", "text": text}]
        before, after = self.around
        return self.rendered(content).replace(self.audio_token, f"{before}{self.audio_token}{after}")

    def sounds(self, clips: Sequence[Clip]) -> tuple[NDArray[np.float32], ...]:
        """One sound, or none where no clip is heard."""
        if not any(clip.audible for clip in clips):
            return ()
        whole = np.zeros(self._end(clips), dtype=np.float32)
        for clip, start in zip(clips, self._starts(clips), strict=True):
            whole[start : start + clip.samples.size] = clip.samples
        return (whole,)

    def slots(self, clips: Sequence[Clip]) -> list[Slot]:
        """One slot, in which every clip ends somewhere, or none where no clip is heard."""
        if not any(clip.audible for clip in clips):
            return []
        ends = [start + clip.samples.size for clip, start in zip(clips, self._starts(clips), strict=True)]
        return [self._slot(self._end(clips), ends)]

    def check_inputs(self, layout: str, clips: int, clip_s: float) -> None:
        """As `Chat.check_inputs`, of all clips together."""
        window_s = self.front_end.window_samples / self.front_end.sample_rate
        whole_s = clips * clip_s + (clips - 1) * GAP_S
        if whole_s > window_s:
            raise ConfigError(
                f"inputs is '{layout}', up to {clips} clips of {clip_s:g} s, which this model hears one after another "
                f"with {GAP_S:g} s between: {whole_s:g} s, more than its {window_s:g} s; "
                "set inputs=anchor_rest or inputs=mixture, or shorten data.segment_s."
            )

    def _starts(self, clips: Sequence[Clip]) -> list[int]:
        gap = round(GAP_S * self.front_end.sample_rate)
        return [sum(clip.samples.size + gap for clip in clips[:number]) for number in range(len(clips))]

    def _end(self, clips: Sequence[Clip]) -> int:
        return self._starts(clips)[-1] + clips[-1].samples.size
