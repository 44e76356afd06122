"""LoRA layers that merge give what PEFT's own layers give."""

import copy
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners import lora as peft_lora
from torch import nn

from mixlab.models.generate import generate_texts
from mixlab.models.merged_lora import MergedLoraLinear, merge_where_cheaper

from .conftest import make_problem, small_lora


def adapted(width=64, rank=32, dtype=torch.float32, merging=True, **settings):
    """A linear layer under a LoRA adapter that has learnt something."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, width)).to(dtype)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["0"], **settings)
    if merging:
        merge_where_cheaper(config)
    model = get_peft_model(model, config)
    nn.init.normal_(model.base_model.model[0].lora_B["default"].weight)
    return model


def layers(model):
    return [module for module in model.modules() if isinstance(module, peft_lora.Linear)]


def outputs_and_gradients(model, tokens):
    x = torch.randn(tokens, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    out = model(x)
    out.square().sum().backward()
    return [out, x.grad, *(p.grad for p in model.parameters() if p.requires_grad)]


@pytest.mark.parametrize("tokens", [4, 1000])
def test_merging_changes_neither_outputs_nor_gradients(tokens):
    plain, merging = adapted(merging=False), adapted()
    assert isinstance(layers(merging)[0], MergedLoraLinear)
    for ours, theirs in zip(outputs_and_gradients(merging, tokens), outputs_and_gradients(plain, tokens), strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


@pytest.mark.parametrize("fused", [False, True])
def test_a_kept_weight_follows_the_optimizer(fused):
    model = adapted()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, fused=fused)
    x = torch.randn(3, 64)
    with torch.no_grad():
        before = model(x)
        assert torch.equal(before, model(x))
    model(x).square().sum().backward()
    optimizer.step()
    plain = adapted(merging=False)
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        after = model(x)
        assert not torch.allclose(after, before)
        torch.testing.assert_close(after, plain(x))


def test_a_kept_weight_follows_loaded_weights_and_a_switched_off_adapter():
    model = adapted()
    x = torch.randn(3, 64)
    state = {
        name: torch.zeros_like(tensor) if "lora_B" in name else tensor for name, tensor in model.state_dict().items()
    }
    with torch.no_grad():
        before = model(x)
        with model.disable_adapter():
            bare = model(x)
        assert torch.equal(model(x), before)
        model.load_state_dict(state)
        torch.testing.assert_close(model(x), bare)
    assert not torch.allclose(before, bare)


@pytest.mark.parametrize(
    "settings",
    [
        {"lora_dropout": 0.1},
        {"use_dora": True},
        {"lora_bias": True},
        {"width": 256, "rank": 4},
        {"dtype": torch.bfloat16},
    ],
)
def test_layers_that_would_not_gain_or_are_not_plain_stay_as_they_are(settings):
    model = adapted(**settings)
    assert type(layers(model)[0]) is peft_lora.Linear


def test_in_bfloat16_the_update_keeps_a_path_of_its_own():
    plain, merging = adapted(merging=False), adapted()
    x = torch.randn(1000, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(merging(x), plain(x))


def test_the_folder_of_a_merging_adapter_is_plain_peft(base, make_batch, tmp_path):
    untouched = copy.deepcopy(base.model)
    model = small_lora(base, r=32)
    assert any(isinstance(layer, MergedLoraLinear) for layer in layers(model))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(untouched, str(tmp_path))
    batch = make_batch([make_problem(0), make_problem(1)], generation=True)
    texts = [generate_texts(replace(base, model=either), batch, 12) for either in (model, loaded)]
    assert texts[0] == texts[1]
    inputs = base.family.inputs(batch)
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits, loaded(**inputs).logits, atol=1e-4, rtol=1e-4)
