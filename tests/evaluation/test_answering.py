"""Models answer on every device what they answer on one, whoever is asked how much."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from mixlab.evaluation.answering import Answering, LoadedModel
from mixlab.models.backbones.tiny import Tiny


class Parted(Exception):
    """Stands for the wait for the other processes; carries what this one has."""


@dataclass
class Process:
    """A process among several: at first it has nobody to wait for, then it knows what all have."""

    rank: int = 0
    world_size: int = 1
    shares: list | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def gather(self, part):
        if self.world_size == 1:
            return [part]
        if self.shares is None:
            raise Parted(part)
        assert part == self.shares[self.rank]
        return self.shares


@pytest.fixture(scope="module")
def answerer():
    """The model that learnt to describe, which says eight tokens."""
    return LoadedModel("model", "model", Tiny("listener").build(), 8)


@pytest.fixture(scope="module")
def bank(demo_source, build_small):
    """The demo songs, a clip a stem."""
    return build_small(demo_source, "inputs.layout=stems", "evaluation.items_per_song=2")


@pytest.fixture(scope="module")
def answered_by(bank, encoder, answerer):
    """What each of so many processes has as the answers to problems."""

    def answer(world_size, problems, audio_of=None):
        def ask(process):
            return Answering(bank, encoder, process).answer(answerer, problems, audio_of)

        shares = []
        for rank in range(world_size):
            with pytest.raises(Parted) as parted:
                ask(Process(rank, world_size))
            shares.append(parted.value.args[0])
        return [ask(Process(rank, world_size, shares)) for rank in range(world_size)]

    return answer


def test_one_process_answers_every_problem_in_its_order(bank, encoder, answerer):
    problems = bank.problems("test")[:7]
    predictions = Answering(bank, encoder, Process()).answer(answerer, problems)
    assert [prediction.problem for prediction in predictions] == problems
    assert all(prediction.text for prediction in predictions)
    assert all(prediction.reference for prediction in predictions)


@pytest.mark.parametrize("world_size", [2, 3])
def test_several_processes_have_together_and_each_what_one_has(bank, encoder, answerer, answered_by, world_size):
    problems = bank.problems("test")[:7]
    alone = Answering(bank, encoder, Process()).answer(answerer, problems)
    for predictions in answered_by(world_size, problems):
        assert predictions == alone


def test_a_process_without_a_share_waits_for_the_others(bank, encoder, answerer, answered_by):
    problems = bank.problems("test")[:1]
    alone = Answering(bank, encoder, Process()).answer(answerer, problems)
    assert answered_by(2, problems) == [alone, alone]


def test_the_clips_of_other_items_are_shared_out_with_the_items(bank, encoder, answerer, answered_by):
    problems = bank.problems("test")[:5]
    others = problems[1:] + problems[:1]
    alone = Answering(bank, encoder, Process()).answer(answerer, problems, others)
    assert [prediction.problem for prediction in alone] == problems
    assert alone != Answering(bank, encoder, Process()).answer(answerer, problems)
    for predictions in answered_by(2, problems, others):
        assert predictions == alone


def test_nothing_is_asked_about_nothing(bank, encoder, answerer):
    assert Answering(bank, encoder, Process()).answer(answerer, []) == []
