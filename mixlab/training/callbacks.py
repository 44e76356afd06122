"""Room training: what a run keeps of itself while it trains, and when it is stopped."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from torch.distributed.tensor import DTensor

from mixlab.errors import TrainingError
from mixlab.models.adapters import trainable_state
from mixlab.models.checkpoints import Description, save_trained
from mixlab.runs.folder import RunFolder
from mixlab.runs.signals import Deferred, signals_later
from mixlab.runs.status import progress
from mixlab.runs.trainer import is_first_process
from mixlab.storage import move_into_place


class SaveAdapter(Callback):
    """Writes the adapter folder when a run is stopped, so that what was trained can be used."""

    def __init__(self, run: RunFolder, description: Description) -> None:
        self.run, self.description = run, description

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        if trainer.global_step == 0 or isinstance(exception, TrainingError):
            return
        if trainer.is_global_zero:
            save_trained(self.run.adapter, pl_module.backbone, self.description)
        if isinstance(exception, KeyboardInterrupt | SystemExit):
            save_whole(trainer, self.run.last_checkpoint)


LOOK_EVERY_STEPS = 16
"""How often a GPU is asked for what it found."""


class EndWhereNotFinite(Callback):
    """Ends a training as failed at a loss or a weight that is no finite number, before anything is saved or scored.

    Args:
        last: the checkpoint that is kept to go on from.
        every_steps: after so many steps one is saved.

    Raises:
        TrainingError: naming the step.
    """

    def __init__(self, last: Path, every_steps: int) -> None:
        self.last, self.every_steps = last, every_steps
        self._bad_step: torch.Tensor | None = None

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        step, loss = trainer.global_step, outputs["loss"].detach()
        if self._bad_step is None:
            self._bad_step = torch.full((), -1, device=loss.device)
        # On the device: to ask for the value after every step would keep a GPU waiting.
        self._bad_step = torch.where((self._bad_step < 0) & ~loss.isfinite(), step, self._bad_step)
        saves = step % self.every_steps == 0
        if saves or loss.device.type == "cpu" or step % LOOK_EVERY_STEPS == 0:
            self._check_loss(trainer)
        if saves:
            self._check_weights(trainer, pl_module)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._check_loss(trainer)
        self._check_weights(trainer, pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not trainer.sanity_checking:
            self._end_if(trainer, not bool(loss.isfinite()), "The validation loss", trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._check_loss(trainer)
        self._check_weights(trainer, pl_module)

    def _check_loss(self, trainer: lightning.Trainer) -> None:
        bad_step = -1 if self._bad_step is None else int(self._bad_step)
        self._end_if(trainer, bad_step >= 0, "The loss", bad_step if bad_step >= 0 else trainer.global_step)

    def _check_weights(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        # Of weights that are spread over devices each process looks at its own share.
        shares = [t.to_local() if isinstance(t, DTensor) else t for t in trainable_state(pl_module).values()]
        finite = [share.isfinite().all() for share in shares]
        is_bad = bool(finite) and not bool(torch.stack(finite).all())
        self._end_if(trainer, is_bad, "A trained weight", trainer.global_step)

    def _end_if(self, trainer: lightning.Trainer, is_bad: bool, what: str, step: int) -> None:
        # All processes end together: one that goes on would wait for the others.
        if trainer.strategy.reduce_boolean_decision(is_bad, all=False):
            kept = f"the checkpoint before it is {self.last}" if self.last.is_file() else "no checkpoint was saved yet"
            raise TrainingError(
                f"{what} is no finite number any more at step {step} of {trainer.max_steps}; lower optim.lr ({kept})."
            )


class WholeSteps(Callback):
    """Lets what ends the run take effect between two steps, so that weights, optimizer and counters are of one."""

    def __init__(self) -> None:
        self._signals = Deferred()

    def on_train_batch_start(self, *_: Any) -> None:
        self._signals.start()

    def on_train_batch_end(self, *_: Any) -> None:
        self._signals.end()

    def on_exception(self, *_: Any) -> None:
        self._signals.drop()


class SaveLast(Callback):
    """Keeps a checkpoint to go on from, also in the middle of an epoch and after a kill."""

    def __init__(self, path: Path, every_steps: int) -> None:
        self.path, self.every_steps = path, every_steps
        self._saved_step = 0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every_steps == 0 and step != self._saved_step:
            save_whole(trainer, self.path)
            self._saved_step = step


class ValidateLast(Callback):
    """Has the weights of the last step validated, wherever in an epoch they come about.

    By itself Lightning validates at the end of an epoch, so that what was learned after the last whole one, with the
    lowest rates, could never become the best checkpoint.
    """

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


class NoteCost(Timer):
    """Logs beside every validation what it took to get there: training examples, and seconds, validations included.

    Of a run that was gone on with both go on from its checkpoint.

    Args:
        batch_size: of one process.
    """

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        cost = {"cost/examples": float(batches * self.batch_size * trainer.world_size), "cost/s": self.time_elapsed()}
        pl_module.log_dict(cost, sync_dist=True)


class NoteProgress(Callback):
    """Notes in the run folder how far training is, every few seconds."""

    def __init__(self, folder: Path, every_s: float = 5.0) -> None:
        self.folder, self.every_s = folder, every_s
        self._noted_s = 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero and time.monotonic() - self._noted_s >= self.every_s:
            progress(self.folder, trainer.global_step, int(trainer.max_steps))
            self._noted_s = time.monotonic()

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            progress(self.folder, trainer.global_step, int(trainer.max_steps))


def save_whole(trainer: lightning.Trainer, path: Path) -> None:
    """Save a checkpoint that appears whole or not at all; all processes of a training have to call it."""
    temporary = path.with_name(f".{path.name}.new")
    with signals_later():
        trainer.save_checkpoint(temporary, weights_only=False)
        if trainer.is_global_zero:
            move_into_place(temporary, path)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint, also that of the run that is gone on from, whose folder is another one."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over score and file of the best checkpoint so far."""
        best = Path(state_dict["best_model_path"])
        if best.is_file() and Path(state_dict["dirpath"]) != Path(self.dirpath or ""):
            copy = Path(self.dirpath or "") / best.name
            if is_first_process():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(best, copy)
            renamed = {str(best): str(copy)}
            state_dict = state_dict | {
                "dirpath": self.dirpath,
                "best_model_path": str(copy),
                "kth_best_model_path": renamed.get(state_dict["kth_best_model_path"], ""),
                "best_k_models": {
                    renamed.get(path, path): score for path, score in state_dict["best_k_models"].items()
                },
            }
        super().load_state_dict(state_dict)
