from dataclasses import replace

import pytest
import torch

from mixlab.errors import ConfigError
from mixlab.models import adapters
from mixlab.models.footprint import footprint

from .conftest import make_problem, response_loss, small_lora

TARGETS = adapters.LANGUAGE_MODEL_LINEARS


def adapted(base, **changes):
    return replace(base, model=small_lora(base, **changes))


def counts(backbone):
    return {part.part: part for part in footprint(backbone).parts}


def factor(backbone):
    """The factor on the update of an adapted layer."""
    return base_layer(backbone).scaling["default"]


def base_layer(backbone):
    return backbone.part("language_model").layers[0].mlp.up_proj


def test_adapters_sit_on_the_language_model_only(base):
    table = counts(adapted(base))
    assert table["audio_tower"].trainable == 0
    assert table["head"].trainable == 0
    assert table["language_model"].trainable > 0
    assert {part: row.adapted for part, row in table.items() if row.adapted} == {"language_model": 28}


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


@pytest.mark.parametrize("leaking", ["all-linear", r".*\.(q_proj|v_proj)"])
def test_targets_that_reach_into_the_tower_are_refused_with_a_way_out(base, leaking):
    with pytest.raises(ConfigError, match=r"matches \d+ modules of the audio tower \(model\.audio_tower\.") as raised:
        adapted(base, target_modules=leaking)
    assert "adapter.tower_modules" in str(raised.value)


def test_the_tower_is_adapted_where_its_modules_are_named(base):
    table = counts(adapted(base, tower_modules=r".*audio_tower\.layers\..*\.(q_proj|v_proj)"))
    assert table["audio_tower"].adapted == 4
    assert table["audio_tower"].trainable > 0
    assert table["language_model"].adapted == 28


def test_an_adapted_tower_learns(base, make_batch):
    backbone = adapted(base, tower_modules=r".*audio_tower\.layers\..*\.q_proj")
    model = backbone.model
    loss, _ = response_loss(backbone)(model, make_batch([make_problem(0)]))
    loss.backward()
    in_tower = [p for name, p in model.named_parameters() if "audio_tower" in name and "lora_B" in name]
    assert in_tower
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in in_tower)


def test_tower_modules_that_match_nothing_there_are_refused(base):
    with pytest.raises(ConfigError, match=r"adapter\.tower_modules is '\.\*nothing'"):
        adapted(base, tower_modules=".*nothing")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"r": 0}, r"adapter\.r is 0"),
        ({"scale": 0.0}, r"adapter\.scale is 0"),
        ({"dropout": 1.0}, r"adapter\.dropout is 1"),
        ({"dropout": -0.1}, r"adapter\.dropout is -0\.1"),
    ],
)
def test_numbers_out_of_range_are_refused(base, changes, says):
    with pytest.raises(ConfigError, match=says):
        adapted(base, **changes)


@pytest.mark.parametrize("r", [1, 3, 16])
def test_the_factor_of_lora_is_its_scale_at_every_rank(base, r):
    assert factor(adapted(base, r=r, scale=0.3)) == pytest.approx(0.3)


def test_the_factor_of_rank_stabilised_lora_falls_with_the_root_of_the_rank(base):
    model = adapters.rslora(base, 16, 12.0, 0.0, TARGETS, train_projector=True)
    assert factor(replace(base, model=model)) == pytest.approx(3.0)


def test_dora_trains_a_length_for_every_row_of_an_adapted_weight(base):
    rows = base_layer(base).out_features
    model = adapted(base, use_dora=True)
    (length,) = base_layer(model).lora_magnitude_vector["default"].parameters()
    assert length.shape == (rows,)
    assert length.requires_grad


def test_with_none_nothing_trains(base):
    assert adapters.trainable_state(adapters.none(base)) == {}


def test_full_training_is_in_float32_whatever_the_weights_came_in(base):
    base.model.to(torch.bfloat16)
    model = adapters.full(base)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
