"""Floor of the entry points: where metrics go: a CSV file, Weights & Biases if asked for, a bar on the screen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from omegaconf import DictConfig, OmegaConf

from mixlab.hardware import is_first_process
from mixlab.tracking.axes import axes_of
from mixlab.tracking.runs import finish_run, open_run, settle_identity, wandb_mode

STEP = "trainer/global_step"
"""What Lightning calls the step of training, against which W&B draws."""


def make_loggers(cfg: DictConfig, folder: Path, resume_from: Path | None = None) -> list[Logger]:
    """The loggers of a model that trains into `folder`: a run folder, or that of a control within one.

    The W&B run stays open, so that what is measured after training goes to it as well; `closing_runs` closes it.

    Args:
        cfg: resolved.
        folder: gets the CSV file, and the W&B run's files and identity.
        resume_from: the checkpoint gone on from, whose W&B run is gone on with.
    """
    loggers: list[Logger] = [CSVLogger(folder, name="", version="logs")]
    if cfg.logger.wandb is not None and wandb_mode() != "disabled" and is_first_process():
        run_folder = folder.parent.parent if is_control(folder) else folder
        group, tags = group_and_tags(cfg, run_folder)
        config: Any = OmegaConf.to_container(cfg, resolve=True)
        run = open_run(
            folder,
            settle_identity(folder, cfg.logger.wandb.project, group, resume_from),
            name=f"{cfg.name}/{folder.relative_to(run_folder.parent)}",
            job_type="control" if is_control(folder) else "train",
            tags=tags,
            config=config | {"axes": axes_of(config)},
            beside=is_control(folder),
        )
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        loggers.append(WandbLogger(experiment=run))
    return loggers


def finish_control(loggers: Sequence[Logger], folder: Path) -> None:
    """Close the W&B run of a control, which was opened beside that of the model; the model's own stays open."""
    if is_control(folder):
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                finish_run(logger.experiment, folder)


def is_control(folder: Path) -> bool:
    """Whether a folder is that of a control within a run folder."""
    return folder.parent.name == "controls"


def group_and_tags(cfg: DictConfig, folder: Path) -> tuple[str, list[str]]:
    """The W&B group and the tags of a run: in a sweep, the sweep and what the command line set for this job.

    Args:
        folder: of the run; outside a sweep it is the group, which its controls share.
    """
    tags = [cfg.name, *cfg.logger.wandb.tags]
    group = f"{cfg.name}/{folder.name}"
    if HydraConfig.initialized() and (hydra := HydraConfig.get()).mode == RunMode.MULTIRUN:
        group = f"{cfg.name}/{Path(hydra.sweep.dir).name}"
        tags += ["sweep", *(word.lstrip("+") for word in hydra.overrides.task)]
    return cfg.logger.wandb.group or group, list(dict.fromkeys(tags))


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
