"""What training minimises: the loss on the response's tokens, and helpers on what was heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from mixlab.chat.collate import MOVES, Batch, with_places
from mixlab.chat.encoder import IGNORED
from mixlab.models.backbones.base import Backbone, bare
from mixlab.models.compute import padded_on_the_right
from mixlab.models.numbers import NumberTargets
from mixlab.models.settings import LossSettings

GAIN_SCALE_DB = 6.0
"""Gain errors are divided by this in the auxiliary loss, which brings them near 1."""


class ResponseLoss(nn.Module):
    """Cross-entropy on response tokens in float32, summed and divided by the number of those tokens.

    Nothing is asked of the device, so that a GPU never waits for the answer to be read.

    Where several processes train together, the number is that of all: the mean of their losses, and of their gradients,
    is that of one process with all examples.

    Args:
        settings: weights.
        backbone: for its sizes, its tokenizer and the form of its inputs.
        roles: of the data set, which the helper heads speak of.
    """

    def __init__(self, settings: LossSettings, backbone: Backbone, roles: Sequence[str]) -> None:
        super().__init__()
        self.settings, self.roles = settings, tuple(roles)
        self.family = backbone.family
        spread = settings.number_sigma_db > 0
        tokenizer = backbone.processor.tokenizer
        self.numbers = NumberTargets(tokenizer, settings.number_sigma_db, settings.number_step_db) if spread else None
        width: Any = backbone.part("head").in_features
        self.gain_head = nn.Linear(width, len(roles)) if settings.gain_weight > 0 else None
        self.move_head = nn.Linear(width, len(roles) * len(MOVES)) if settings.move_weight > 0 else None

    def forward(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss to minimise and the plain cross-entropy per response token, scalars in float32.

        Texts are padded on the right. The language model's head runs on the positions that predict a response token
        only.
        """
        inner, batch = bare(model), with_places(batch)
        with padded_on_the_right(inner.get_submodule(self.family.parts.language_model)):
            states: Any = inner.model(
                **self.family.inputs(batch),
                use_cache=False,
                output_hidden_states=self.gain_head is not None or self.move_head is not None,
            )
        places = batch["response_places"]
        labels, decisive = batch["labels"], batch["decisive"]
        targets = labels.flatten()[places + 1]
        head = inner.get_submodule(self.family.parts.head)
        logits = head(states.last_hidden_state.flatten(0, 1)[places]).float()
        entropy = F.cross_entropy(logits, targets, reduction="none")
        weights = 1.0 + (self.settings.decisive_weight - 1.0) * decisive.flatten()[places + 1].float()
        surprise = entropy
        if self.numbers is not None:
            rows = self.numbers.rows(labels, decisive).flatten()[places + 1]
            spread = self.numbers.loss(F.log_softmax(logits, dim=-1), rows.clamp(min=0))
            surprise = torch.where(rows >= 0, spread, entropy)
        loss = mean_over_processes(surprise * weights)
        if self.gain_head is not None:
            # Half way up, so that the layers above can act on what is known there.
            middle = states.hidden_states[len(states.hidden_states) // 2]
            loss = loss + self.settings.gain_weight * self._gain_loss(middle, batch)
        if self.move_head is not None:
            # The input of the last layer, which puts the decision into words.
            loss = loss + self.settings.move_weight * self._move_loss(states.hidden_states[-2], batch)
        return loss, mean_over_processes(entropy.detach())

    def _gain_loss(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        assert self.gain_head is not None
        places = batch["error_places"]
        found = self.gain_head(hidden.flatten(0, 1)[batch["clip_end_places"]].float()).flatten()[places]
        right = batch["clip_error_db"].flatten()[places] / GAIN_SCALE_DB
        return mean_over_processes(F.smooth_l1_loss(found, right, reduction="none"))

    def _move_loss(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        assert self.move_head is not None
        prompt_ends = (batch["labels"] != IGNORED).int().argmax(dim=1) - 1
        rows = torch.arange(len(prompt_ends), device=hidden.device)
        scores = self.move_head(hidden[rows, prompt_ends].float()).unflatten(-1, (len(self.roles), len(MOVES)))
        places = batch["move_places"]
        right = batch["moves"].flatten()[places]
        return mean_over_processes(F.cross_entropy(scores.flatten(0, 1)[places], right, reduction="none"))


def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """The share of this process in the mean of the values of all: averaged over processes it is that mean.

    Args:
        values: of this process, shape (n,); n may differ between processes.
    """
    if not torch.distributed.is_initialized():
        return values.sum() / max(1, values.numel())
    count = torch.full((), float(values.numel()), device=values.device)
    torch.distributed.all_reduce(count)
    count = count.clamp(min=1.0)
    return values.sum() * (torch.distributed.get_world_size() / count)
