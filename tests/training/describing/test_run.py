from pathlib import Path

import pytest
from safetensors.torch import load_file

from mixlab.errors import ConfigError
from mixlab.models.backbones.tiny import TINY_FOLDER, Tiny
from mixlab.settings import parse
from mixlab.training.describing.run import make_base, pretrain
from mixlab.training.describing.settings import PretrainSettings
from tests.conftest import composed


def configure(tmp_path: Path, *overrides) -> PretrainSettings:
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
    return parse(composed(*small, *places, "workers=0", *overrides, name="pretrain"), PretrainSettings)


def test_the_command_makes_a_base_that_loads_with_card_and_log(tmp_path):
    make_base(configure(tmp_path))
    made = Tiny(str(tmp_path / "base")).build()
    assert sum(p.numel() for p in made.model.parameters()) < 1_300_000
    assert "never met" in (tmp_path / "base" / "README.md").read_text()
    assert (tmp_path / "base" / "log" / "words" / "metrics.csv").is_file()


def test_songs_of_experiments_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"from listening songs only; .*dataset\.purpose=listening"):
        make_base(configure(tmp_path, "dataset.purpose=experiment"))
    with pytest.raises(ConfigError, match=r"from listening songs only"):
        pretrain(configure(tmp_path), object())


def test_the_shipped_base_has_the_shipped_architecture_and_a_log():
    weights = load_file(TINY_FOLDER / "model.safetensors")
    expected = Tiny(base=None).build().model.state_dict()
    assert {name.split(".")[-1] for name in weights} <= {name.split(".")[-1] for name in expected}
    assert (TINY_FOLDER / "log" / "words" / "metrics.csv").is_file()
    assert "purpose: listening" in (TINY_FOLDER / "README.md").read_text()
