"""How the language model computes changes what it costs, not what it learns."""

import copy

import pytest
import torch

from mixlab.data.encoder import IGNORED
from mixlab.errors import ConfigError
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.base import Backbone
from mixlab.models.compute import Compute
from mixlab.models.loss import LossSettings, ResponseLoss

from .conftest import make_problem

PLAIN = Compute("sdpa", compile=False, recompute_activations=False)


def adapted(base, compute):
    """A copy of the tiny model with an adapter, set up for training."""
    own = Backbone(copy.deepcopy(base.model), base.processor, base.family)
    torch.manual_seed(0)
    model = lora(own, 4, 2.0, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=True)
    backbone = Backbone(model, base.processor, base.family)
    compute.apply(backbone)
    model.train()
    return backbone


def loss_and_gradients(backbone, batch):
    torch.manual_seed(0)
    module = ResponseLoss(LossSettings(gain_weight=1.0, move_weight=1.0), backbone)
    loss, _ = module(backbone.model, batch)
    loss.backward()
    return [loss, *(p.grad for p in backbone.model.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    "compute",
    [
        Compute("eager", compile=False, recompute_activations=False),
        Compute("sdpa", compile=False, recompute_activations=True),
        pytest.param(Compute("sdpa", compile=True, recompute_activations=False), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_loss_and_gradients_are_the_same(base, make_batch, compute):
    batch = make_batch([make_problem(0), make_problem(1, stems=("bass", "other"))])
    plain = loss_and_gradients(adapted(base, PLAIN), batch)
    found = loss_and_gradients(adapted(base, compute), batch)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_recomputed_activations_are_those_of_the_language_model_alone(base, make_batch):
    backbone = adapted(base, Compute("sdpa", compile=False, recompute_activations=True))
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
    loss, _ = ResponseLoss(LossSettings(), base)(base.model, batch)
    states = base.model.model(**base.family.inputs(batch)).last_hidden_state
    targets = batch["labels"][:, 1:] != IGNORED
    logits = base.model.lm_head(states[:, :-1][targets])
    expected = torch.nn.functional.cross_entropy(logits, batch["labels"][:, 1:][targets])
    torch.testing.assert_close(loss, expected)
    assert len(masks) == 2
    assert masks[1] is not None


def test_an_attention_that_is_not_installed_is_refused_by_its_key(base):
    with pytest.raises(ConfigError, match=r"compute\.attention is 'flash_attention_2'.*compute\.attention=sdpa"):
        Compute("flash_attention_2", compile=False, recompute_activations=False).apply(base)
