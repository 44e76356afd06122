"""Room advising: questions (clips and a prompt) put to a trained model in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mixlab.data.collate import Collator, move_batch
from mixlab.data.dataset import EncodedExample
from mixlab.data.encoder import ChatEncoder
from mixlab.errors import CheckpointError
from mixlab.language.advice import Advice
from mixlab.models.checkpoints import TrainedModel
from mixlab.models.generate import generate_texts
from mixlab.synthesis.example import Clip

Answer = Callable[[Sequence["Question"]], list[str]]
"""Answers a batch of questions, one text each."""


@dataclass(frozen=True)
class Question:
    """What the model hears and reads: clips, and the user's sentence (empty for audio only)."""

    clips: tuple[Clip, ...]
    prompt: str


class ModelListener:
    """Answers questions with a trained model, on a GPU where there is one.

    Args:
        segment_s: the longest clip that will come.

    Raises:
        CheckpointError: if a clip of `segment_s` does not fit the model's window.
    """

    def __init__(self, trained: TrainedModel, segment_s: float) -> None:
        self.encoder = ChatEncoder(trained.processor)
        if segment_s * self.encoder.sample_rate > self.encoder.window_samples:
            window_s = self.encoder.window_samples / self.encoder.sample_rate
            raise CheckpointError(
                f"The checkpoint asks for segments of {segment_s:g} s, but its model hears only {window_s:g} s; "
                "train again with a shorter data.segment_s."
            )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = trained.model.to(self.device)
        self.processor = trained.processor
        self.max_new_tokens = trained.description.max_new_tokens
        self._collate = Collator(self.encoder.pad_token_id, left=True)

    def __call__(self, questions: Sequence[Question]) -> list[str]:
        batch = self._collate([self._encode(question) for question in questions])
        return generate_texts(self.model, self.processor, move_batch(batch, self.device), self.max_new_tokens)

    def _encode(self, question: Question) -> EncodedExample:
        features, frames = zip(*(self.encoder.features(clip.samples) for clip in question.clips), strict=True)
        text = self.encoder.encode_text(question.clips, question.prompt, response=None)
        return EncodedExample(None, text, np.stack(features), np.asarray(frames))  # type: ignore[arg-type]
