"""The parts of a run follow its configuration: what training has, what is asked, what is refused."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from mixlab import build
from mixlab.cli import config_folder, register_resolvers
from mixlab.errors import ConfigError
from mixlab.models.backbones.tiny import Tiny

OF_ITEMS = ("anchor", "error", "prompt", "inputs", "data", "evaluation", "evaluation/error", "evaluation/baselines")
OF_TRAINING = ("compute", "loss", "optim", "trainer", "callbacks", "paths")
"""Models, adapters, loggers and folders of songs are built in tests of their own."""


def choices(group: str) -> list[str]:
    """The names of a group's choices."""
    return sorted(path.stem for path in (Path(config_folder()) / group).glob("*.yaml"))


@pytest.fixture
def base():
    """The tiny model, untrained."""
    return Tiny(base=None).build()


@pytest.fixture(scope="module")
def composed():
    """Composes the configuration of a run with overrides."""
    register_resolvers()

    def build_config(*overrides: str) -> DictConfig:
        with initialize_config_dir(config_folder(), version_base="1.3"):
            return compose("train", overrides=["dataset=demo_small", *overrides])

    return build_config


@pytest.fixture(scope="module")
def data_of(composed, encoder):
    """The data module of a configuration; no song is prepared."""

    def build_data(*overrides: str):
        cfg = composed(*overrides)
        return build.data_module(cfg, build.source(cfg), encoder, features_in_worker=True)

    return build_data


@pytest.mark.parametrize(("error", "kind"), [("several", "several errors at once"), ("relative", "relative errors")])
def test_training_on_other_errors_than_are_asked_is_said_in_one_line(data_of, caplog, error, kind):
    module = data_of(f"error={error}")
    assert (module.protocol.error.kind, module.frozen.protocol.error.kind) == (kind, "single errors")
    assert caplog.messages == [
        f"Training has {kind}, validation and test have single errors; to ask what is trained, choose evaluation/error "
        "as error."
    ]


@pytest.mark.parametrize("error", ["default", "several", "relative"])
def test_training_on_what_is_asked_needs_no_word(data_of, caplog, error):
    module = data_of(f"error={error}", f"evaluation/error={error}", "anchor=random")
    assert module.protocol.error == module.frozen.protocol.error
    assert module.protocol.anchor == "random"
    assert caplog.messages == []


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in OF_ITEMS for name in choices(group)])
def test_every_choice_that_decides_items_makes_a_data_module(data_of, choice):
    module = data_of(choice)
    assert sum(module.protocol.error.probabilities.values()) == pytest.approx(1.0)
    assert sum(module.frozen.protocol.prompt.shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in OF_TRAINING for name in choices(group)])
def test_every_choice_of_how_a_model_trains_can_be_built(composed, choice, base):
    """Trainers stand on the CPU here, where no GPU is."""
    cfg = composed(choice, "trainer.accelerator=cpu", "trainer.precision=32-true")
    module = build.advice_module(cfg, base)
    assert module.optim.build(module.named_parameters(), 10)
    assert build.trainer(cfg).max_steps == cfg.trainer.max_steps


def test_stems_of_several_songs_are_refused_before_a_song_is_read(composed, encoder, tmp_path):
    cfg = composed("dataset=folder", f"dataset.root={tmp_path}", "data.augmentation.cross_song_probability=0.3")
    (tmp_path / "song").mkdir()
    with pytest.raises(ConfigError, match=r"data\.augmentation\.cross_song_probability is 0\.3, .* dataset=demo"):
        build.data_module(cfg, build.source(cfg), encoder, features_in_worker=True)
