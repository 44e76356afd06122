"""What a run keeps: whole checkpoints in spite of a Ctrl-C, and the best weights also where an epoch is not over."""

import signal

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab.training.callbacks import BestCheckpoint, ValidateLast, save_whole


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


@pytest.mark.parametrize(("steps", "validated"), [(3, [3]), (4, [4]), (6, [4, 6]), (8, [4, 8])])
def test_the_weights_of_the_last_step_are_validated_once_and_can_be_the_best(tmp_path, steps, validated):
    module = Falling()
    best = BestCheckpoint(tmp_path, "best", monitor="val/loss")
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=[best, ValidateLast()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, DataLoader(range(4)), DataLoader(range(1)))
    assert trainer.global_step == steps
    assert module.validated == validated
    assert torch.load(best.best_model_path, weights_only=True)["global_step"] == steps
