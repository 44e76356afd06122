"""Room data: encoded examples as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch

from mixlab.data.dataset import EncodedExample
from mixlab.data.encoder import IGNORED
from mixlab.language.advice import Direction
from mixlab.multitrack.song import STEMS
from mixlab.synthesis.example import Example

MOVES = (Direction.LEAVE, Direction.RAISE, Direction.LOWER)
"""What can be advised for a stem; `moves` of a batch are indices into this."""


class Batch(TypedDict, total=False):
    """What travels to the device.

    input_ids, attention_mask, labels, decisive: (batch, tokens). Of all clips in prompt order: input_features (clips,
    mels, frames), feature_attention_mask (clips, frames). For training: clip_error_db (clips, stems), how far each
    stem of `STEMS` in the clip is from its balance with the anchor, NaN for stems that are not in it; moves (batch,
    stems), which of `MOVES` is right for each of `STEMS`, `IGNORED` for stems that cannot be at fault. For evaluation:
    the examples.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    decisive: torch.Tensor
    input_features: torch.Tensor
    feature_attention_mask: torch.Tensor
    clip_error_db: torch.Tensor
    moves: torch.Tensor
    examples: list[Example]


def move_batch(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on `device`; examples stay where they are."""
    return {key: part.to(device) if isinstance(part, torch.Tensor) else part for key, part in batch.items()}  # type: ignore[return-value]


class Collator:
    """Pads texts (on the right for training, on the left for generation) and lines up all clips.

    Args:
        left: pad on the left, as generation in batches needs.
        keep_examples: carry the examples along for evaluation.
    """

    def __init__(self, pad_token_id: int, left: bool = False, keep_examples: bool = False) -> None:
        self.pad_token_id = pad_token_id
        self.left = left
        self.keep_examples = keep_examples

    def __call__(self, encoded: Sequence[EncodedExample]) -> Batch:
        texts = [item.text for item in encoded]
        features = np.concatenate([item.features for item in encoded])
        frames = np.concatenate([item.frames for item in encoded])
        batch = Batch(
            input_ids=self._pad([text.input_ids for text in texts], self.pad_token_id),
            attention_mask=self._pad([np.ones_like(text.input_ids) for text in texts], 0),
            labels=self._pad([text.labels for text in texts], IGNORED),
            decisive=self._pad([text.decisive for text in texts], False),
            input_features=torch.from_numpy(features),
            feature_attention_mask=torch.from_numpy(
                (np.arange(features.shape[-1])[None] < frames[:, None]).astype(np.int64)
            ),
        )
        if not self.left:
            batch["clip_error_db"] = torch.from_numpy(
                np.concatenate([_clip_errors_db(item.example) for item in encoded])
            )
            batch["moves"] = torch.tensor([_moves(item.example) for item in encoded])
        if self.keep_examples:
            batch["examples"] = [item.example for item in encoded]
        return batch

    def _pad(self, rows: Sequence[np.ndarray], value: int | bool) -> torch.Tensor:
        width = max(row.size for row in rows)
        padded = np.full((len(rows), width), value, dtype=rows[0].dtype)
        for row, target in zip(rows, padded, strict=True):
            if self.left:
                target[width - row.size :] = row
            else:
                target[: row.size] = row
        return torch.from_numpy(padded)


def _clip_errors_db(example: Example) -> np.ndarray:
    error_db = example.problem.relative_error_db
    return np.asarray(
        [[error_db(stem) if stem in clip.stems else np.nan for stem in STEMS] for clip in example.clips],
        dtype=np.float32,
    )


def _moves(example: Example) -> list[int]:
    candidates = example.problem.candidates
    return [MOVES.index(Direction.of(example.reference.gain_db(s))) if s in candidates else IGNORED for s in STEMS]
