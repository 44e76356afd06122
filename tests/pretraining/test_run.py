from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load_file

from mixlab import cli
from mixlab.config import PretrainSchema, check
from mixlab.errors import ConfigError
from mixlab.models.backbones.tiny import TINY_FOLDER, Tiny
from mixlab.pretraining.run import run


def configure(tmp_path: Path, *overrides):
    cli.register_resolvers()
    small = [
        "dataset.train_songs=6",
        "dataset.validation_songs=6",
        "dataset.duration_s=12",
        "steps=2",
        "batch_size=2",
        "ear.steps=2",
        "ear.batch_size=4",
    ]
    places = [f"out={tmp_path}/base", f"paths.cache={tmp_path}/cache", f"paths.outputs={tmp_path}"]
    with initialize_config_dir(cli.config_folder(), version_base="1.3"):
        cfg = compose("pretrain", overrides=[*small, *places, "workers=0", *overrides])
    check(OmegaConf.to_container(cfg, resolve=True), PretrainSchema)
    return cfg


def test_the_command_makes_a_base_that_loads_with_card_and_log(tmp_path):
    run(configure(tmp_path))
    made = Tiny(str(tmp_path / "base")).build()
    assert sum(p.numel() for p in made.model.parameters()) < 1_300_000
    assert "never met" in (tmp_path / "base" / "README.md").read_text()
    assert (tmp_path / "base" / "log" / "words" / "metrics.csv").is_file()


def test_songs_of_experiments_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.purpose is 'experiment'"):
        run(configure(tmp_path, "dataset.purpose=experiment"))


def test_the_shipped_base_has_the_shipped_architecture_and_a_log():
    weights = load_file(TINY_FOLDER / "model.safetensors")
    expected = Tiny(base=None).build().model.state_dict()
    assert {name.split(".")[-1] for name in weights} <= {name.split(".")[-1] for name in expected}
    assert (TINY_FOLDER / "log" / "words" / "metrics.csv").is_file()
    assert "purpose: listening" in (TINY_FOLDER / "README.md").read_text()
