"""The choices of `model`: each composes, and its parameters are known without a network and without weights."""

from pathlib import Path

import pytest
import torch

from mixlab.errors import ConfigError
from mixlab.models.backbones.codecs import KMeansCodecConfig
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.footprint import footprint
from mixlab.models.recipes import build_backbone
from mixlab.models.recipes import outline as outline_of
from mixlab.models.settings import ModelSettings
from mixlab.settings import parse
from mixlab.storage import config_folder
from mixlab.synthesis.example import LAYOUTS

from ...conftest import composed, train_settings
from ..conftest import small_lora
from .miniatures import miniature

CHOICES = sorted(path.stem for path in (Path(config_folder()) / "model").glob("*.yaml"))
FROM_THE_HUB = [name for name in CHOICES if composed(f"model={name}")["model"]["builder"] == "from_pretrained"]
MILLIONS = {
    "qwen2_audio_7b": (637, 5, 7116, 639),
    "qwen2_audio_mini": (8, 0, 135, 28),
    "qwen2_5_omni_7b": (635, 5, 7071, 545),
    "qwen2_5_omni_3b": (635, 3, 3086, 311),
    "voxtral_mini_3b": (637, 25, 3611, 403),
    "audio_flamingo_3": (637, 17, 7069, 544),
    "music_flamingo": (637, 17, 7069, 544),
    "cascade": (88, 4, 1544, 0),
    "mixingbuddy": (315, 17, 7071, 545),
}
"""Audio tower, projector, language model and head, which counts as none where it is tied to the embeddings."""


def outline(choice: str, *overrides: str):
    return outline_of(parse(composed(f"model={choice}", *overrides)["model"], ModelSettings))


def built(*overrides: str):
    settings = train_settings(*overrides)
    return build_backbone(settings.model, LAYOUTS[settings.inputs.layout], 4, settings.data.segment_s)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_has_a_table_of_parameters_by_part(choice, tmp_path):
    KMeansCodecConfig().save_pretrained(tmp_path)
    backbone = outline(choice, *([f"model.arguments.codec={tmp_path}"] if choice == "unified" else []))
    table = {part.part: part.parameters for part in footprint(backbone).parts}
    assert set(table) == {"audio_tower", "projector", "language_model", "head"}
    assert all(count for part, count in table.items() if part != "head")
    assert sum(table.values()) == sum(parameter.numel() for parameter in backbone.model.parameters())
    assert {parameter.device.type for parameter in backbone.model.parameters()} == {"meta"}
    if choice in MILLIONS:
        assert tuple(round(count / 1e6) for count in table.values()) == MILLIONS[choice]


def test_the_7b_has_the_parameters_of_the_loaded_model():
    total = sum(part.parameters for part in footprint(outline("qwen2_audio_7b")).parts)
    assert round(total / 1e6) == 8397


@pytest.mark.parametrize(("r", "millions"), [(8, 20.0), (16, 40.0), (64, 159.9)])
def test_adapters_on_the_7b_have_the_known_sizes(r, millions):
    backbone = outline("qwen2_audio_7b")
    with torch.device("meta"):
        backbone.model = small_lora(backbone, r=r, train_projector=False)
    trainable = {part.part: part.trainable for part in footprint(backbone).parts}
    assert round(trainable.pop("language_model") / 1e6, 1) == millions
    assert set(trainable.values()) == {0}


@pytest.mark.parametrize("choice", FROM_THE_HUB)
def test_a_model_that_cannot_be_reached_is_named_with_the_way_to_a_folder(choice, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    overrides = (f"model={choice}", "inputs=anchor_rest", f"model.arguments.revision='{'0' * 40}'")
    with pytest.raises(ConfigError) as raised:
        built(*overrides)
    sentence = str(raised.value)
    name = composed(*overrides)["model"]["arguments"]["name"]
    assert f"model.arguments.name is '{name}', which cannot be loaded" in sentence
    assert sentence.endswith("as in model.arguments.name=/path/to/folder.")
    assert "\n" not in sentence


def test_a_folder_of_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        ConfigError, match=r"a model of type 'bert'; mixlab knows audioflamingo3, mixlab_cascade, mixlab_unified"
    ):
        Pretrained(str(tmp_path)).build()


@pytest.mark.parametrize("family", ["audio_flamingo_3", "music_flamingo"])
def test_four_stems_do_not_fit_one_window_and_are_refused_before_weights_load(family, tmp_path):
    miniature(family).save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(
        ConfigError, match=r"inputs is 'stems', up to 4 clips of 10 s, .* 43 s, more than its 30 s; set"
    ):
        built("model=music_flamingo", "inputs=stems", f"model.arguments.name={tmp_path}")


@pytest.mark.parametrize("layout", ["anchor_rest", "mixture"])
def test_anchor_and_rest_fit_one_window(layout, tmp_path):
    miniature("music_flamingo").save(tmp_path)
    choice = ("model=music_flamingo", "model.arguments.dtype=float32", f"model.arguments.name={tmp_path}")
    assert built(*choice, f"inputs={layout}").family.name == "music_flamingo"


def test_a_segment_longer_than_the_window_is_refused(tmp_path):
    miniature("voxtral").save(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.segment_s is 12, but the model hears 10 s"):
        built("model=voxtral_mini_3b", f"model.arguments.name={tmp_path}", "data.segment_s=12.0")
