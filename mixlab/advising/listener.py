"""Room advising: questions (clips and a prompt) put to a trained model in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mixlab.advising.session import Question
from mixlab.chat.collate import Collator, move_batch
from mixlab.chat.encoder import ChatEncoder, EncodedExample
from mixlab.errors import CheckpointError
from mixlab.language.said import Said
from mixlab.models.backbones.base import FAMILIES
from mixlab.models.checkpoints import Description, TrainedModel
from mixlab.models.constrained import GrammarDecoder
from mixlab.models.generate import generate


def read_encoder(folder: Path, description: Description) -> ChatEncoder:
    """The encoder of an adapter folder, without its model.

    Raises:
        CheckpointError: if the folder holds no processor of a known family, or a clip does not fit the model's window.
    """
    if description.family not in FAMILIES:
        raise CheckpointError(
            f"The checkpoint {folder} names the family '{description.family}'; known are {sorted(FAMILIES)}."
        )
    family, segment_s = FAMILIES[description.family], description.segment_s
    try:
        encoder = ChatEncoder(family.chat(family.read_processor(str(folder))), description.readings)
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
    """Answers questions with a trained model, on a GPU where there is one.

    Args:
        constrained: the model may say only what can be read back, and moves every stem at most.

    Raises:
        ConfigError: if `constrained` is asked for and xgrammar is not installed.
    """

    def __init__(self, trained: TrainedModel, constrained: bool = False) -> None:
        self.encoder = ChatEncoder(trained.backbone.chat, trained.description.readings)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.backbone = trained.backbone
        self.backbone.model.to(self.device)
        self.max_new_tokens = trained.description.max_new_tokens
        self._decoder = GrammarDecoder(trained.backbone, len(trained.description.stems)) if constrained else None
        self._collate = Collator(self.encoder, features=False, left=True)

    def __call__(self, questions: Sequence[Question]) -> list[Said]:
        """What the model says to each question, with how sure it is."""
        batch = self._collate([EncodedExample.of_question(self.encoder, q.clips, q.prompt) for q in questions])
        stems = [sorted({stem for clip in question.clips for stem in clip.stems}) for question in questions]
        processors = self._decoder.processors(stems) if self._decoder else ()
        return generate(self.backbone, move_batch(batch, self.device), self.max_new_tokens, processors, stems)
