"""Room training: where metrics go: a CSV file, Weights & Biases if asked for, a bar on the screen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from mixlab.runs.axes import axes_of
from mixlab.runs.folder import RunFolder
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings, WandbSettings
from mixlab.runs.trainer import is_first_process
from mixlab.runs.wandb import finish_run, open_run, settle_identity, wandb_mode

STEP = "trainer/global_step"
"""What Lightning calls the step of training, against which W&B draws."""


def make_loggers(settings: TrainSettings, run: RunFolder, job: Job, resume_from: Path | None = None) -> list[Logger]:
    """The loggers of a model that trains into a folder: of a run, or of a control within one.

    The W&B run stays open, so that what is measured after training goes to it as well; `closing_runs` closes it.

    Args:
        run: gets the CSV file, and the W&B run's files and identity.
        resume_from: the checkpoint gone on from, whose W&B run is gone on with.
    """
    loggers: list[Logger] = [CSVLogger(run.path, name="", version="logs")]
    if settings.logger.wandb is not None and wandb_mode() != "disabled" and is_first_process():
        folder = run.path.parent.parent if run.is_control else run.path
        group, tags = group_and_tags(settings, settings.logger.wandb, folder, job)
        tracked = open_run(
            run.path,
            settle_identity(run.path, settings.logger.wandb.project, group, resume_from),
            name=f"{settings.name}/{run.path.relative_to(folder.parent)}",
            job_type="control" if run.is_control else "train",
            tags=tags,
            config={**settings.plain(), "axes": {**axes_of(settings)}},
            beside=run.is_control,
        )
        tracked.define_metric(STEP)
        tracked.define_metric("*", step_metric=STEP, step_sync=True)
        loggers.append(WandbLogger(experiment=tracked))
    return loggers


def finish_control(loggers: Sequence[Logger], run: RunFolder) -> None:
    """Close the W&B run of a control, which was opened beside that of the model; the model's own stays open."""
    for logger in loggers if run.is_control else ():
        if isinstance(logger, WandbLogger):
            finish_run(logger.experiment, run.path)


def group_and_tags(settings: TrainSettings, wandb: WandbSettings, folder: Path, job: Job) -> tuple[str, list[str]]:
    """The W&B group and the tags of a run: in a sweep, the sweep and what the command line set for this job.

    Args:
        folder: of the run; outside a sweep it is the group, which its controls share.
    """
    tags = [settings.name, *wandb.tags]
    group = f"{settings.name}/{folder.name}"
    if job.sweep is not None:
        group = f"{settings.name}/{job.sweep.name}"
        tags += ["sweep", *(word.lstrip("+") for word in job.overrides)]
    return wandb.group or group, list(dict.fromkeys(tags))


class LossBar(RichProgressBar):
    """A progress bar that reads figures, the training loss among them, no more often than every so many seconds.

    For every value that is read after a step, a GPU runs dry before the next.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        super().__init__()
        self.every_s = every_s
        self._read_s = -every_s
        self._shown: dict[str, Any] = {}

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        """Those of Lightning's bar and the training loss, as they were when they were last read."""
        now = time.monotonic()
        if now - self._read_s >= self.every_s:
            self._shown = super().get_metrics(trainer, pl_module)
            if "train/loss" in trainer.callback_metrics:
                self._shown["train/loss"] = float(trainer.callback_metrics["train/loss"])
            self._read_s = now
        return dict(self._shown)
