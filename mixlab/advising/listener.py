"""Room advising: questions (clips and a prompt) put to a trained model in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Qwen2AudioProcessor

from mixlab.advising.session import Question
from mixlab.data.collate import Collator, move_batch
from mixlab.data.dataset import EncodedExample
from mixlab.data.encoder import ChatEncoder
from mixlab.errors import CheckpointError
from mixlab.models.checkpoints import TrainedModel
from mixlab.models.generate import generate_texts


def read_encoder(folder: Path, segment_s: float) -> ChatEncoder:
    """The encoder of an adapter folder, without its model.

    Args:
        segment_s: the longest clip that will come.

    Raises:
        CheckpointError: if the folder holds no processor, or a clip of `segment_s` does not fit the model's window.
    """
    try:
        encoder = ChatEncoder(Qwen2AudioProcessor.from_pretrained(folder))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"The processor in {folder} cannot be read ({reason}); copy the folder whole.") from error
    if segment_s * encoder.sample_rate > encoder.front_end.window_samples:
        window_s = encoder.front_end.window_samples / encoder.sample_rate
        raise CheckpointError(
            f"The checkpoint {folder} asks for segments of {segment_s:g} s, but its model hears only {window_s:g} s; "
            "train again with a shorter data.segment_s."
        )
    return encoder


class ModelListener:
    """Answers questions with a trained model, on a GPU where there is one."""

    def __init__(self, trained: TrainedModel) -> None:
        self.encoder = ChatEncoder(trained.processor)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = trained.model.to(self.device)
        self.processor = trained.processor
        self.max_new_tokens = trained.description.max_new_tokens
        self._collate = Collator(self.encoder, features=False, left=True)

    def __call__(self, questions: Sequence[Question]) -> list[str]:
        batch = self._collate([self._encode(question) for question in questions])
        return generate_texts(self.model, self.processor, move_batch(batch, self.device), self.max_new_tokens)

    def _encode(self, question: Question) -> EncodedExample:
        text = self.encoder.encode_text(question.clips, question.prompt, response=None)
        return EncodedExample(None, text, tuple(clip.samples for clip in question.clips))  # type: ignore[arg-type]
