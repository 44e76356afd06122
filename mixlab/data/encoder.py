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
        self.audio_end_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.audio_eos_token)
        self.end_token_id: int = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")

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
        waveforms = np.zeros((len(clips), max(lengths)), dtype=np.float32)
        for clip, row in zip(clips, waveforms, strict=True):
            row[: clip.size] = clip
        return torch.from_numpy(waveforms), torch.tensor(lengths)

    def features(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Log-mel features of clips of shape (samples,) each: shape (clips, mels, window frames).

        Raises:
            ValueError: if a clip is longer than the model's window.
        """
        return self.front_end(self.line_up(clips)[0]).numpy()

    def prompt_text(self, clips: Sequence[Clip], prompt: str) -> str:
        """The conversation up to the point where the response starts, audio placeholders expanded."""
        content: list[dict[str, str]] = []
        for clip in clips:
            content += [{"type": "text", "text": f"{clip.label} "}, {"type": "audio", "audio_url": ""}]
        if prompt:
            content.append({"type": "text", "text": prompt})
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        before, *after = text.split(self.processor.audio_token)
        for clip, rest in zip(clips, after, strict=True):
            before += self.processor.audio_token * self.audio_tokens(clip.samples.size) + rest
        return before

    def encode_text(self, clips: Sequence[Clip], prompt: str, response: str | None) -> EncodedText:
        """Token ids of a conversation; without a response, of the prompt alone."""
        tokenizer = self.processor.tokenizer
        prompt_ids = tokenizer(self.prompt_text(clips, prompt), add_special_tokens=False)["input_ids"]
        if response is None:
            ids = np.asarray(prompt_ids, dtype=np.int64)
            return EncodedText(ids, np.full_like(ids, IGNORED), np.zeros(ids.size, dtype=bool))
        answer = tokenizer(response, add_special_tokens=False, return_offsets_mapping=True)
        ids = np.asarray([*prompt_ids, *answer["input_ids"], self.end_token_id], dtype=np.int64)
        labels = ids.copy()
        labels[: len(prompt_ids)] = IGNORED
        decisive = np.zeros(ids.size, dtype=bool)
        spans = decisive_spans(response)
        for position, (start, end) in enumerate(answer["offset_mapping"], start=len(prompt_ids)):
            decisive[position] = any(start < span_end and span_start < end for span_start, span_end in spans)
        return EncodedText(ids, labels, decisive)
