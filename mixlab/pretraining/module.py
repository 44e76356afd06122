"""Room pretraining: the LightningModule that teaches the tiny base to describe."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import nn

from mixlab.data.encoder import IGNORED
from mixlab.models.backbone import Backbone
from mixlab.models.optim import AdamWCosine
from mixlab.pretraining.questions import MAX_NUMBER


class ListenerModule(lightning.LightningModule):
    """Trains all weights of an untrained backbone on questions about clips.

    The loss weighs words that carry meaning over boilerplate, spreads the target of a number over its neighbours
    (a normal distribution over dB), and adds auxiliary heads (loudness, stem and genre on the audio states, loudness
    against the first clip half way up the language model), which are thrown away afterwards.

    Args:
        boilerplate_weight: weight of tokens that carry no meaning.
        number_sigma_db: deviation of the soft number targets.
        auxiliary_weight: weight of the auxiliary heads.
    """

    number_tokens: torch.Tensor
    soft_targets: torch.Tensor
    value_of_token: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        optim: AdamWCosine,
        genres: int,
        stems: int,
        boilerplate_weight: float = 0.1,
        number_sigma_db: float = 1.0,
        auxiliary_weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.model = backbone.model
        self.optim = optim
        self.boilerplate_weight = boilerplate_weight
        self.auxiliary_weight = auxiliary_weight
        self.number_sigma_db = number_sigma_db
        width = backbone.model.config.text_config.hidden_size
        self.loudness_head = nn.Linear(width, MAX_NUMBER + 1)
        self.relative_head = nn.Linear(width, 2 * MAX_NUMBER + 1)
        self.stem_head = nn.Linear(width, stems)
        self.genre_head = nn.Linear(width, genres)
        tokens = number_tokens(backbone.processor.tokenizer)
        values = torch.arange(len(tokens), dtype=torch.float32)
        soft = torch.exp(-0.5 * ((values[None] - values[:, None]) / number_sigma_db) ** 2)
        self.register_buffer("number_tokens", torch.tensor(tokens), persistent=False)
        self.register_buffer("soft_targets", soft / soft.sum(dim=1, keepdim=True), persistent=False)
        value_of = torch.full((backbone.model.config.text_config.vocab_size,), -1)
        value_of[self.number_tokens] = torch.arange(len(tokens))
        self.register_buffer("value_of_token", value_of, persistent=False)

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
        labels = labels[targets]
        decisive = batch["decisive"][:, 1:][targets]
        entropy = F.nll_loss(log_probs, labels, reduction="none")
        values = self.value_of_token[labels]
        is_number = (values >= 0) & decisive
        number_log_probs = log_probs[is_number][:, self.number_tokens]
        soft = -(self.soft_targets[values[is_number]] * number_log_probs).sum(dim=-1)
        entropy = entropy.masked_scatter(is_number, soft)
        weights = torch.where(decisive, 1.0, self.boilerplate_weight)
        words = decisive & ~is_number
        figures = {
            "number_mae_db": (number_log_probs.argmax(-1) - values[is_number]).abs().float().mean(),
            "word_accuracy": (log_probs[words].argmax(-1) == labels[words]).float().mean(),
        }
        # Half way up, so that the layers above have something to work with.
        middle = states.hidden_states[len(inner.language_model.layers) // 2]
        relative = self._relative_loss(batch, middle)
        return (entropy * weights).sum() / weights.sum() + self.auxiliary_weight * relative, figures

    def _relative_loss(self, batch: dict[str, torch.Tensor], hidden: torch.Tensor) -> torch.Tensor:
        """At the end of each clip, its loudness against the first clip's is known."""
        owner = torch.repeat_interleave(torch.arange(len(batch["genre"])), batch["clip_counts"])
        firsts = torch.cat([torch.zeros(1, dtype=torch.long), batch["clip_counts"].cumsum(0)[:-1]])
        difference = batch["lufs"] - batch["lufs"][firsts][owner]
        values = torch.arange(2 * MAX_NUMBER + 1) - MAX_NUMBER
        soft = torch.softmax(-0.5 * ((values[None] - difference[:, None]) / self.number_sigma_db) ** 2, dim=-1)
        log_probs = F.log_softmax(self.relative_head(hidden[owner, batch["clip_ends"]]).float(), dim=-1)
        return -(soft * log_probs).sum(dim=-1).mean()

    def _step(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, Any]]:
        audio = audio_states(self.model, batch["input_features"])
        audio = audio[:, : int(batch["audio_tokens"])]
        text_loss, figures = self._text_loss(batch, audio)
        auxiliary, genre_accuracy = self._auxiliary_loss(batch, audio)
        figures["genre_accuracy"] = genre_accuracy
        return text_loss + self.auxiliary_weight * auxiliary, figures | {"text_loss": text_loss.detach()}

    def _auxiliary_loss(self, batch: dict[str, torch.Tensor], audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Heads on the audio states: every state knows its clip's loudness, clips their stem, samples their genre."""
        levels = (-batch["lufs"]).round().long().clamp(0, MAX_NUMBER)
        log_probs = F.log_softmax(self.loudness_head(audio).float(), dim=-1)
        loss = -(self.soft_targets[levels][:, None] * log_probs).sum(dim=-1).mean()
        pooled = audio.mean(dim=1)
        owner = torch.repeat_interleave(torch.arange(len(batch["genre"])), batch["clip_counts"])
        songs = torch.zeros(len(batch["genre"]), pooled.shape[1]).index_add_(0, owner, pooled)
        genres = self.genre_head(songs / batch["clip_counts"][:, None])
        loss = loss + 0.3 * F.cross_entropy(self.stem_head(pooled), batch["stems"])
        loss = loss + 0.3 * F.cross_entropy(genres, batch["genre"])
        return loss, (genres.argmax(-1) == batch["genre"]).float().mean()

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss, figures = self._step(batch)
        self.log_dict({f"train/{name}": value for name, value in figures.items()}, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        _, figures = self._step(batch)
        self.log_dict(
            {f"val/{name}": value for name, value in figures.items()}, prog_bar=True, batch_size=len(batch["genre"])
        )

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.optim.build(self.parameters(), int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def audio_states(model: Any, features: torch.Tensor) -> torch.Tensor:
    """Projected states of full-window clips: (clips, mels, frames) to (clips, audio tokens, width)."""
    states = model.model.audio_tower(features).last_hidden_state
    return model.model.multi_modal_projector(states)


def number_tokens(tokenizer: Any) -> list[int]:
    """The tokens of " 0" to " 80".

    Raises:
        ValueError: if the tokenizer splits one of them.
    """
    tokens = [tokenizer(f" {number}", add_special_tokens=False)["input_ids"] for number in range(MAX_NUMBER + 1)]
    split = [number for number, ids in enumerate(tokens) if len(ids) != 1]
    if split:
        raise ValueError(f"the tokenizer splits the numbers {split}")
    return [ids[0] for ids in tokens]
