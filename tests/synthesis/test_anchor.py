"""Anchors by rule: always among the active stems, and as fixed as their rule says."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.multitrack.song import STEMS
from mixlab.synthesis.anchor import AnchorRule, choose_anchor, fixed_anchor
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.seeds import generator

ACTIVE = st.sets(st.sampled_from(STEMS), min_size=2).map(lambda stems: tuple(sorted(stems)))


@given(st.integers(0, 2**32 - 1), ACTIVE, st.sampled_from(AnchorRule))
def test_the_anchor_is_an_active_stem_and_stands_first(segment, protocol, seed, active, rule):
    found = replace(segment(*active), active_ratio=dict.fromkeys(active, 0.5))
    problem = draw_problem(found, replace(protocol, anchor=str(rule)), generator(seed), "item")
    assert problem.anchor in active
    assert problem.stems[0] == problem.anchor
    assert sorted(problem.stems) == list(active)


def test_a_random_anchor_is_each_active_stem_equally_often(segment, protocol):
    random = replace(protocol, anchor="random")
    anchors = Counter(draw_problem(segment(), random, generator(1, index), "item").anchor for index in range(2000))
    assert set(anchors) == set(STEMS)
    assert min(anchors.values()) > 430


def test_a_segment_keeps_its_own_anchor_whatever_is_drawn(segment):
    segments = [replace(segment(song_id=f"song{number}"), start_s=float(number % 7)) for number in range(400)]
    first, again = (
        [choose_anchor(one, "per_segment", np.random.default_rng(seed)) for one in segments] for seed in (1, 2)
    )
    assert first == again
    assert min(Counter(first).values()) > 60
    # A stem that falls silent changes the anchor only where it was the anchor.
    for one, anchor in zip(segments, first, strict=True):
        less = replace(one, stems=tuple(stem for stem in one.stems if stem != "drums"))
        assert anchor == "drums" or choose_anchor(less, "per_segment", np.random.default_rng(0)) == anchor


def test_the_most_active_stem_wins_and_of_equals_the_loudest(segment):
    rng = np.random.default_rng(0)
    quiet = {"bass": -20.0, "drums": -25.0, "other": -22.0, "vocals": -18.0}
    busy = replace(segment(), lufs=quiet, active_ratio={"bass": 0.9, "drums": 1.0, "other": 0.4, "vocals": 0.8})
    assert choose_anchor(busy, "most_active", rng) == "drums"
    even = replace(busy, active_ratio=dict.fromkeys(STEMS, 1.0))
    assert choose_anchor(even, "most_active", rng) == "vocals"


@pytest.mark.parametrize("anchor", STEMS)
def test_a_stem_is_its_own_rule(segment, anchor):
    assert fixed_anchor(anchor) == anchor
    assert choose_anchor(segment(), anchor, np.random.default_rng(0)) == anchor
    assert {fixed_anchor(str(rule)) for rule in AnchorRule} == {None}
