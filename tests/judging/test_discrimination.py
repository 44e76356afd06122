"""What scores tell apart: the area under the ROC curve, its interval by song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mixlab.judging.discrimination import Figures, auc
from mixlab.scoring.bootstrap import SongBootstrap

points = st.lists(st.integers(1, 5), min_size=1, max_size=30)


@given(right=points, wrong=points)
def test_the_area_is_that_of_sklearn_with_ties(right, wrong):
    expected = roc_auc_score([1] * len(right) + [0] * len(wrong), right + wrong)
    assert auc(np.array(right, float), np.array(wrong, float)) == pytest.approx(expected)


def test_each_resample_is_the_area_of_the_songs_that_it_drew():
    rng = np.random.default_rng(0)
    songs = [f"song{index // 3}" for index in range(21)]
    right, wrong = rng.integers(2, 6, 21).astype(float), rng.integers(1, 5, 21).astype(float)
    found = Figures(songs, resamples=200, seed=5).auc(right, wrong)
    drawn = SongBootstrap(songs, 200, 5).means(np.eye(7)[np.repeat(np.arange(7), 3)])
    areas = []
    for shares in drawn:
        times = np.rint(np.repeat(shares, 3) * 7).astype(int)
        kept = times > 0
        labels, scores = [1] * kept.sum() + [0] * kept.sum(), [*right[kept], *wrong[kept]]
        areas.append(roc_auc_score(labels, scores, sample_weight=[*times[kept], *times[kept]]))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])))
    assert found.value == pytest.approx(auc(right, wrong))


def test_chance_perfect_and_reversed_scores():
    songs = [str(index) for index in range(6)]
    assert Figures(songs).auc(np.ones(6), np.ones(6)).value == 0.5
    assert Figures(songs).auc(np.full(6, 5.0), np.ones(6)).value == 1.0
    assert Figures(songs).auc(np.ones(6), np.full(6, 5.0)).value == 0.0


def test_an_item_counts_where_both_texts_have_a_score():
    found = Figures(["a", "b", "c", "d"]).auc([5, np.nan, 4, 1], [1, 1, np.nan, 5])
    assert (found.items, found.value) == (2, 0.5)
    assert Figures(["a"]).auc([np.nan], [1.0]).flat("x") == {}
    assert Figures(["a", "b"]).mean([np.nan, 3.0]).items == 1
    assert np.isnan(Figures(["a"]).mean([np.nan]).value)
