"""A run that is stopped before any step and goes on ends in the very weights of one that was not stopped."""

from dataclasses import replace

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab.models import adapters
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import fingerprint
from mixlab.models.module import AdviceModule
from mixlab.models.settings import LossSettings
from mixlab.training.callbacks import SaveLast

from .conftest import ROLES, adamw, make_problem, small_lora

STEPS = 4


class Stopped(Exception):
    pass


class Stop(lightning.Callback):
    """Ends the run as a kill does, before a step and without a word to anybody."""

    def __init__(self, before):
        self.before = before

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.before:
            raise Stopped


@pytest.fixture
def train(make_batch, tmp_path):
    """Trains one batch an epoch, stopped before a step or from a checkpoint; returns what was trained."""
    batch = make_batch([make_problem(0), make_problem(1)])

    def run(adapter, stop_before=None, resume=None):
        base = Tiny("listener").build()
        identity = {"base": fingerprint(base.model)}
        torch.manual_seed(0)
        model = small_lora(base, adapter)
        loss = LossSettings(gain_weight=1.0, move_weight=1.0, number_sigma_db=1.0)
        module = AdviceModule(replace(base, model=model), loss, adamw(), 2, ROLES, identity)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_steps=STEPS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[SaveLast(tmp_path / "last.ckpt", 1), *([] if stop_before is None else [Stop(stop_before)])],
        )
        try:
            trainer.fit(module, DataLoader([batch], batch_size=None), ckpt_path=resume, weights_only=True)
        except Stopped:
            assert stop_before is not None
        return {name: tensor.clone() for name, tensor in adapters.trainable_state(module).items()}

    return run


@pytest.mark.parametrize("adapter", [adapters.lora, adapters.qlora], ids=["lora", "qlora"])
@pytest.mark.parametrize("stop_before", [1, 3])
def test_a_stopped_run_ends_in_the_weights_of_one_that_was_not_stopped(train, tmp_path, adapter, stop_before):
    whole = train(adapter)
    stopped = train(adapter, stop_before=stop_before)
    after = train(adapter, resume=tmp_path / "last.ckpt")
    assert not all(torch.equal(stopped[name], tensor) for name, tensor in whole.items())
    assert all(torch.equal(after[name], tensor) for name, tensor in whole.items())
