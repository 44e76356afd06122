"""Models answer on every device what they answer on one, whoever is asked how much."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
import torch

from mixlab.errors import ConfigError
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


def test_a_mix_is_heard_at_segments_far_apart_with_everything_else_the_same(bank):
    for problem in bank.problems("test")[:5]:
        first, *others = bank.heard_at(problem, 3)
        assert first == problem
        assert 1 <= len(others) <= 2
        for other in others:
            assert replace(other, start_s=problem.start_s) == problem
            assert set(problem.stems) <= set(bank.segment(other).stems)
        assert len({other.start_s for other in (first, *others)}) == 1 + len(others)


def test_several_segments_get_one_answer_whose_scores_were_added_up(bank, encoder, answerer, answered_by):
    problems = bank.problems("test")[:5]
    heard = Answering(bank, encoder, Process(), segments=2).answer(answerer, problems)
    assert [prediction.problem for prediction in heard] == problems
    # The same mix one by one, its segments in either order: batches change nothing.
    for problem, together in zip(problems, heard, strict=True):
        (alone,) = Answering(bank, encoder, Process(), segments=2).answer(answerer, [problem])
        assert alone == together
    assert Answering(bank, encoder, Process(), segments=2).answer(answerer, []) == []


def test_every_process_answers_whole_mixes(bank, encoder, answerer):
    problems = bank.problems("test")[:5]
    alone = Answering(bank, encoder, Process(), segments=3).answer(answerer, problems)
    shares = []
    for rank in range(2):
        with pytest.raises(Parted) as parted:
            Answering(bank, encoder, Process(rank, 2), segments=3).answer(answerer, problems)
        shares.append(parted.value.args[0])
    assert Answering(bank, encoder, Process(0, 2, shares), segments=3).answer(answerer, problems) == alone


def test_exported_clips_are_one_segment_of_each_mix(encoder):
    with pytest.raises(ConfigError, match=r"evaluation.segments is 2, but an exported data set has one segment"):
        Answering(SimpleNamespace(can_vary=False), encoder, Process(), segments=2)


def test_nothing_is_asked_about_nothing(bank, encoder, answerer):
    assert Answering(bank, encoder, Process()).answer(answerer, []) == []
