"""The convolutional regressor hears balance and not level, learns it, and is trained once for the same items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mixlab.baselines import gain_net as net
from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import Chance
from mixlab.baselines.conv_regressor import ConvRegressor
from mixlab.scoring import score


class Short(ConvRegressor):
    """Trained for as long as simulated songs need."""

    steps = 80


STEMS = ["bass", "drums", "other", "vocals"]


@pytest.fixture(scope="module")
def train(draw):
    return draw(60, seed=1)


@pytest.fixture(scope="module")
def fitted(train, tmp_path_factory):
    regressor = Short(cache_dir=tmp_path_factory.mktemp("cache"))
    regressor.fit(train)
    return regressor


def joint(baseline, items):
    return score(predictions_of(items, baseline.advise(items)), resamples=0).headline["joint_accuracy"]


def test_it_learns_which_stem_is_off_and_which_way(fitted, train, draw):
    heldout = draw(80, seed=2)
    chance = Chance()
    chance.fit(train)
    assert joint(fitted, heldout) > joint(chance, heldout) + 0.35


def test_a_common_gain_changes_no_advice(fitted, draw):
    items = draw(20, seed=3)
    louder = [replace(item, log_mel=item.log_mel + np.float32(6.0 / 40.0)) for item in items]
    assert fitted.advise(louder) == fitted.advise(items)


def test_it_never_moves_the_anchor_or_a_stem_that_is_not_there(fitted, draw):
    for item in draw(30, seed=4):
        (advice,) = fitted.advise([item])
        assert {move.stem for move in advice.moves} <= set(item.problem.candidates)


def test_what_was_trained_on_the_same_items_is_read_and_not_trained_again(fitted, train, monkeypatch):
    def never(*arguments):
        raise AssertionError("trained again")

    again = Short(cache_dir=fitted.cache_dir)
    with monkeypatch.context() as patched:
        patched.setattr(net, "train", never)
        again.fit(train)
        assert again.advise(train) == fitted.advise(train)
        assert again.figures() == fitted.figures()
        with pytest.raises(AssertionError, match="trained again"):
            again.fit(train[:-1])


def test_training_leaves_the_generator_of_others_alone_and_is_repeatable(train):
    clips = net.Clips.of(train, STEMS)
    rows = np.arange(len(train))
    before = torch.get_rng_state()
    one, other = (net.estimate(net.train(clips, rows, 3), clips) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_other_errors_sound_as_if_they_had_been_injected(draw):
    """Swapping an item's error for another's gives the features of the item with that error."""
    items = draw(4, seed=5)
    clips = net.Clips.of(items, STEMS)
    asked = np.array([0])
    zero = clips.batch(asked, np.zeros((1, 4), dtype=np.float32))
    wanted_db = np.array([[0.0, 6.0, 0.0, 0.0]], dtype=np.float32)
    louder = clips.batch(asked, wanted_db)
    drums = items[0].problem.stems.index("drums")
    difference = (louder.features - zero.features)[0]
    assert difference[drums].numpy() == pytest.approx(6.0 / 40.0, abs=1e-3)
    assert np.delete(difference.numpy(), drums, axis=0) == pytest.approx(0.0, abs=1e-6)
    assert louder.relative_errors_db[0].tolist() == [0.0, 6.0, 0.0, 0.0]


def test_clips_that_sum_stems_are_judged_too(draw):
    items = [
        replace(item, log_mel=item.log_mel[:2], clip_stems=(item.problem.stems[:1], item.problem.stems[1:]))
        for item in draw(40, seed=6)
    ]
    regressor = Short()
    regressor.fit(items)
    assert len(regressor.advise(items)) == len(items)


def test_it_needs_items_and_fitting(draw):
    with pytest.raises(ValueError, match="training items"):
        Short().fit([])
    with pytest.raises(RuntimeError, match="fit the baseline"):
        Short().advise(draw(1))
