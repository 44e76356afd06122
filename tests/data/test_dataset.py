"""Datasets: an item is a pure function of (seed, epoch, index); frozen items of the evaluation's seed alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.levels import rms_dbfs
from mixlab.data.dataset import EpochSampler, ProblemDataset, TrainingDataset, frozen_problems, group_by_song
from mixlab.synthesis.draw import LevelProtocol, PromptProtocol
from mixlab.synthesis.problem import PromptCategory


@pytest.fixture(scope="module")
def dataset(maker, demo_segments):
    return TrainingDataset(maker, demo_segments, seed=0)


def bytes_of(item) -> bytes:
    return b"".join(
        [item.text.input_ids.tobytes(), item.text.labels.tobytes(), *(clip.tobytes() for clip in item.waveforms)]
    )


def test_an_item_does_not_depend_on_what_was_read_before(dataset, maker, demo_segments):
    forwards = [bytes_of(dataset[0, index]) for index in range(6)]
    fresh = TrainingDataset(maker, demo_segments, seed=0)
    backwards = [bytes_of(fresh[0, index]) for index in reversed(range(6))]
    assert forwards == backwards[::-1]


@given(st.integers(0, 50), st.integers(0, 5000))
def test_epoch_index_and_seed_each_change_the_example(dataset, maker, demo_segments, epoch, index):
    here = replace(dataset.problem(epoch, index), item_id="")
    assert replace(dataset.problem(epoch + 1, index), item_id="") != here
    assert replace(dataset.problem(epoch, index + 1), item_id="") != here
    other = TrainingDataset(maker, demo_segments, seed=1)
    assert replace(other.problem(epoch, index), item_id="") != here


def test_every_song_is_heard_equally_often_in_an_order_that_changes(dataset):
    songs = len(dataset.song_ids)
    passes = [[dataset.problem(0, lap * songs + position).song_id for position in range(songs)] for lap in range(4)]
    assert all(sorted(order) == dataset.song_ids for order in passes)
    assert len({tuple(order) for order in passes}) == 4
    assert [dataset.problem(1, position).song_id for position in range(songs)] != passes[0]


def test_segments_are_grouped_by_song_in_their_order(demo_segments):
    grouped = group_by_song(demo_segments)
    assert sum(len(segments) for segments in grouped.values()) == len(demo_segments)
    for song_id, segments in grouped.items():
        assert {segment.song_id for segment in segments} == {song_id}
        assert [segment.start_s for segment in segments] == sorted(segment.start_s for segment in segments)


def test_the_sampler_names_epoch_and_index():
    sampler = EpochSampler(3)
    assert list(sampler) == [(0, 0), (0, 1), (0, 2)]
    sampler.set_epoch(4)
    assert list(sampler) == [(4, 0), (4, 1), (4, 2)]
    assert len(sampler) == 3


def test_every_song_is_asked_in_every_way(demo_segments, protocol):
    problems = frozen_problems(demo_segments, protocol, 4, seed=1, split="test")
    by_song: dict[str, list] = {}
    for problem in problems:
        by_song.setdefault(problem.song_id, []).append(problem.prompt_category)
    assert all(sorted(asked) == sorted(PromptCategory) for asked in by_song.values())
    assert len({tuple(asked) for asked in by_song.values()}) > 1
    assert len({problem.item_id for problem in problems}) == len(problems)


def test_a_prompt_category_without_weight_is_never_asked(demo_segments, protocol):
    prompt = PromptProtocol({"audio_only": 0.5, "advice_seeking": 0.5, "correct_description": 0.0})
    problems = frozen_problems(demo_segments, replace(protocol, prompt=prompt), 3, seed=1, split="test")
    assert set(Counter(problem.prompt_category for problem in problems)) == {"audio_only", "advice_seeking"}


@settings(max_examples=20)
@given(st.integers(1, 8), st.integers(1, 8))
def test_more_items_for_each_song_leave_the_first_ones_as_they_are(demo_segments, protocol, fewer, more):
    first = {p.item_id: p for p in frozen_problems(demo_segments, protocol, fewer, seed=1, split="test")}
    second = {p.item_id: p for p in frozen_problems(demo_segments, protocol, more, seed=1, split="test")}
    shared = first.keys() & second.keys()
    assert len(shared) == min(len(first), len(second))
    assert all(first[item] == second[item] for item in shared)


def test_items_of_a_song_do_not_depend_on_the_other_songs(demo_segments, protocol):
    some = [segment for segment in demo_segments if segment.song_id != demo_segments[0].song_id]
    everything = frozen_problems(demo_segments, protocol, 2, seed=1, split="test")
    assert frozen_problems(some, protocol, 2, seed=1, split="test") == [
        problem for problem in everything if problem.song_id != demo_segments[0].song_id
    ]


def test_seed_and_split_change_the_items(demo_segments, protocol):
    def items(seed, split):
        return [replace(p, item_id="") for p in frozen_problems(demo_segments, protocol, 2, seed, split)]

    assert items(1, "test") == items(1, "test")
    assert items(1, "test") != items(2, "test")
    assert items(1, "test") != items(1, "validation")


def test_items_for_generation_end_where_the_response_starts(maker, demo_segments, protocol):
    problems = frozen_problems(demo_segments[:1], protocol, 1, seed=1, split="test")
    with_response = ProblemDataset(maker, problems, with_response=True)[0]
    prompt = ProblemDataset(maker, problems, with_response=False)[0]
    size = prompt.text.input_ids.size
    assert (with_response.text.input_ids[:size] == prompt.text.input_ids).all()
    assert with_response.text.input_ids.size > size
    for heard, also in zip(prompt.waveforms, with_response.waveforms, strict=True):
        assert heard.tobytes() == also.tobytes()
    assert len(ProblemDataset(maker, problems, with_response=True)) == 1


def test_the_level_protocol_of_training_reaches_the_clips(maker, demo_segments, protocol):
    still = replace(protocol, level=LevelProtocol(headroom_dbfs=-32.0, master_range_db=0.0))
    problem = next(p for p in frozen_problems(demo_segments, still, 8, seed=1, split="test") if not p.errors)
    mixture = np.sum([clip.samples for clip in maker.example(problem).clips], axis=0)
    # Stems below the gate have no clip, so the clips may sum to a little less than the whole mixture.
    assert rms_dbfs(mixture) == pytest.approx(-32.0, abs=0.5)
