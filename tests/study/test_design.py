"""Items are drawn evenly; every system is rated on every item equally often, in a balanced order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.study.design import draw_evenly, plan, williams_square
from mixlab.study.settings import Session

SYSTEMS = ("a", "b", "c", "d", "e")


@given(st.integers(2, 9))
def test_in_a_williams_square_every_number_follows_every_other_one_equally_often(size):
    rows = williams_square(size)
    assert all(sorted(row) == list(range(size)) for row in rows)
    assert all(set(Counter(column).values()) == {len(rows) // size} for column in zip(*rows, strict=True))
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == size * (size - 1)
    assert len(set(follows.values())) == 1


def session(trials, repeats=0, instructed=(), pairs=0):
    return Session(trials=trials, repeats=repeats, instructed=instructed, pairs=pairs, minutes="20")


def main_trials(number, trials=10, items=11, **others):
    return [t for t in plan(number, items, SYSTEMS, session(trials, **others), 3) if t.kind == "main"]


def test_a_participant_meets_every_item_once_and_every_system_equally_often():
    for number in range(7):
        shown = main_trials(number)
        assert sorted(trial.item for trial in shown) == list(range(10))
        assert set(Counter(trial.systems for trial in shown).values()) == {2}


def test_over_as_many_participants_as_systems_each_item_is_rated_once_under_each_system():
    cells = Counter((t.item, t.systems) for number in range(5) for t in main_trials(number))
    assert len(cells) == 50
    assert set(cells.values()) == {1}


def test_more_items_than_trials_are_shared_out_over_participants():
    seen = Counter(t.item for number in range(20) for t in main_trials(number, trials=5, items=21))
    assert set(seen) == set(range(20))
    assert set(seen.values()) == {5}


@given(st.integers(0, 200))
def test_a_hidden_repeat_comes_in_the_second_half_and_long_after_its_first_time(number):
    shown = main_trials(number, repeats=2)
    places = {}
    for place, trial in enumerate(shown):
        if trial.is_repeat:
            assert place - places[trial.item, trial.systems] >= 3
        else:
            places[trial.item, trial.systems] = place
    assert sum(trial.is_repeat for trial in shown) == 2
    assert not any(trial.is_repeat for trial in shown[:5])


def test_instructed_trials_stand_neither_first_nor_last():
    for number in range(50):
        shown = main_trials(number, instructed=(2, 4))
        assert sorted(t.instructed for t in shown if t.instructed) == [2, 4]
        assert shown[0].instructed is None
        assert shown[-1].instructed is None


def test_training_comes_first_and_pairs_last_and_a_plan_is_always_the_same():
    planned = plan(4, 11, SYSTEMS, session(10, 1, (2,), 2), 3)
    assert planned == plan(4, 11, SYSTEMS, session(10, 1, (2,), 2), 3)
    assert [t.kind for t in planned] == ["training", *["main"] * 12, "pair", "pair"]
    assert planned[0].item == 10
    assert all(len(set(t.systems)) == 2 for t in planned[-2:])


def test_over_participants_all_pairs_of_systems_are_compared():
    pairs = Counter(
        frozenset(t.systems)
        for n in range(5)
        for t in plan(n, 11, SYSTEMS, session(10, pairs=2), 3)
        if t.kind == "pair"
    )
    assert len(pairs) == 10


@pytest.mark.parametrize("seed", range(5))
def test_the_levels_of_every_axis_come_up_equally_often_where_that_is_possible(seed):
    candidates = {f"{a}{b}{i}": (a, b) for a in "xyz" for b in "pq" for i in range(20 if a == "x" else 3)}
    chosen = draw_evenly(candidates, 12, np.random.default_rng(seed))
    assert len(set(chosen)) == 12
    assert set(Counter(candidates[name][0] for name in chosen).values()) == {4}
    assert set(Counter(candidates[name][1] for name in chosen).values()) == {6}
