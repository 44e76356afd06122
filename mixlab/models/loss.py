"""Room models: the loss on the response, in float32, over the response's tokens only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from mixlab.data.collate import Batch
from mixlab.data.encoder import IGNORED
from mixlab.models.adapters import base_model


@dataclass(frozen=True)
class ResponseLoss:
    """Cross-entropy on response tokens, summed and divided by the number of those tokens.

    Attributes:
        decisive_weight: factor on the tokens that carry the meaning (stem, direction, number, verdict); 1 is the plain
            cross-entropy.
    """

    decisive_weight: float = 1.0

    def __call__(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss to minimise and the plain cross-entropy, both per response token, scalars in float32.

        The head runs on the positions that predict a response token only.
        """
        inner = base_model(model)
        hidden = inner.model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            input_features=batch["input_features"],
            feature_attention_mask=batch["feature_attention_mask"],
            use_cache=False,
        ).last_hidden_state
        labels = batch["labels"][:, 1:]
        targets = labels != IGNORED
        logits = inner.lm_head(hidden[:, :-1][targets]).float()
        entropy = F.cross_entropy(logits, labels[targets], reduction="none")
        weights = 1.0 + (self.decisive_weight - 1.0) * batch["decisive"][:, 1:][targets].float()
        return (entropy * weights).sum() / entropy.numel(), entropy.detach().mean()
