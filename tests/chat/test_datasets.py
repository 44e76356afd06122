"""Datasets of encoded examples: what an example is does not depend on what was read before it."""

import pytest

from mixlab.chat.datasets import EpochSampler, HeldoutExamples, TrainingExamples, generation_loader


@pytest.fixture(scope="module")
def bank(demo_source, build_small):
    """The demo songs, a clip a stem."""
    return build_small(demo_source, "inputs.layout=stems")


def bytes_of(item) -> bytes:
    return b"".join(
        [item.text.input_ids.tobytes(), item.text.labels.tobytes(), *(clip.tobytes() for clip in item.waveforms)]
    )


def test_an_item_does_not_depend_on_what_was_read_before(bank, encoder):
    dataset, fresh = (TrainingExamples(bank.training(), bank.examples, encoder) for _ in range(2))
    forwards = [bytes_of(dataset[0, index]) for index in range(6)]
    backwards = [bytes_of(fresh[0, index]) for index in reversed(range(6))]
    assert forwards == backwards[::-1]


def test_the_sampler_names_epoch_and_index():
    sampler = EpochSampler(3)
    assert list(sampler) == [(0, 0), (0, 1), (0, 2)]
    sampler.set_epoch(4)
    assert list(sampler) == [(4, 0), (4, 1), (4, 2)]
    assert len(sampler) == 3


def test_processes_share_an_epoch_in_turn():
    shares = [list(EpochSampler(6, rank, world_size=2)) for rank in range(2)]
    assert [pair for turn in zip(*shares, strict=True) for pair in turn] == list(EpochSampler(6))


def test_items_for_generation_end_where_the_response_starts(bank, encoder):
    problems = bank.problems("test")[:1]
    with_response = HeldoutExamples(problems, bank.examples, encoder, with_response=True)[0]
    prompt = HeldoutExamples(problems, bank.examples, encoder, with_response=False)[0]
    size = prompt.text.input_ids.size
    assert (with_response.text.input_ids[:size] == prompt.text.input_ids).all()
    assert with_response.text.input_ids.size > size
    for heard, also in zip(prompt.waveforms, with_response.waveforms, strict=True):
        assert heard.tobytes() == also.tobytes()
    assert len(HeldoutExamples(problems, bank.examples, encoder, with_response=True)) == 1


def test_prompts_are_padded_on_the_left_and_carry_their_examples(bank, encoder):
    problems = bank.problems("test")[:3]
    (batch,) = generation_loader(bank, encoder, problems)
    assert batch["attention_mask"][:, -1].all()
    assert not (batch["labels"] >= 0).any()
    assert [example.problem for example in batch["examples"]] == problems
