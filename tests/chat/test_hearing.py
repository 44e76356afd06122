"""Prompts made elsewhere: the same as those made here, and nothing that is large travels with them."""

import pytest
import torch

from mixlab.chat.hearing import Hearing


@pytest.fixture(scope="module")
def bank(demo_source, build_small):
    """The demo songs, a clip a stem."""
    return build_small(demo_source, "inputs.layout=stems")


def own(problems):
    return [(problem, problem) for problem in problems]


def test_batches_come_in_the_order_that_they_are_asked_for_in_with_their_examples(bank, encoder):
    problems = bank.problems("test")[:3]
    hearing = Hearing(bank.examples, encoder, workers=0)
    for order in (problems, problems[::-1]):
        first, second = hearing.batches([own(order[:2]), own(order[2:])])
        assert [example.problem for example in first["examples"] + second["examples"]] == order
        assert first["attention_mask"][:, -1].all()
        assert not (first["labels"] >= 0).any()


def test_features_are_those_of_the_clips_and_samples_stay_behind(bank, encoder):
    (problem,) = bank.problems("test")[:1]
    (batch,) = Hearing(bank.examples, encoder, workers=0).batches([own([problem])])
    (example,) = batch["examples"]
    heard = bank.examples.example(problem)
    assert [(clip.label, clip.stems) for clip in example.clips] == [(clip.label, clip.stems) for clip in heard.clips]
    assert all(clip.samples.size == 0 for clip in example.clips)
    assert (batch["input_features"].numpy() == encoder.features([clip.samples for clip in heard.clips])).all()


def test_with_the_clips_of_another_item_the_words_stay(bank, encoder):
    first, second = bank.problems("test")[:2]
    hearing = Hearing(bank.examples, encoder, workers=0)
    (other,) = hearing.batches([[(first, second)]])
    (alone,) = hearing.batches([own([second])])
    (example,) = other["examples"]
    assert (example.problem, example.prompt) == (first, bank.examples.example(first).prompt)
    assert torch.equal(other["input_features"], alone["input_features"])


@pytest.mark.slow
def test_other_processes_make_the_same_again_and_again(bank, encoder):
    problems = bank.problems("test")[:5]
    hearing = Hearing(bank.examples, encoder, workers=1)
    for asked in (problems, problems[::-1], problems[:1]):
        batches = [own(asked[:3]), *([own(asked[3:])] if asked[3:] else [])]
        here = list(Hearing(bank.examples, encoder, workers=0).batches(batches))
        for one, other in zip(hearing.batches(batches), here, strict=True):
            assert [example.problem for example in one["examples"]] == [
                example.problem for example in other["examples"]
            ]
            assert torch.equal(one["input_ids"], other["input_ids"])
            assert torch.equal(one["input_features"], other["input_features"])
