"""Room training: what a run keeps of itself while it trains, and when it is stopped."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from mixlab.models.checkpoints import Description, save_trained
from mixlab.runs.folder import RunFolder
from mixlab.runs.status import progress
from mixlab.runs.trainer import is_first_process


class SaveAdapter(Callback):
    """Writes the adapter folder when a run is stopped, so that what was trained can be used."""

    def __init__(self, run: RunFolder, description: Description) -> None:
        self.run, self.description = run, description

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        if trainer.global_step == 0:
            return
        if trainer.is_global_zero:
            save_trained(self.run.adapter, pl_module.backbone, self.description)
        if isinstance(exception, KeyboardInterrupt):
            save_whole(trainer, self.run.last_checkpoint)


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
    with interrupts_later():
        trainer.save_checkpoint(temporary, weights_only=False)
        if trainer.is_global_zero:
            temporary.replace(path)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Let a Ctrl-C take effect when the block has ended: torch may swallow one while it writes a file."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    caught: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            signal.raise_signal(signal.SIGINT)


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
