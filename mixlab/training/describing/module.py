"""Room training: the LightningModule that teaches the tiny base to describe."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import nn

from mixlab.chat.encoder import IGNORED
from mixlab.models.backbones.base import Backbone
from mixlab.models.numbers import NumberTargets
from mixlab.models.optim import AdamWCosine
from mixlab.training.describing.ear import SCALE_LU, ListeningHeads, audio_states
from mixlab.training.describing.questions import MAX_NUMBER


class ListenerModule(lightning.LightningModule):
    """Trains all weights of an untrained backbone on questions about clips.

    The loss weighs words that carry meaning over boilerplate, spreads the target of a number over its neighbours
    (a normal distribution over dB), and adds auxiliary heads, thrown away afterwards: those of the first stage on the
    audio states, and one for loudness against the first clip half way up the language model.

    Args:
        heads: of the first stage.
        boilerplate_weight: weight of tokens that carry no meaning.
        number_sigma_db: deviation of the soft number targets.
        auxiliary_weight: weight of the auxiliary heads.
    """

    def __init__(
        self,
        backbone: Backbone,
        optim: AdamWCosine,
        heads: ListeningHeads,
        boilerplate_weight: float = 0.1,
        number_sigma_db: float = 1.0,
        auxiliary_weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.model = backbone.model
        self.optim = optim
        self.boilerplate_weight = boilerplate_weight
        self.auxiliary_weight = auxiliary_weight
        width = backbone.model.config.text_config.hidden_size
        self.heads = heads
        self.relative_head = nn.Linear(width, 1)
        self.numbers = NumberTargets(backbone.processor.tokenizer, number_sigma_db, largest_db=MAX_NUMBER)

    def _text_loss(self, batch: dict[str, torch.Tensor], audio: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        inner = self.model.model
        embeddings = inner.get_input_embeddings()(batch["input_ids"])
        slots = (batch["input_ids"] == self.model.config.audio_token_id)[..., None]
        embeddings = embeddings.masked_scatter(slots, audio.reshape(-1, audio.shape[-1]))
        states = inner.language_model(
            inputs_embeds=embeddings,
            attention_mask=batch["attention_mask"],
            position_ids=batch["position_ids"],
            use_cache=False,
            output_hidden_states=True,
        )
        hidden = states.last_hidden_state
        labels = batch["labels"][:, 1:]
        targets = labels != IGNORED
        log_probs = F.log_softmax(self.model.lm_head(hidden[:, :-1][targets]).float(), dim=-1)
        rows = self.numbers.rows(labels, batch["decisive"][:, 1:])[targets]
        labels = labels[targets]
        decisive = batch["decisive"][:, 1:][targets]
        entropy = F.nll_loss(log_probs, labels, reduction="none")
        is_number = rows >= 0
        number_log_probs = log_probs[is_number]
        entropy = entropy.masked_scatter(is_number, self.numbers.loss(number_log_probs, rows[is_number]))
        weights = torch.where(decisive, 1.0, self.boilerplate_weight)
        words = decisive & ~is_number
        figures = {
            "number_mae_db": self.numbers.error_db(number_log_probs, rows[is_number]).nanmean(),
            "word_accuracy": (log_probs[words].argmax(-1) == labels[words]).float().mean(),
        }
        # Half way up, so that the layers above have something to work with.
        middle = states.hidden_states[len(inner.language_model.layers) // 2]
        relative, figures["relative_mae_lu"] = self._relative_loss(batch, middle)
        return (entropy * weights).sum() / weights.sum() + self.auxiliary_weight * relative, figures

    def _relative_loss(self, batch: dict[str, torch.Tensor], hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """At the end of each clip, its loudness against the first clip's is known; also the mean absolute error."""
        owner = torch.repeat_interleave(torch.arange(len(batch["clip_counts"])), batch["clip_counts"])
        firsts = torch.cat([torch.zeros(1, dtype=torch.long), batch["clip_counts"].cumsum(0)[:-1]])
        difference = batch["lufs"] - batch["lufs"][firsts][owner]
        found = SCALE_LU * self.relative_head(hidden[owner, batch["clip_ends"]])[:, 0]
        others = torch.ones_like(owner, dtype=torch.bool)
        others[firsts] = False
        error_lu = (found - difference)[others].abs().mean()
        return 2.0 * F.smooth_l1_loss(found, difference, beta=0.5), error_lu.detach()

    def _step(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, Any]]:
        inner = self.model.model
        features, audio_tokens = batch["input_features"], int(batch["audio_tokens"])
        audio = audio_states(inner.audio_tower, inner.multi_modal_projector, features, audio_tokens)
        text_loss, figures = self._text_loss(batch, audio)
        heard, heard_figures = self.heads(audio, batch)
        figures |= heard_figures | {"text_loss": text_loss.detach()}
        return text_loss + self.auxiliary_weight * heard, figures

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss, figures = self._step(batch)
        self.log_dict({f"train/{name}": value for name, value in figures.items()}, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        _, figures = self._step(batch)
        self.log_dict(
            {f"val/{name}": value for name, value in figures.items()},
            prog_bar=True,
            batch_size=len(batch["clip_counts"]),
        )

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.optim.build(self.named_parameters(), int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
