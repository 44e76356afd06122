"""Room chat: encoded examples as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch

from mixlab.chat.encoder import IGNORED, ChatEncoder, EncodedExample
from mixlab.chat.form import FrontEnd
from mixlab.language.advice import Direction
from mixlab.synthesis.example import Example

MOVES = (Direction.LEAVE, Direction.RAISE, Direction.LOWER)
"""What can be advised for a stem; `moves` of a batch are indices into this."""


class Batch(TypedDict, total=False):
    """What travels to the device.

    input_ids, attention_mask, labels, decisive, clip_ends: (batch, tokens). Of all sounds (mostly one a clip) in prompt
    order: waveforms (sounds, samples), zeros at the ends, and clip_samples (sounds,), their lengths; or in their place
    what `with_features` makes of them: input_features (sounds, mels, frames), feature_attention_mask (sounds, frames).
    Where the model is told numbers: readings_db (clips,), what a meter shows of each, NaN where it shows nothing.
    For training: clip_error_db (clips, stems), how far each of the roles in the clip is from its balance with the
    anchor, NaN for stems that are not in it; moves (batch, stems), which of `MOVES` is right for each role,
    `IGNORED` for stems that cannot be at fault; and what `with_places` adds. For evaluation: the examples.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    decisive: torch.Tensor
    clip_ends: torch.Tensor
    waveforms: torch.Tensor
    clip_samples: torch.Tensor
    input_features: torch.Tensor
    readings_db: torch.Tensor
    feature_attention_mask: torch.Tensor
    clip_error_db: torch.Tensor
    moves: torch.Tensor
    response_places: torch.Tensor
    clip_end_places: torch.Tensor
    error_places: torch.Tensor
    move_places: torch.Tensor
    examples: list[Example]


def move_batch(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on `device`; examples stay where they are."""
    ahead = device.type == "cuda"  # without waiting until the device has done what it was asked before

    def moved(part: Any) -> Any:
        return part.to(device, non_blocking=ahead) if isinstance(part, torch.Tensor) else part

    return {key: moved(part) for key, part in batch.items()}  # type: ignore[return-value]


def with_places(batch: Batch) -> Batch:
    """The batch with indices of what a loss reads; as it is where it has them.

    Added are, as indices into the flattened tensors: response_places, the tokens after which a response token comes;
    clip_end_places, error_places and move_places, where `clip_ends`, `clip_error_db` and `moves` say something. To know
    how many there are a device has to be waited for, so they are best told before the batch moves there.
    """
    if "response_places" in batch:
        return batch
    places = Batch(response_places=_places(torch.nn.functional.pad(batch["labels"][:, 1:] != IGNORED, (0, 1))))
    if "clip_error_db" in batch:
        places["clip_end_places"] = _places(batch["clip_ends"])
        places["error_places"] = _places(~batch["clip_error_db"].isnan())
        places["move_places"] = _places(batch["moves"] != IGNORED)
    return batch | places


def _places(mask: torch.Tensor) -> torch.Tensor:
    return mask.flatten().nonzero()[:, 0]


def with_features(batch: Batch, front_end: FrontEnd) -> Batch:
    """The batch with features for its waveforms, computed where those are; as it is where it has them."""
    if "waveforms" not in batch:
        return batch
    features = front_end(batch["waveforms"])
    frames = front_end.frames(batch["clip_samples"])
    heard = torch.arange(features.shape[-1], device=features.device)[None] < frames[:, None]
    batch = batch | Batch(input_features=features, feature_attention_mask=heard.long())
    del batch["waveforms"], batch["clip_samples"]
    return batch


class Collator:
    """Pads texts (on the right for training, on the left for generation) and lines up all clips.

    Args:
        features: compute the features here, in the worker; without it the waveforms travel to where the model is.
        left: pad on the left, as generation in batches needs.
        keep_examples: carry the examples along for evaluation.
        roles: of the data set, for training.
    """

    def __init__(
        self,
        encoder: ChatEncoder,
        features: bool,
        left: bool = False,
        keep_examples: bool = False,
        roles: Sequence[str] = (),
    ) -> None:
        self.encoder, self.features = encoder, features
        self.left, self.keep_examples, self.roles = left, keep_examples, roles

    def __call__(self, encoded: Sequence[EncodedExample]) -> Batch:
        texts = [item.text for item in encoded]
        batch = Batch(
            input_ids=self._pad([text.input_ids for text in texts], self.encoder.pad_token_id),
            attention_mask=self._pad([np.ones_like(text.input_ids) for text in texts], 0),
            labels=self._pad([text.labels for text in texts], IGNORED),
            decisive=self._pad([text.decisive for text in texts], False),
            clip_ends=self._pad([text.clip_ends for text in texts], False),
        )
        if sounds := [samples for item in encoded for samples in item.waveforms]:
            batch["waveforms"], batch["clip_samples"] = self.encoder.line_up(sounds)
        if readings_db := [level_db for item in encoded for level_db in item.readings_db]:
            batch["readings_db"] = torch.tensor(readings_db)
        examples = [item.example for item in encoded if item.example is not None]
        if not self.left:
            # Clips that are only named end nowhere.
            has_ends = bool(sounds or readings_db)
            errors_db = np.concatenate([_clip_errors_db(example, self.roles, has_ends) for example in examples])
            batch["clip_error_db"] = torch.from_numpy(errors_db)
            batch["moves"] = torch.tensor([_moves(example, self.roles) for example in examples])
        if self.keep_examples:
            batch["examples"] = examples
        return with_features(batch, self.encoder.front_end) if self.features else batch

    def _pad(self, rows: Sequence[np.ndarray], value: int | bool) -> torch.Tensor:
        width = max(row.size for row in rows)
        padded = np.full((len(rows), width), value, dtype=rows[0].dtype)
        for row, target in zip(rows, padded, strict=True):
            if self.left:
                target[width - row.size :] = row
            else:
                target[: row.size] = row
        return torch.from_numpy(padded)


def _clip_errors_db(example: Example, roles: Sequence[str], has_ends: bool) -> np.ndarray:
    error_db, clips = example.problem.relative_error_db, example.clips if has_ends else ()
    rows = [[error_db(stem) if stem in clip.stems else np.nan for stem in roles] for clip in clips]
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), len(roles))


def _moves(example: Example, roles: Sequence[str]) -> list[int]:
    candidates, gain_db = example.problem.candidates, example.reference.gain_db
    return [MOVES.index(Direction.of(gain_db(stem))) if stem in candidates else IGNORED for stem in roles]
