"""The table of what trains, told before a weight is loaded."""

from dataclasses import replace

import pytest
import torch

from mixlab.errors import ConfigError
from mixlab.models import adapters
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.footprint import check_memory, footprint, free_host_bytes, readable
from mixlab.models.recipes import outline
from mixlab.models.settings import ModelSettings
from mixlab.settings import parse

from ..conftest import composed
from .conftest import small_lora


@pytest.fixture
def seven_billion():
    """Qwen2-Audio 7B on the meta device."""
    backbone = outline(parse(composed("model=qwen2_audio_7b")["model"], ModelSettings))
    backbone.model.to(torch.bfloat16)
    return backbone


def on_meta(adapter, base, **settings):
    with torch.device("meta"):
        return replace(base, model=small_lora(base, adapter, train_projector=False, **settings))


def test_the_table_of_the_7b_has_its_known_parts(seven_billion):
    found = footprint(seven_billion)
    millions = {part.part: round(part.parameters / 1e6) for part in found.parts}
    assert millions == {"audio_tower": 637, "projector": 5, "language_model": 7116, "head": 639}
    assert round(found.parameters / 1e6) == 8397
    assert found.weight_bytes == 2 * found.parameters


@pytest.mark.parametrize(("r", "millions"), [(8, 20.0), (16, 40.0), (64, 159.9)])
def test_lora_on_the_7b_trains_the_known_number_of_parameters(seven_billion, r, millions):
    found = footprint(on_meta(adapters.lora, seven_billion, r=r))
    assert found.trainable / 1e6 == pytest.approx(millions, abs=0.06)
    assert found.gradient_bytes == 4 * found.trainable
    assert found.optimizer_bytes == 8 * found.trainable


def test_qlora_needs_about_a_quarter_of_the_memory_for_the_layers_of_the_language_model(seven_billion):
    loaded = footprint(seven_billion)
    trained = footprint(on_meta(adapters.qlora, seven_billion, r=16))
    assert trained.parameters == loaded.parameters + trained.trainable
    assert 6e9 < trained.weight_bytes < 8e9 < 16e9 < loaded.weight_bytes


def test_the_estimate_before_loading_is_what_is_there_after_it(base):
    def qlora(backbone):
        return replace(backbone, model=small_lora(backbone, adapters.qlora))

    assert footprint(qlora(base)) == footprint(qlora(Tiny(base=None).outline()))


def test_the_table_names_parts_and_memory(base):
    lines = footprint(replace(base, model=adapters.full(base))).table()
    assert [line.split()[0] for line in lines[1:-1]] == [
        "audio_tower",
        "projector",
        "language_model",
        "head",
        "all",
    ]
    assert "optimizer state" in lines[-1]


def test_too_little_memory_gets_both_numbers_and_the_ways_out():
    with pytest.raises(
        ConfigError, match=r"needs 17\.2 GB on the GPU beside activations, where 8\.1 GB are free; .*qlora"
    ):
        check_memory(17.2e9, 8.1e9, "the GPU")


@pytest.mark.parametrize("free", [None, 2.0])
def test_enough_or_unknown_memory_is_no_error(free):
    check_memory(1.0, free, "the machine")


def test_the_free_memory_of_this_machine_is_a_number_of_bytes():
    free = free_host_bytes()
    assert free is None or 1e6 < free < 1e14


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 B"), (4_230_000, "4.23 MB"), (16_794_000_000, "16.8 GB"), (999_900, "1 MB")]
)
def test_sizes_are_readable(size, text):
    assert readable(size) == text
