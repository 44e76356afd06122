"""Collation: texts are padded on one side, clips line up in prompt order, nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mixlab.chat.collate import MOVES, Collator, move_batch, with_features
from mixlab.chat.encoder import IGNORED
from mixlab.language.advice import Direction
from mixlab.multitrack.song import STEMS


@pytest.fixture(scope="module")
def encoded(encode_drawn, protocol):
    """Six encoded examples of different lengths."""
    items = encode_drawn(protocol, 6)
    assert len({item.text.input_ids.size for item in items}) > 1
    return items


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_padding_stands_on_one_side_and_hides_nothing(encoded, encoder, left):
    batch = Collator(encoder, features=True, left=left, roles=STEMS)(encoded)
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
    batch = Collator(encoder, features=True, roles=STEMS)(encoded)
    clips = [encoder.features([samples])[0] for item in encoded for samples in item.waveforms]
    assert len(batch["input_features"]) == sum(len(item.example.clips) for item in encoded)
    for row, features in zip(batch["input_features"], clips, strict=True):
        np.testing.assert_array_equal(row, features)
    assert (batch["feature_attention_mask"].sum(axis=1) == 160000 // 5000).all()


def test_features_are_the_same_in_the_worker_and_on_the_device(encoded, encoder):
    in_worker = Collator(encoder, features=True, roles=STEMS)(encoded)
    travelling = Collator(encoder, features=False, roles=STEMS)(encoded)
    assert travelling["waveforms"].dtype == torch.float32
    assert "input_features" not in travelling
    on_device = with_features(move_batch(travelling, torch.device("cpu")), encoder.front_end)
    assert on_device.keys() == in_worker.keys()
    for key, tensor in in_worker.items():
        torch.testing.assert_close(on_device[key], tensor, rtol=0.0, atol=0.0, equal_nan=True)


def test_a_batch_that_has_its_features_is_left_as_it_is(encoded, encoder):
    batch = Collator(encoder, features=True, roles=STEMS)(encoded)
    assert with_features(batch, encoder.front_end) is batch


def test_shorter_clips_end_in_zeros_and_their_frames_are_masked(encoded, encoder):
    waveforms = (np.ones(160000, np.float32), np.ones(52000, np.float32))
    batch = Collator(encoder, features=False, roles=STEMS)([replace(encoded[0], waveforms=waveforms)])
    assert batch["clip_samples"].tolist() == [160000, 52000]
    assert (batch["waveforms"][1, :52000] == 1).all()
    assert (batch["waveforms"][1, 52000:] == 0).all()
    assert with_features(batch, encoder.front_end)["feature_attention_mask"].sum(axis=1).tolist() == [32, 10]


def test_a_batch_of_many_holds_what_batches_of_one_hold(encoded, encoder):
    collate = Collator(encoder, features=True, roles=STEMS)
    many = collate(encoded)
    singles = [collate([item]) for item in encoded]
    torch.testing.assert_close(many["input_features"], torch.cat([single["input_features"] for single in singles]))
    for row, single in enumerate(singles):
        size = single["input_ids"].shape[1]
        assert torch.equal(many["input_ids"][row, :size], single["input_ids"][0])


def test_examples_travel_along_only_where_asked(encoded, encoder):
    assert "examples" not in Collator(encoder, features=True, roles=STEMS)(encoded)
    batch = Collator(encoder, features=False, keep_examples=True, roles=STEMS)(encoded)
    assert batch["examples"] == [item.example for item in encoded]
    assert move_batch(batch, torch.device("cpu"))["examples"] is batch["examples"]


def test_targets_are_relative_to_the_anchor(encode_drawn, protocol, relative, encoder):
    items = encode_drawn(replace(protocol, error=relative, anchor="random"), 12)
    batch = Collator(encoder, features=True, roles=STEMS)(items)
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
    batch = Collator(encoder, features=True, roles=STEMS)(encoded)
    assert {key: tensor.dtype for key, tensor in batch.items()} == {
        "input_ids": torch.int64,
        "attention_mask": torch.int64,
        "labels": torch.int64,
        "decisive": torch.bool,
        "clip_ends": torch.bool,
        "input_features": torch.float32,
        "feature_attention_mask": torch.int64,
        "clip_error_db": torch.float32,
        "moves": torch.int64,
    }
