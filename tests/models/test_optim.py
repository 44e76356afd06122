import pytest
import torch
from torch import nn

from mixlab.models.optim import AdamWCosine, MuonCosine, Together

from .conftest import adamw


class Model(nn.Module):
    """A layer, and a head outside of the layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.head = nn.Linear(4, 2)
        self.layers[1].requires_grad_(False)

    def forward(self, x):
        return self.head(self.layers[1](self.layers[0](x)))


def muon():
    return MuonCosine(lr=1e-2, weight_decay=0.0, warmup_steps=2, lora_b_factor=1.0, matrix_lr=1e-1)


def train(model, optimizer, schedule, steps):
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(("step", "factor"), [(0, 0.5), (1, 1.0), (2, 1.0), (6, 0.5), (10, 0.0)])
def test_the_rate_warms_up_and_falls_to_zero(step, factor):
    optim = AdamWCosine(lr=1e-3, weight_decay=0.0, warmup_steps=2, lora_b_factor=1.0)
    assert optim.factor(step, 10) == pytest.approx(factor)


def test_muon_turns_the_matrices_inside_layers_and_adamw_all_else():
    model = Model()
    optimizer, _ = muon().build(model.named_parameters(), 10)
    assert isinstance(optimizer, Together)
    by_muon, by_adamw = (
        {id(p) for group in part.param_groups for p in group["params"]} for part in optimizer.optimizers
    )
    assert by_muon == {id(model.layers[0].weight)}
    assert by_adamw == {id(p) for p in (model.layers[0].bias, model.head.weight, model.head.bias)}


def test_frozen_weights_stay_and_all_others_move():
    torch.manual_seed(0)
    model = Model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, *muon().build(model.named_parameters(), 10), steps=3)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"layers.0.weight", "layers.0.bias", "head.weight", "head.bias"}


def test_the_schedule_reaches_both_parts():
    model = Model()
    optimizer, schedule = muon().build(model.named_parameters(), 10)
    train(model, optimizer, schedule, steps=10)
    assert [group["lr"] for part in optimizer.optimizers for group in part.param_groups] == [0.0, 0.0, 0.0]


def test_training_goes_on_from_a_saved_state_as_if_never_stopped():
    torch.manual_seed(0)
    whole, halves = Model(), Model()
    halves.load_state_dict(whole.state_dict())
    train(whole, *muon().build(whole.named_parameters(), 10), steps=6)
    optimizer, schedule = muon().build(halves.named_parameters(), 10)
    train(halves, optimizer, schedule, steps=3)
    saved = optimizer.state_dict(), schedule.state_dict()
    optimizer, schedule = muon().build(halves.named_parameters(), 10)
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    train(halves, optimizer, schedule, steps=3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), halves.parameters(), strict=True))


def test_the_second_matrix_of_lora_has_a_rate_of_its_own():
    names = ("layers.0.q_proj.lora_A.default.weight", "layers.0.q_proj.lora_B.default.weight", "head.bias")
    parameters = [
        (name, torch.nn.Parameter(torch.zeros(2, 2)[: 1 + (number < 2)].squeeze())) for number, name in enumerate(names)
    ]
    optimizer, _ = adamw().build(parameters, 10)
    rates = {id(p): group["initial_lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for _, p in parameters] == pytest.approx([1e-3, 4e-3, 1e-3])
