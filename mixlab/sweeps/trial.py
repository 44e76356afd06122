"""Room sweeps: one trial of a search: training and validation, without anything of the test songs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from mixlab.errors import ConfigError
from mixlab.runs.folder import RunFolder
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings
from mixlab.runs.trainer import build_trainer
from mixlab.training.fit import fit
from mixlab.training.flow import prepare_run, quieten_libraries


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


def fit_for_validation(settings: TrainSettings, job: Job, resume_from: Path | None, trial: Any) -> float:
    """Train into the job's folder; returns ``callbacks.monitor`` at the best validation.

    Raises:
        ConfigError: if there are several devices, or no validation songs.
    """
    if build_trainer(settings.trainer).world_size > 1:
        raise ConfigError(
            "A trial of a search trains in one process; set trainer.devices=1, and search.workers beside it."
        )
    quieten_libraries()
    torch.set_num_threads(settings.trainer.threads)
    module, data = prepare_run(settings, job, resume_from)
    if not data.bank.problems("validation"):
        raise ConfigError("A search compares validation figures, but the data set has no validation songs; add some.")
    told = TellTrial(trial, str(settings.callbacks.monitor))
    fit(settings, module, data, RunFolder(job.folder), job, resume_from, told)
    if told.best is None:
        raise ConfigError("The trial ended before its first validation; lower data.examples_per_epoch.")
    return told.best
