"""What a run keeps: whole checkpoints in spite of a signal, the best weights wherever an epoch ends, no broken ones."""

import signal
import sys

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab.errors import TrainingError
from mixlab.runs.folder import RunFolder
from mixlab.training import callbacks
from mixlab.training.callbacks import (
    BestCheckpoint,
    EndWhereNotFinite,
    NoteCost,
    SaveAdapter,
    SaveLast,
    ValidateLast,
    WholeSteps,
    save_whole,
)


class Trainer:
    """Writes a checkpoint in the middle of which the user presses Ctrl-C."""

    is_global_zero = True

    def save_checkpoint(self, path, weights_only):
        signal.raise_signal(signal.SIGINT)
        path.write_text("whole")


def test_an_interrupted_checkpoint_is_written_whole_and_the_interrupt_is_not_lost(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        save_whole(Trainer(), tmp_path / "last.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert (tmp_path / "last.ckpt").read_text() == "whole"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Falling(lightning.LightningModule):
    """Gets better with every step."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(10.0))
        self.validated = []

    def training_step(self, batch):
        return self.weight

    def validation_step(self, batch):
        self.validated.append(self.trainer.global_step)
        self.log("val/loss", self.weight)

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=1.0)


def fitted(module, *own, steps, validation=True, resume_from=None):
    """Trains a module for so many steps; epochs have 4."""
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=list(own),
        logger=False,
        enable_checkpointing=any(isinstance(callback, BestCheckpoint) for callback in own),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    held_out = DataLoader(range(1)) if validation else None
    trainer.fit(module, DataLoader(range(4)), held_out, ckpt_path=resume_from, weights_only=True)
    return trainer


@pytest.mark.parametrize(("steps", "validated"), [(3, [3]), (4, [4]), (6, [4, 6]), (8, [4, 8])])
def test_the_weights_of_the_last_step_are_validated_once_and_can_be_the_best(tmp_path, steps, validated):
    module = Falling()
    best = BestCheckpoint(tmp_path, "best", monitor="val/loss")
    trainer = fitted(module, best, ValidateLast(), steps=steps)
    assert trainer.global_step == steps
    assert module.validated == validated
    assert torch.load(best.best_model_path, weights_only=True)["global_step"] == steps


def test_a_validation_notes_what_it_took_to_get_there_and_a_run_that_goes_on_counts_on(tmp_path):
    first = fitted(Falling(), NoteCost(batch_size=3), ValidateLast(), steps=6)
    took = {name: float(first.callback_metrics[f"cost/{name}"]) for name in ("examples", "s")}
    assert took["examples"] == 18
    assert took["s"] > 0
    first.save_checkpoint(tmp_path / "last.ckpt")
    later = fitted(Falling(), NoteCost(3), ValidateLast(), steps=9, resume_from=tmp_path / "last.ckpt").callback_metrics
    assert later["cost/examples"] == 27
    assert later["cost/s"] > took["s"]


class Breaking(Falling):
    """Breaks in one step: its loss, its weight, or what it finds in validation."""

    def __init__(self, what, step):
        super().__init__()
        self.what, self.step = what, step

    def training_step(self, batch):
        breaks = self.trainer.global_step + 1 == self.step
        return self.weight * torch.nan if breaks and self.what == "loss" else self.weight

    def optimizer_step(self, *arguments, **named):
        step = self.trainer.global_step + 1
        super().optimizer_step(*arguments, **named)
        if step == self.step and self.what == "weight":
            self.weight.data.fill_(torch.inf)

    def validation_step(self, batch):
        self.log("val/loss", self.weight * torch.nan if self.what == "validation" else self.weight)


@pytest.mark.parametrize(
    ("what", "step", "named"),
    [
        ("loss", 3, "The loss is no finite number any more at step 3 of 7"),
        ("weight", 2, "A trained weight is no finite number any more at step 2 of 7"),
        ("weight", 7, "A trained weight is no finite number any more at step 7 of 7"),
        ("validation", 0, "The validation loss is no finite number any more at step 4 of 7"),
    ],
)
def test_a_training_ends_as_failed_at_what_is_no_finite_number_and_keeps_none_of_it(tmp_path, what, step, named):
    last = tmp_path / "last.ckpt"
    with pytest.raises(TrainingError, match=named):
        fitted(Breaking(what, step), EndWhereNotFinite(last, 2), SaveLast(last, 2), steps=7)
    for path in tmp_path.iterdir():
        assert torch.load(path, weights_only=True)["state_dict"]["weight"].isfinite()


class Signalled(Falling):
    """Is sent a signal in the middle of a step, between the change of its weight and the count of the step."""

    def __init__(self, number):
        super().__init__()
        self.number, self.backbone = number, None

    def optimizer_step(self, *arguments, **named):
        step = self.trainer.global_step + 1
        super().optimizer_step(*arguments, **named)
        if step == 3:
            signal.raise_signal(self.number)
            self.weight.data -= 0.5


@pytest.fixture
def handlers():
    """SIGUSR2 is handled as submitit does: the process exits, to have a new turn. All is as before in the end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    signal.signal(signal.SIGUSR2, lambda number, frame: sys.exit(-1))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_ends_a_training_after_the_step_and_all_that_was_trained_is_saved(tmp_path, monkeypatch, number):
    run, adapters = RunFolder(tmp_path), []
    monkeypatch.setattr(callbacks, "save_trained", lambda folder, *_: adapters.append(folder))
    module = Signalled(number)
    with pytest.raises(SystemExit):
        fitted(module, SaveAdapter(run, None), WholeSteps(), steps=7, validation=False)
    saved = torch.load(run.last_checkpoint, weights_only=True)
    assert saved["global_step"] == 3
    assert saved["state_dict"]["weight"] == 6.5
    assert adapters == [run.adapter]
