"""Room data: an example as token ids and waveforms, in the chat form of the model's own processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mixlab.audio.log_mel import LogMel
from mixlab.language.spans import decisive_spans
from mixlab.synthesis.example import Clip

IGNORED = -100
"""Label of a position that the loss leaves out."""

KEPT_PROMPTS = 4096
"""Conversations whose token ids an encoder keeps; a run has a few hundred."""


@dataclass(frozen=True)
class EncodedText:
    """Token ids of one conversation, all of shape (tokens,).

    Attributes:
        input_ids: prompt, and for training the response with its end token.
        labels: `input_ids` on the response, `IGNORED` on the prompt.
        decisive: True on response tokens that carry the meaning (stem, direction, number).
    """

    input_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    decisive: NDArray[np.bool_]


class ChatEncoder:
    """Turns clips and texts into what a Qwen2-Audio style model takes.

    The processor's own chat template lays out the conversation; each clip's label stands before it. `front_end` gives
    the features of its WhisperFeatureExtractor (equal to 1e-4), here or where the model is.

    Args:
        processor: a Qwen2AudioProcessor.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        extractor = processor.feature_extractor
        self.sample_rate: int = extractor.sampling_rate
        self.front_end = LogMel.of(extractor)
        self.pad_token_id: int = processor.tokenizer.pad_token_id
        self.audio_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.audio_token)
        self.audio_end_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.audio_eos_token)
        self.end_token_id: int = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self._prompts: dict[tuple[tuple[str, ...], str], NDArray[np.int64]] = {}

    def audio_tokens(self, samples: int) -> int:
        """Number of audio tokens of a clip of `samples` samples (convolution stride 2, pooling by 2)."""
        frames = samples // self.front_end.hop_length
        return (((frames - 1) // 2 + 1) - 2) // 2 + 1

    def line_up(self, clips: Sequence[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips of shape (samples,) each as one tensor (clips, samples), zeros at the ends, and their lengths (clips,).

        Raises:
            ValueError: if a clip is longer than the model's window; nothing is cut silently.
        """
        lengths = [clip.size for clip in clips]
        self.front_end.check_length(max(lengths))
        waveforms = np.empty((len(clips), max(lengths)), dtype=np.float32)
        for clip, row in zip(clips, waveforms, strict=True):
            row[: clip.size] = clip
            row[clip.size :] = 0.0
        return torch.from_numpy(waveforms), torch.tensor(lengths)

    def features(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Log-mel features of clips of shape (samples,) each: shape (clips, mels, window frames).

        Raises:
            ValueError: if a clip is longer than the model's window.
        """
        return self.front_end(self.line_up(clips)[0]).numpy()

    def prompt_text(self, clips: Sequence[Clip], prompt: str) -> str:
        """The conversation up to the point where the response starts, audio placeholders expanded."""
        before, *after = self._conversation([clip.label for clip in clips], prompt).split(self.processor.audio_token)
        for clip, rest in zip(clips, after, strict=True):
            before += self.processor.audio_token * self.audio_tokens(clip.samples.size) + rest
        return before

    def prompt_ids(self, clips: Sequence[Clip], prompt: str) -> NDArray[np.int64]:
        """The token ids of `prompt_text`.

        Every label and user sentence occurs again and again, so the ids with one placeholder a clip are kept; what is
        between placeholders is tokenized by itself in any case.
        """
        key = (tuple(clip.label for clip in clips), prompt)
        ids = self._prompts.get(key)
        if ids is None:
            text = self._conversation(key[0], prompt)
            ids = np.asarray(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int64)
            if len(self._prompts) >= KEPT_PROMPTS:
                self._prompts.clear()
            self._prompts[key] = ids
        repeats = np.ones(ids.size, dtype=np.int64)
        for place, clip in zip(np.flatnonzero(ids == self.audio_token_id), clips, strict=True):
            repeats[place] = self.audio_tokens(clip.samples.size)
        return np.repeat(ids, repeats)

    def _conversation(self, labels: Sequence[str], prompt: str) -> str:
        """The processor's chat form up to the response, with one placeholder a clip."""
        content: list[dict[str, str]] = []
        for label in labels:
            content += [{"type": "text", "text": f"{label} "}, {"type": "audio", "audio_url": ""}]
        if prompt:
            content.append({"type": "text", "text": prompt})
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )

    def encode_text(self, clips: Sequence[Clip], prompt: str, response: str | None) -> EncodedText:
        """Token ids of a conversation; without a response, of the prompt alone."""
        prompt_ids = self.prompt_ids(clips, prompt)
        if response is None:
            return EncodedText(prompt_ids, np.full_like(prompt_ids, IGNORED), np.zeros(prompt_ids.size, dtype=bool))
        answer = self.processor.tokenizer(response, add_special_tokens=False, return_offsets_mapping=True)
        ids = np.concatenate([prompt_ids, np.asarray([*answer["input_ids"], self.end_token_id], dtype=np.int64)])
        labels = ids.copy()
        labels[: prompt_ids.size] = IGNORED
        decisive = np.zeros(ids.size, dtype=bool)
        decisive[prompt_ids.size : -1] = _overlap(answer["offset_mapping"], decisive_spans(response))
        return EncodedText(ids, labels, decisive)


def _overlap(pieces: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each piece of a text shares a character with one of the spans; both in order."""
    found = []
    index = 0
    for start, end in pieces:
        while index < len(spans) and spans[index][1] <= start:
            index += 1
        found.append(index < len(spans) and spans[index][0] < end)
    return found
