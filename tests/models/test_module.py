"""Training through Lightning: what a batch brings, and what becomes of it on the device."""

import copy

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab.errors import CheckpointError
from mixlab.models.adapters import trainable_state
from mixlab.models.backbones.base import Backbone
from mixlab.models.checkpoints import fingerprint
from mixlab.models.module import AdviceModule
from mixlab.models.settings import LossSettings

from .conftest import ROLES, adamw, make_problem


@pytest.fixture
def loss_after_a_step(base, make_batch):
    """The training loss of one step on two examples."""

    def loss(features):
        own = Backbone(copy.deepcopy(base.model), base.processor, base.family)
        module = AdviceModule(own, LossSettings(), adamw(), 2, ROLES)
        trainer = lightning.Trainer(max_steps=1, barebones=True, accelerator="cpu")
        batch = make_batch([make_problem(0), make_problem(1)], features=features)
        losses = []
        module.log = lambda name, value, **_: losses.append(value)
        trainer.fit(module, DataLoader([batch], batch_size=None))
        return losses[0]

    return loss


def test_a_step_is_the_same_with_features_from_the_worker_and_with_waveforms(loss_after_a_step):
    assert torch.equal(loss_after_a_step(features=True), loss_after_a_step(features=False))


def test_a_run_does_not_go_on_over_other_weights_of_its_backbone(base):
    def module():
        identity = {"base": fingerprint(base.model)}
        return AdviceModule(base, LossSettings(), adamw(), 2, ROLES, identity)

    checkpoint = {"identity": module().identity, "state_dict": trainable_state(module())}
    module().on_load_checkpoint(checkpoint)
    with torch.no_grad():
        base.model.lm_head.weight[0] += 1e-3
    with pytest.raises(CheckpointError, match="was trained with base"):
        module().on_load_checkpoint(checkpoint)
