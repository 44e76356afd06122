"""The table of what trains, told before a weight is loaded."""

import pytest
import torch
from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

from mixlab.errors import ConfigError
from mixlab.models import adapters
from mixlab.models.footprint import check_memory, footprint, free_host_bytes, readable


@pytest.fixture(scope="module")
def seven_billion():
    """Qwen2-Audio 7B on the meta device."""
    config = Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", "num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32},
        text_config={
            "model_type": "qwen2",
            "vocab_size": 156032,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "tie_word_embeddings": False,
        },
        tie_word_embeddings=False,
    )

    def build():
        with torch.device("meta"):
            return Qwen2AudioForConditionalGeneration(config).to(torch.bfloat16)

    return build


def on_meta(adapter, model, **settings):
    with torch.device("meta"):
        return adapter(
            model,
            scale=2.0,
            dropout=0.0,
            target_modules=adapters.LANGUAGE_MODEL_LINEARS,
            train_projector=False,
            **settings,
        )


def test_the_table_of_the_7b_has_its_known_parts(seven_billion):
    found = footprint(seven_billion())
    millions = {part.part: round(part.parameters / 1e6) for part in found.parts}
    assert millions == {"audio_tower": 637, "multi_modal_projector": 5, "language_model": 7116, "lm_head": 639}
    assert round(found.parameters / 1e6) == 8397
    assert found.weight_bytes == 2 * found.parameters


@pytest.mark.parametrize(("r", "millions"), [(8, 20.0), (16, 40.0), (64, 159.9)])
def test_lora_on_the_7b_trains_the_known_number_of_parameters(seven_billion, r, millions):
    found = footprint(on_meta(adapters.lora, seven_billion(), r=r))
    assert found.trainable / 1e6 == pytest.approx(millions, abs=0.06)
    assert found.gradient_bytes == 4 * found.trainable
    assert found.optimizer_bytes == 8 * found.trainable


def test_qlora_needs_about_a_quarter_of_the_memory_for_the_layers_of_the_language_model(seven_billion):
    loaded, trained = footprint(seven_billion()), footprint(on_meta(adapters.qlora, seven_billion(), r=16))
    assert trained.parameters == loaded.parameters + trained.trainable
    assert 6e9 < trained.weight_bytes < 8e9 < 16e9 < loaded.weight_bytes


def test_the_estimate_before_loading_is_what_is_there_after_it(base):
    with torch.device("meta"):
        skeleton = Qwen2AudioForConditionalGeneration(base.model.config)
        expected = footprint(adapters.qlora(skeleton, 4, 2.0, 0.0, adapters.LANGUAGE_MODEL_LINEARS, True))
    assert footprint(adapters.qlora(base.model, 4, 2.0, 0.0, adapters.LANGUAGE_MODEL_LINEARS, True)) == expected


def test_the_table_names_parts_and_memory(base):
    lines = footprint(adapters.full(base.model)).table()
    assert [line.split()[0] for line in lines[1:-1]] == [
        "audio_tower",
        "multi_modal_projector",
        "language_model",
        "lm_head",
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
