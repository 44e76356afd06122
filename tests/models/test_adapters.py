from dataclasses import replace

import pytest

from mixlab.errors import ConfigError
from mixlab.models import adapters

TARGETS = adapters.LANGUAGE_MODEL_LINEARS


def adapted(base, **changes):
    settings = {"r": 4, "scale": 2.0, "dropout": 0.0, "target_modules": TARGETS, "train_projector": True} | changes
    return replace(base, model=adapters.lora(base, **settings))


def counts(backbone):
    return {part.part: part for part in adapters.parameter_table(backbone)}


def test_adapters_sit_on_the_language_model_only(base):
    table = counts(adapted(base))
    assert table["audio_tower"].trainable == 0
    assert table["head"].trainable == 0
    assert table["language_model"].trainable > 0


def test_every_linear_layer_of_the_language_model_is_adapted(base):
    layers = base.model.config.text_config.num_hidden_layers
    names = [name for name, _ in adapted(base).model.named_parameters() if "lora_A" in name]
    assert len(names) == 7 * layers


def test_the_projector_trains_or_stays_frozen_as_configured(base):
    assert counts(adapted(base))["projector"].trainable > 0


def test_a_frozen_projector_does_not_train(base):
    assert counts(adapted(base, train_projector=False))["projector"].trainable == 0


def test_full_training_trains_all_but_the_fixed_positions(base):
    frozen = [name for name, p in adapters.full(base).named_parameters() if not p.requires_grad]
    assert frozen == ["model.audio_tower.embed_positions.weight"]


def test_targets_that_match_nothing_are_refused_with_the_expression(base):
    with pytest.raises(ConfigError, match=r"adapter\.target_modules is 'nothing'"):
        adapted(base, target_modules="nothing")
