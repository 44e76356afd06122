"""Collation: texts are padded on one side, clips line up in prompt order, nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mixlab.data.collate import MOVES, Collator, move_batch
from mixlab.data.dataset import ExampleMaker, TrainingDataset
from mixlab.data.encoder import IGNORED
from mixlab.language.advice import Direction
from mixlab.multitrack.song import STEMS


@pytest.fixture(scope="module")
def encoded(maker, demo_segments):
    """Six encoded examples of different lengths."""
    dataset = TrainingDataset(maker, demo_segments, seed=0)
    items = [dataset[0, index] for index in range(6)]
    assert len({item.text.input_ids.size for item in items}) > 1
    return items


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_padding_stands_on_one_side_and_hides_nothing(encoded, encoder, left):
    batch = Collator(encoder.pad_token_id, left=left)(encoded)
    width = max(item.text.input_ids.size for item in encoded)
    assert batch["input_ids"].shape == (6, width)
    for row, item in enumerate(encoded):
        size = item.text.input_ids.size
        inside = slice(width - size, width) if left else slice(0, size)
        outside = slice(0, width - size) if left else slice(size, width)
        np.testing.assert_array_equal(batch["input_ids"][row, inside], item.text.input_ids)
        np.testing.assert_array_equal(batch["labels"][row, inside], item.text.labels)
        np.testing.assert_array_equal(batch["decisive"][row, inside], item.text.decisive)
        assert batch["attention_mask"][row, inside].all()
        assert (batch["input_ids"][row, outside] == encoder.pad_token_id).all()
        assert (batch["labels"][row, outside] == IGNORED).all()
        assert not batch["attention_mask"][row, outside].any()
        assert not batch["decisive"][row, outside].any()


def test_clips_of_all_examples_line_up_in_prompt_order(encoded, encoder):
    batch = Collator(encoder.pad_token_id)(encoded)
    clips = [features for item in encoded for features in item.features]
    assert len(batch["input_features"]) == sum(len(item.example.clips) for item in encoded)
    for row, features in zip(batch["input_features"], clips, strict=True):
        np.testing.assert_array_equal(row, features)
    frames = np.concatenate([item.frames for item in encoded])
    np.testing.assert_array_equal(batch["feature_attention_mask"].sum(axis=1), frames)


def test_a_batch_of_many_holds_what_batches_of_one_hold(encoded, encoder):
    collate = Collator(encoder.pad_token_id)
    many = collate(encoded)
    singles = [collate([item]) for item in encoded]
    torch.testing.assert_close(many["input_features"], torch.cat([single["input_features"] for single in singles]))
    for row, single in enumerate(singles):
        size = single["input_ids"].shape[1]
        assert torch.equal(many["input_ids"][row, :size], single["input_ids"][0])


def test_examples_travel_along_only_where_asked(encoded, encoder):
    assert "examples" not in Collator(encoder.pad_token_id)(encoded)
    batch = Collator(encoder.pad_token_id, keep_examples=True)(encoded)
    assert batch["examples"] == [item.example for item in encoded]
    assert move_batch(batch, torch.device("cpu"))["examples"] is batch["examples"]


def test_targets_are_relative_to_the_anchor(maker, demo_segments, protocol, relative, encoder):
    chosen = replace(protocol, error=relative, anchor="random")
    dataset = TrainingDataset(ExampleMaker(maker.store, chosen, maker.inputs, encoder), demo_segments, seed=0)
    items = [dataset[0, index] for index in range(12)]
    batch = Collator(encoder.pad_token_id)(items)
    clips = iter(batch["clip_error_db"])
    for item, moves in zip(items, batch["moves"], strict=True):
        problem = item.example.problem
        for clip in item.example.clips:
            (stem,) = clip.stems
            row = next(clips)
            assert row[STEMS.index(stem)] == pytest.approx(problem.relative_error_db(stem))
            assert torch.isnan(row).sum() == len(STEMS) - 1
        for stem, move in zip(STEMS, moves, strict=True):
            gain_db = problem.needed_gains_db.get(stem, 0.0)
            assert move == (MOVES.index(Direction.of(gain_db)) if stem in problem.candidates else IGNORED)
    assert any(item.example.problem.error_db(item.example.problem.anchor) for item in items)


def test_tensors_have_the_types_that_the_model_takes(encoded, encoder):
    batch = Collator(encoder.pad_token_id)(encoded)
    assert {key: tensor.dtype for key, tensor in batch.items()} == {
        "input_ids": torch.int64,
        "attention_mask": torch.int64,
        "labels": torch.int64,
        "decisive": torch.bool,
        "input_features": torch.float32,
        "feature_attention_mask": torch.int64,
        "clip_error_db": torch.float32,
        "moves": torch.int64,
    }
