"""The progress bar shows the training loss and reads it now and then, not after every step."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar

from mixlab.training.loggers import LossBar


@pytest.fixture
def shown_after(monkeypatch):
    """What a bar shows in turn for losses of 3, 2, 1."""
    monkeypatch.setattr(RichProgressBar, "get_metrics", lambda *_: {"v_num": 0})

    def show(every_s):
        bar = LossBar(every_s)
        trainers = [SimpleNamespace(callback_metrics={"train/loss": torch.tensor(loss)}) for loss in (3.0, 2.0, 1.0)]
        return [bar.get_metrics(trainer, None)["train/loss"] for trainer in trainers]

    return show


def test_it_is_read_again_when_the_time_has_come(shown_after):
    assert shown_after(0.0) == [3.0, 2.0, 1.0]


def test_until_then_the_last_one_stays(shown_after):
    assert shown_after(3600.0) == [3.0, 3.0, 3.0]
