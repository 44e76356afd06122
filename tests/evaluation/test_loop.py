"""The closed loop asks again about what its own advice left, at another level each time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixlab.evaluation.loop import close_loop
from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.protocol import LevelProtocol

LEVEL = LevelProtocol(headroom_dbfs=-32.0, master_range_db=18.0)


def half_way(problems):
    """A method that always advises half of what is needed."""
    return [
        Prediction(p, "", Advice(tuple(Move.of(stem, gain_db / 2) for stem, gain_db in p.needed_gains_db.items())))
        for p in problems
    ]


@pytest.fixture
def problems(draw):
    return [item.problem for item in draw(12)]


def test_every_step_starts_from_what_the_last_one_left(problems):
    for path in close_loop(half_way(problems), half_way, 3, LEVEL, seed=1):
        first, *others = path.residuals_db
        assert others == pytest.approx([first / 2, first / 4, first / 8], abs=1e-5)


def test_the_master_level_changes_with_every_step_and_not_with_the_run(problems):
    heard = []

    def ask(asked):
        heard.append([problem.master_gain_db for problem in asked])
        return half_way(asked)

    for _ in range(2):
        close_loop(half_way(problems), ask, 3, LEVEL, seed=1)
    assert heard[:2] == heard[2:]
    assert heard[0] != heard[1]
    assert all(abs(level) <= 18.0 for level in heard[0])


def test_one_step_asks_nobody(problems):
    def nobody(asked):
        raise AssertionError("asked")

    assert len(close_loop(half_way(problems), nobody, 1, LEVEL, seed=1)) == len(problems)


def test_items_with_a_claim_stay_out_where_there_are_others(draw, problems):
    claimed = [item.problem for item in draw(3, prompts=(PromptCategory.CORRECT_DESCRIPTION,))]
    renamed = [replace(problem, item_id=f"claimed-{number}") for number, problem in enumerate(claimed)]
    assert len(close_loop(half_way(renamed), half_way, 2, LEVEL, seed=1)) == len(claimed)
    assert len(close_loop(half_way([*problems, *renamed]), half_way, 2, LEVEL, seed=1)) == len(problems)


def test_a_loop_over_nothing_is_refused():
    with pytest.raises(ValueError, match="a loop needs a step and an item, got 2 and 0"):
        close_loop([], half_way, 2, LEVEL, seed=1)
