"""The parts of a training follow its configuration: every choice can be built."""

import pytest

from mixlab.items.build import build_bank
from mixlab.models.backbones.tiny import Tiny
from mixlab.runs.trainer import build_trainer
from mixlab.storage import config_folder
from mixlab.training.build import build_module
from tests.conftest import train_settings

OF_TRAINING = ("compute", "loss", "optim", "trainer", "callbacks", "paths")
"""Models, adapters, loggers and folders of songs are built in tests of their own."""

CHOICES = [f"{group}={path.stem}" for group in OF_TRAINING for path in sorted((config_folder() / group).glob("*.yaml"))]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_of_how_a_model_trains_can_be_built(choice):
    """Trainers stand on the CPU here, where no GPU is."""
    settings = train_settings("dataset=demo_small", choice, "trainer.accelerator=cpu", "trainer.precision=32-true")
    module = build_module(settings, Tiny(base=None).build(), build_bank(settings, 16000))
    assert module.optim.build(module.named_parameters(), 10)
    assert build_trainer(settings.trainer).max_steps == settings.trainer.max_steps
