"""QLoRA: four-bit weights under the adapter, in float32 on a CPU, that train, save, reload and answer."""

import sys
from dataclasses import replace

import pytest
import torch

from mixlab.errors import ConfigError
from mixlab.models import adapters
from mixlab.models.checkpoints import load_trained, save_trained
from mixlab.models.footprint import footprint
from mixlab.models.generate import generate_texts
from mixlab.models.quantization import is_quantized, quantize_language_model

from .conftest import make_problem, response_loss, small_lora
from .test_checkpoints import describe


def qlora(base):
    return replace(base, model=small_lora(base, adapters.qlora))


@pytest.fixture
def step(make_batch):
    """One step of training on a batch; returns the loss before it."""

    def take(backbone):
        trained = [parameter for parameter in backbone.model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=3e-3)
        batch = make_batch([make_problem(0), make_problem(1)])
        loss, _ = response_loss(backbone)(backbone.model, batch)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return take


def test_every_linear_layer_of_the_language_model_is_quantized_and_no_other(base):
    quantize_language_model(base)
    names = [name for name, parameter in base.model.named_parameters() if is_quantized(parameter)]
    assert len(names) == 7 * base.model.config.text_config.num_hidden_layers
    assert all(".language_model.layers." in name for name in names)


def test_quantized_weights_are_near_the_ones_that_they_stand_for(base):
    from bitsandbytes.functional import dequantize_4bit

    before = base.model.model.language_model.layers[0].mlp.up_proj.weight.detach().clone()
    quantize_language_model(base)
    weight = base.model.model.language_model.layers[0].mlp.up_proj.weight
    off = dequantize_4bit(weight.data, weight.quant_state) - before
    # NF4 has 16 levels between -max and max of a block of 64; normal weights lie about a tenth of their size off.
    assert 0.02 < float(off.norm() / before.norm()) < 0.15
    assert weight.quant_state.nested


def test_the_footprint_counts_four_bits_a_weight_and_the_true_number_of_weights(base):
    before = footprint(base)
    quantize_language_model(base)
    after = footprint(base)
    assert after.parameters == before.parameters
    weights = [weight for weight in base.model.parameters() if is_quantized(weight)]
    held = sum(weight.nbytes + sum(p.nbytes for p in scales(weight)) for weight in weights)
    counted = after.weight_bytes - sum(w.nbytes for w in base.model.parameters() if not is_quantized(w))
    # The tables of 256 levels that every layer keeps beside weigh something in layers as small as these.
    assert held - 2 * 1024 * len(weights) < counted < held


def scales(weight):
    state = weight.quant_state
    return state.absmax, state.state2.absmax, state.state2.code, state.offset


def test_answers_between_steps_change_nothing_in_training(make_batch, step):
    """On CPUs with bfloat16 units bitsandbytes reorders weights in evaluation, and training fails after it."""
    prompts = make_batch([make_problem(0)], generation=True)
    losses = []
    for answers in (False, True):
        torch.manual_seed(0)
        base = describe().build()
        model = qlora(base)
        losses.append([])
        for _ in range(3):
            if answers:
                generate_texts(model, prompts, 3)
            losses[-1].append(step(model))
    assert losses[0] == losses[1]
    assert losses[0][2] < losses[0][0]


def test_the_model_answers_in_evaluation_as_in_training(base):
    model = qlora(base).model
    ids = torch.arange(20, 32)[None]
    with torch.no_grad():
        logits = [model.train(mode)(input_ids=ids).logits for mode in (True, False, True)]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_it_trains_saves_reloads_and_advises(tmp_path, make_batch, step):
    description = describe(quantization="nf4")
    base = describe().build()
    model = qlora(base)
    for _ in range(2):
        step(model)
    save_trained(tmp_path / "adapter", model, description)
    loaded = load_trained(tmp_path).backbone
    assert any(is_quantized(parameter) for parameter in loaded.model.parameters())
    ids = torch.arange(20, 32)[None]
    with torch.no_grad():
        assert torch.equal(model.model.eval()(input_ids=ids).logits, loaded.model(input_ids=ids).logits)
    prompts = make_batch([make_problem(0), make_problem(1)], generation=True)
    assert generate_texts(loaded, prompts, 8) == generate_texts(model, prompts, 8)


def test_the_adapter_goes_onto_the_base_in_full_precision_where_asked(tmp_path):
    base = describe().build()
    save_trained(tmp_path / "adapter", qlora(base), describe(quantization="nf4"))
    loaded = load_trained(tmp_path, full_precision=True).backbone
    assert not any(is_quantized(parameter) for parameter in loaded.model.parameters())


def test_without_bitsandbytes_the_sentence_says_what_to_do(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn", None)
    with pytest.raises(ConfigError, match=r"needs bitsandbytes.*pip install bitsandbytes, or choose adapter=lora"):
        qlora(base)
