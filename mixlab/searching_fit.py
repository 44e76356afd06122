"""Floor of the entry points: one trial of a search: training and validation, without anything of the test songs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf

from mixlab import build
from mixlab.data.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.training import check_machine, fit, read_checkpoint


class TellTrial(Callback):
    """Tells the trial each validation's figure, and ends the training where the pruner gives it up."""

    def __init__(self, trial: Any, monitor: str) -> None:
        self.trial, self.monitor = trial, monitor
        self.best: float | None = None

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        value = float(trainer.callback_metrics[self.monitor])
        self.trial.report(value, trainer.global_step)
        if self.trial.should_prune():
            from optuna.exceptions import TrialPruned

            raise TrialPruned(f"{self.monitor} is {value:.4g} at step {trainer.global_step}")

    def on_fit_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        score = getattr(trainer.checkpoint_callback, "best_model_score", None)
        self.best = None if score is None else float(score)


def fit_for_validation(cfg: DictConfig, folder: Path, resume_from: Path | None, trial: Any) -> float:
    """Train into `folder`; returns ``callbacks.monitor`` at the best validation.

    Raises:
        ConfigError: if there are several devices, or no validation songs.
    """
    if build.trainer(cfg).world_size > 1:
        raise ConfigError(
            "A trial of a search trains in one process; set trainer.devices=1, and search.workers beside it."
        )
    torch.set_num_threads(cfg.trainer.threads)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    lightning.seed_everything(cfg.seed, verbose=False)
    check_machine(cfg)
    module = build.advice_module(cfg, build.backbone(cfg))
    if resume_from is not None:
        module.on_load_checkpoint(read_checkpoint(resume_from))
    data = build.data_module(
        cfg, build.source(cfg), ChatEncoder(module.backbone.chat), cfg.trainer.features == "worker"
    )
    data.prepare_data()
    data.setup()
    if not data.problems("validation"):
        raise ConfigError("A search compares validation figures, but the data set has no validation songs; add some.")
    told = TellTrial(trial, cfg.callbacks.monitor)
    fit(cfg, module, data, folder, resume_from, told)
    if told.best is None:
        raise ConfigError("The trial ended before its first validation; lower data.examples_per_epoch.")
    return told.best
