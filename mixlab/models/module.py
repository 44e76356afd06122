"""The LightningModule that fine-tunes a backbone to advise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import torch

from mixlab.chat.collate import Batch, move_batch, with_features, with_places
from mixlab.errors import CheckpointError
from mixlab.models.adapters import check_fit, trainable_state
from mixlab.models.backbones.base import Backbone, bare
from mixlab.models.generate import predict
from mixlab.models.loss import ResponseLoss
from mixlab.models.optim import AdamWCosine
from mixlab.models.settings import LossSettings
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import score

VALIDATION_METRICS = ("joint_accuracy", "direction_accuracy", "gain_mae_db", "parse_rate")


class AdviceModule(lightning.LightningModule):
    """Trains what a model leaves trainable on responses, and scores generated advice in validation.

    Args:
        backbone: its model has an adapter, or trains as it is.
        loss: what is minimised.
        optim: optimizer and schedule.
        max_new_tokens: limit of a generated response.
        roles: of the data set.
        identity: what a checkpoint has to agree on to fit (backbone, inputs, anchor), as plain values.
    """

    # Checkpoints hold the trainable tensors alone; what is missing is checked in on_load_checkpoint.
    strict_loading = False

    def __init__(
        self,
        backbone: Backbone,
        loss: LossSettings,
        optim: AdamWCosine,
        max_new_tokens: int,
        roles: Sequence[str],
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.model = backbone.model
        self.loss = ResponseLoss(loss, backbone, roles)
        self.optim = optim
        self.max_new_tokens = max_new_tokens
        self.identity = dict(identity or {})
        self._validated: list[Prediction] = []

    def on_fit_start(self) -> None:
        # Loaded models come for answering; so an adapter's dropout would be off and every activation kept.
        self.model.train()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return move_batch(with_places(batch), device)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Waveforms that came to the device become features there."""
        return with_features(batch, self.backbone.chat.front_end)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss, entropy = self.loss(self.model, batch)
        # sync_dist: the mean over processes is the figure of one process with all examples. Not prog_bar, for which
        # Lightning reads the value after every step, so that a GPU would run dry.
        self.log("train/loss", loss.detach(), sync_dist=True)
        self.log("train/cross_entropy", entropy, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:
            loss, entropy = self.loss(self.model, batch)
            figures = {"val/loss": loss, "val/cross_entropy": entropy}
            size = batch["input_ids"].shape[0]
            self.log_dict(figures, batch_size=size, prog_bar=True, add_dataloader_idx=False, sync_dist=True)
        else:
            self._validated += predict(self.backbone, batch, self.max_new_tokens)

    def on_validation_epoch_end(self) -> None:
        if self._validated:
            headline = score(self._validated, resamples=0).headline
            self.log_dict(
                {f"val/{name}": float(headline[name]) for name in VALIDATION_METRICS if name in headline},
                prog_bar=True,
                sync_dist=True,
            )
            self._validated = []

    def configure_model(self) -> None:
        """Share the weights among devices (FSDP2) where the trainer does: layer by layer, and each part that is called.

        Lightning calls it with every trainer.
        """
        if self.device_mesh is None:
            return
        from torch.distributed.fsdp import fully_shard

        inner: Any = bare(self.model)
        heads = [head for head in (self.loss.gain_head, self.loss.move_head) if head is not None]
        layers: Any = self.backbone.part("language_model")
        for part in (*layers.layers, inner.model, self.backbone.part("head"), *heads):
            fully_shard(part, mesh=self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, schedule = self.optim.build(self.named_parameters(), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep only what trains: the frozen base is rebuilt from the configuration."""
        kept = trainable_state(self)
        checkpoint["identity"] = self.identity
        if checkpoint["state_dict"]:  # empty in all but the first of the processes that share the weights
            checkpoint["state_dict"] = {name: checkpoint["state_dict"][name] for name in kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint that does not hold exactly what trains.

        Raises:
            CheckpointError: naming the first key that is missing, unknown or of another shape, or what it was trained
                with otherwise.
        """
        found = checkpoint.get("identity", {})
        for key, value in self.identity.items():
            if found.get(key) != value:
                raise CheckpointError(
                    f"The checkpoint was trained with {key} {found.get(key)!r}, this run has {value!r}; "
                    "use the run's own model, inputs and anchor."
                )
        check_fit(checkpoint["state_dict"], trainable_state(self), "The checkpoint")

    def fill(self, checkpoint: dict[str, Any]) -> None:
        """Take what was trained of the model from a checkpoint; the helpers of the loss are done with.

        Raises:
            CheckpointError: if it does not fit.
        """
        self.on_load_checkpoint(checkpoint)
        prefix = "model."
        weights = {
            name.removeprefix(prefix): t for name, t in checkpoint["state_dict"].items() if name.startswith(prefix)
        }
        self.model.load_state_dict(weights, strict=False)
