"""How the language model computes changes what it costs, not what it learns."""

import copy

import pytest
import torch

from mixlab.chat.encoder import IGNORED
from mixlab.errors import ConfigError
from mixlab.models.backbones.base import Backbone
from mixlab.models.compute import apply_compute
from mixlab.models.settings import Compute

from .conftest import make_problem, response_loss, small_lora


def computing(attention="sdpa", compile=False, recompute_activations=False):
    return Compute(attention=attention, compile=compile, recompute_activations=recompute_activations)


def adapted(base, compute):
    """A copy of the tiny model with an adapter, set up for training."""
    own = Backbone(copy.deepcopy(base.model), base.processor, base.family)
    torch.manual_seed(0)
    model = small_lora(own)
    backbone = Backbone(model, base.processor, base.family)
    apply_compute(compute, backbone)
    model.train()
    return backbone


def loss_and_gradients(backbone, batch):
    torch.manual_seed(0)
    module = response_loss(backbone, gain_weight=1.0, move_weight=1.0)
    loss, _ = module(backbone.model, batch)
    loss.backward()
    return [loss, *(p.grad for p in backbone.model.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    "compute",
    [
        computing("eager"),
        computing(recompute_activations=True),
        pytest.param(computing(compile=True), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_loss_and_gradients_are_the_same(base, make_batch, compute):
    batch = make_batch([make_problem(0), make_problem(1, stems=("bass", "other"))])
    plain = loss_and_gradients(adapted(base, computing()), batch)
    found = loss_and_gradients(adapted(base, compute), batch)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_recomputed_activations_are_those_of_the_language_model_alone(base, make_batch):
    backbone = adapted(base, computing(recompute_activations=True))
    runs = {"audio_tower": 0, "language_model": 0}

    def counting(part):
        def count(*_):
            runs[part] += 1

        return count

    backbone.part("audio_tower").layers[0].fc1.register_forward_hook(counting("audio_tower"))
    backbone.part("language_model").layers[0].input_layernorm.register_forward_hook(counting("language_model"))
    loss_and_gradients(backbone, make_batch([make_problem(0)]))
    assert runs == {"audio_tower": 1, "language_model": 2}


def test_without_its_mask_padding_on_the_right_leaves_the_loss_as_it_is(base, make_batch):
    long, short = make_problem(0), make_problem(1, stems=("bass", "other"))
    batch = make_batch([long, short])
    assert (batch["attention_mask"] == 0).any()
    language_model = base.part("language_model")
    masks = []
    language_model.register_forward_pre_hook(
        lambda module, args, kwargs: masks.append(kwargs["attention_mask"]), with_kwargs=True
    )
    loss, _ = response_loss(base)(base.model, batch)
    states = base.model.model(**base.family.inputs(batch)).last_hidden_state
    targets = batch["labels"][:, 1:] != IGNORED
    logits = base.model.lm_head(states[:, :-1][targets])
    expected = torch.nn.functional.cross_entropy(logits, batch["labels"][:, 1:][targets])
    torch.testing.assert_close(loss, expected)
    assert len(masks) == 2
    assert masks[1] is not None


def test_an_attention_that_is_not_installed_is_refused_by_its_key(base):
    with pytest.raises(ConfigError, match=r"compute\.attention is 'flash_attention_2'.*compute\.attention=sdpa"):
        apply_compute(computing("flash_attention_2"), base)
