"""Protocols in which only some stems may be at fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mixlab.synthesis.draw import draw_problem, drawable
from mixlab.synthesis.seeds import generator

TARGETS = ("vocals", "drums", "bass")


@pytest.fixture
def limited(protocol):
    """The predecessor's protocol: one of three stems is at fault, and one of them is the anchor."""
    return replace(protocol, anchor="random", error=protocol.error.but(targets=TARGETS))


def test_no_other_stem_is_at_fault_or_the_anchor(segment, limited):
    problems = [draw_problem(segment(), limited, generator(3, index), "item") for index in range(600)]
    assert set(Counter(problem.anchor for problem in problems)) == set(TARGETS)
    faults = Counter((problem.anchor, error.stem) for problem in problems for error in problem.errors)
    assert len(faults) == 6
    assert min(faults.values()) > 50
    assert all("other" in problem.candidates for problem in problems)


def test_with_all_stems_as_targets_the_draw_is_the_same_as_without(segment, protocol):
    some = segment("bass", "drums", "vocals")
    named = replace(protocol, error=protocol.error.but(targets=TARGETS))
    for index in range(50):
        assert draw_problem(some, named, generator(index), "item") == draw_problem(
            some, protocol, generator(index), "item"
        )


def test_a_segment_in_which_no_target_could_be_at_fault_is_not_asked_about(segment, limited, protocol):
    lonely, pair = segment("bass", "other"), segment("bass", "drums", "other")
    assert drawable([lonely, pair], limited) == [pair]
    assert drawable([lonely, pair], replace(limited, anchor="bass")) == [pair]
    assert drawable([lonely, pair], replace(limited, anchor="other")) == [lonely, pair]
    assert drawable([lonely, pair], protocol) == [lonely, pair]


@pytest.mark.parametrize("rule", ["random", "per_segment", "most_active"])
def test_every_rule_finds_an_anchor_among_the_targets(segment, limited, rule):
    chosen = replace(limited, anchor=rule)
    rng = np.random.default_rng(0)
    songs = [segment("other", "drums", "vocals", song_id=f"song{number}") for number in range(20)]
    assert {draw_problem(song, chosen, rng, "item").anchor for song in songs} <= {"drums", "vocals"}
