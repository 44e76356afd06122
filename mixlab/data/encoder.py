"""Room data: an example as token ids and features, in the chat form of the model's own processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
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

    The processor's own chat template lays out the conversation; each clip's label stands before it. The features are
    those of its WhisperFeatureExtractor, computed by `LogMel` (equal to 1e-4).

    Args:
        processor: a Qwen2AudioProcessor.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        extractor = processor.feature_extractor
        self.sample_rate: int = extractor.sampling_rate
        self.window_samples: int = extractor.n_samples
        self.front_end = LogMel(self.sample_rate, extractor.n_fft, extractor.hop_length, extractor.feature_size)
        self.pad_token_id: int = processor.tokenizer.pad_token_id
        self.audio_end_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.audio_eos_token)
        self.end_token_id: int = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")

    def audio_tokens(self, samples: int) -> int:
        """Number of audio tokens of a clip of `samples` samples (convolution stride 2, pooling by 2)."""
        frames = samples // self.front_end.hop_length
        return (((frames - 1) // 2 + 1) - 2) // 2 + 1

    def features(self, clip: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """Log-mel features padded to the model's window, and the number of frames that are sound.

        Args:
            clip: shape (samples,).

        Returns:
            Features of shape (mels, window frames), and the frames of the clip itself.

        Raises:
            ValueError: if the clip is longer than the model's window; nothing is cut silently.
        """
        if clip.size > self.window_samples:
            window_s = self.window_samples / self.sample_rate
            raise ValueError(f"a clip of {clip.size / self.sample_rate:.1f} s exceeds the model's {window_s:.0f} s")
        padded = np.pad(clip, (0, self.window_samples - clip.size))
        return self.front_end(padded), clip.size // self.front_end.hop_length

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
