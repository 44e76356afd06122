"""Room training: a model trained into a folder, and left with its best weights."""

from __future__ import annotations

import logging
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.utilities.exceptions import SIGTERMException

from mixlab.errors import CheckpointError
from mixlab.models.checkpoints import Description, save_trained
from mixlab.models.footprint import footprint
from mixlab.models.module import AdviceModule
from mixlab.runs.folder import RunFolder
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings
from mixlab.runs.signals import EXIT_INTERRUPTED, EXIT_TERMINATED, left_to_the_trainer
from mixlab.runs.trainer import build_trainer, is_first_process, is_sharded
from mixlab.storage import REASONS, storage_error
from mixlab.training.build import adapted, describe_run
from mixlab.training.callbacks import (
    BestCheckpoint,
    EndWhereNotFinite,
    NoteCost,
    NoteProgress,
    SaveAdapter,
    SaveLast,
    ValidateLast,
    WholeSteps,
    save_whole,
)
from mixlab.training.data import MixDataModule
from mixlab.training.loggers import LossBar, finish_control, make_loggers

log = logging.getLogger(__name__)


def fit(
    settings: TrainSettings,
    module: AdviceModule,
    data: MixDataModule,
    run: RunFolder,
    job: Job,
    resume_from: Path | None,
    *further: Callback,
) -> Description:
    """Train a model into a folder and leave it with its best weights, in every process; returns its description.

    Args:
        run: of the model, or of a control within its folder.
        further: callbacks beside those of every training.
    """
    description = describe_run(settings, module, data)
    figures = show_footprint(module)
    # Without validation songs there is nothing to choose a checkpoint by: the last one is taken.
    monitor = settings.callbacks.monitor if data.bank.problems("validation") else None
    mode = monitor.mode if monitor else "min"
    checkpoint = BestCheckpoint(
        run.checkpoints, "best", monitor=None if monitor is None else str(monitor), mode=mode,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Callback] = [
        EndWhereNotFinite(run.last_checkpoint, settings.callbacks.save_every_steps),
        checkpoint,
        SaveAdapter(run, description),
        SaveLast(run.last_checkpoint, settings.callbacks.save_every_steps),
        ValidateLast(),
        NoteCost(settings.data.batch_size),
        NoteProgress(run.path),
        *further,
    ]
    if monitor is not None:
        patience = settings.callbacks.patience
        callbacks.append(EarlyStopping(str(monitor), patience=patience, mode=mode, check_on_train_epoch_end=False))
    if settings.callbacks.progress_bar:
        callbacks.append(LossBar())
    callbacks.append(WholeSteps())
    loggers = make_loggers(settings, run, job, resume_from)
    for logger in loggers:
        logger.log_hyperparams(figures)
    trainer = build_trainer(
        settings.trainer,
        callbacks=callbacks,
        logger=loggers,
        default_root_dir=run.path,
        enable_checkpointing=True,
        enable_progress_bar=settings.callbacks.progress_bar,
        enable_model_summary=False,
    )
    try:
        with left_to_the_trainer():
            trainer.fit(module, datamodule=data, ckpt_path=resume_from, weights_only=True)
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit once its callbacks have saved the run.
        print(stopped(trainer.global_step, run, job.folder), file=sys.stderr)
        if isinstance(error, SIGTERMException):
            sys.exit(EXIT_TERMINATED)
        if isinstance(error.__context__, KeyboardInterrupt):
            sys.exit(EXIT_INTERRUPTED)
        raise
    except OSError as error:
        if error.errno not in REASONS:
            raise
        raise storage_error(run.path, error) from error
    finally:
        finish_control(loggers, run)
    save_whole(trainer, run.last_checkpoint)
    trainer.strategy.barrier("the last checkpoint is there")
    if is_sharded(trainer):
        # Every process has a share of the weights: each builds the whole model anew, and fills it below.
        module.backbone = adapted(settings, description.build())
        module.model = module.backbone.model
    best = Path(checkpoint.best_model_path)
    if is_sharded(trainer) or best.is_file():
        module.fill(read_checkpoint(best if best.is_file() else run.last_checkpoint))
    if is_first_process():
        save_trained(run.adapter, module.backbone, description)
    module.eval()
    return description


def stopped(step: int, run: RunFolder, folder: Path) -> str:
    """What a training that was stopped leaves behind, in a sentence."""
    if not run.last_checkpoint.is_file():
        return "Stopped before anything was trained, so nothing is kept; start again."
    at = f"Stopped at step {step}" if step else "Stopped before the first step from there"
    return f"{at}. The adapter and the checkpoint are in {run.path}; go on with ckpt_path={folder}"


def show_footprint(module: AdviceModule) -> dict[str, int]:
    """Print the table of what trains; returns its figures."""
    found = footprint(module.backbone)
    if is_first_process():
        for line in found.table():
            log.info("%s", line)
    return found.figures()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A Lightning checkpoint, without running anything that a pickle may hold.

    Raises:
        CheckpointError: if the file is none.
    """
    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        checkpoint["state_dict"]
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of mixlab ({type(error).__name__}); give a run folder or a .ckpt file from one."
        ) from error
    return checkpoint
