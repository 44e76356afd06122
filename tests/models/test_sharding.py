"""FSDP2: shared weights learn what whole ones learn, and their checkpoint is the same file."""

from dataclasses import replace

import lightning
import pytest
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.utils.data import DataLoader

from mixlab.models.backbones.tiny import Tiny
from mixlab.models.module import AdviceModule
from mixlab.models.settings import LossSettings

from .conftest import ROLES, adamw, make_problem, small_lora


@pytest.fixture
def trained(make_batch, tmp_path):
    """Trains two steps with a strategy; returns the state of its checkpoint."""
    batch = make_batch([make_problem(0), make_problem(1)])

    def train(strategy, name):
        base = Tiny("listener").build()
        torch.manual_seed(0)
        model = small_lora(base)
        loss = LossSettings(gain_weight=1.0, move_weight=1.0)
        module = AdviceModule(replace(base, model=model), loss, adamw(), 2, ROLES)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            strategy=strategy,
            max_steps=2,
            gradient_clip_val=1.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            inference_mode=False,
        )
        trainer.fit(module, DataLoader([batch, batch], batch_size=None))
        trainer.save_checkpoint(tmp_path / name)
        return torch.load(tmp_path / name, weights_only=True)["state_dict"]

    yield train
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_shared_weights_learn_and_are_saved_as_whole_ones(trained):
    whole = trained("auto", "whole.ckpt")
    shared = trained(ModelParallelStrategy(1, 1, save_distributed_checkpoint=False), "shared.ckpt")
    assert shared.keys() == whole.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-5, rtol=1e-4)
