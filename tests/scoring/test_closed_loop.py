"""Applying advice to the faders leaves an error that can be heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, closed_loop
from mixlab.scoring.closed_loop import applied, off_db, residuals_db
from mixlab.synthesis.problem import PromptCategory


def left_db(problem, *moves):
    advice = Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in moves))
    return residuals_db([Prediction(problem, "", advice)])[0]


def test_what_is_left_is_the_rms_over_the_three_stems_beside_the_anchor(problem):
    assert left_db(problem(("vocals", -6.0)), ("vocals", 6.0)) == 0
    assert left_db(problem(("vocals", -6.0))) == pytest.approx(6 / np.sqrt(3))
    assert left_db(problem(("vocals", -6.0)), ("drums", 6.0)) == pytest.approx(6 * np.sqrt(2 / 3))
    assert left_db(problem(("vocals", -6.0)), ("vocals", 12.0)) == pytest.approx(6 / np.sqrt(3))


def test_moving_the_anchor_unbalances_all_others(problem):
    assert left_db(problem(), ("bass", 3.0)) == pytest.approx(3.0)


def test_an_anchor_that_is_off_leaves_nothing_once_the_others_follow_it(problem):
    off = problem(("bass", 3.0))
    assert left_db(off) == pytest.approx(3.0)
    assert left_db(off, ("drums", 3.0), ("vocals", 3.0), ("other", 3.0)) == 0


def test_a_stem_that_is_not_there_cannot_be_moved(problem):
    assert left_db(problem(), ("banjo", 6.0)) == 0


def test_harm_on_balanced_items_is_reported_apart(mixed_problems, answers):
    nothing = closed_loop(answers(mixed_problems, None))
    assert nothing.harm_db == (0, 0, 0)
    assert nothing.residual_db == nothing.do_nothing_residual_db
    assert nothing.residual_db[0] == pytest.approx((6 + 4 + 5 + 9 + 12 + 3) / 6 / np.sqrt(3))
    harmful = closed_loop(answers(mixed_problems, Advice((Move.of("vocals", 6.0),))))
    assert harmful.harm_db[0] == pytest.approx(6 / np.sqrt(3))
    assert set(harmful.flat()) >= {"closed_loop/residual_db", "closed_loop/harm_db", "closed_loop/residual_db_low"}


def test_figures_without_items_are_left_out(problem):
    flat = closed_loop([Prediction(problem(), "", Advice())]).flat("closed_loop")
    assert "closed_loop/harm_db" in flat
    assert "closed_loop/residual_db" not in flat


def test_prompts_with_a_claim_close_the_loop_only_where_there_are_no_others(problem):
    claimed = Prediction(problem(("vocals", -6.0), prompt=PromptCategory.CORRECT_DESCRIPTION, item="b"), "", Advice())
    balanced = Prediction(problem(item="a"), "", Advice())
    assert closed_loop([claimed]).residual_db[0] > 0
    assert np.isnan(closed_loop([claimed, balanced]).residual_db[0])
    with pytest.raises(ValueError, match="there are no predictions"):
        closed_loop([])


def test_advice_applied_to_a_problem_is_the_problem_with_other_errors(problem):
    before = problem(("vocals", -6.0))
    after = applied(before, Advice((Move.of("vocals", 4.0), Move.of("drums", 3.0), Move.of("banjo", 9.0))))
    assert after.needed_gains_db == {"vocals": 2.0, "drums": -3.0}
    assert {error.category for error in after.errors} == {""}
    assert applied(before, None) == applied(before, Advice()) == before


def test_advice_that_undoes_the_error_leaves_a_balanced_problem(problem):
    assert applied(problem(("vocals", -6.1)), Advice((Move.of("vocals", 6.1),))).errors == ()


@given(st.floats(-12, 12).filter(lambda gain_db: abs(gain_db) > 1e-3), st.sampled_from(["bass", "drums", "vocals"]))
def test_what_is_left_after_advice_is_how_far_off_the_new_problem_is(problem, gain_db, stem):
    before = problem(("vocals", -6.0), ("bass", 2.0))
    said = Prediction(before, "", Advice((Move.of(stem, gain_db),)))
    assert residuals_db([said])[0] == pytest.approx(off_db(applied(before, said.advice)), abs=1e-6)
    moved = {"vocals": -6.0, "bass": 2.0, "drums": 0.0, "other": 0.0}
    moved[stem] += gain_db
    left = [moved[name] - moved["bass"] for name in ("drums", "vocals", "other")]
    assert residuals_db([said])[0] == pytest.approx(np.sqrt(np.mean(np.square(left))), abs=1e-5)
