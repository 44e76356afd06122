"""Errors so small that nobody has to undo them: injected, heard, and no fault."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Claim, Move, State
from mixlab.scoring.closed_loop import off_db
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import GainError, Problem
from mixlab.synthesis.seeds import generator

SEEDS = st.integers(0, 2**32 - 1)
BAND_DB = 1.5


@pytest.fixture(scope="module")
def drawn(segment, protocol, deadband):
    """Draws a problem of the default protocol with a deadband."""
    return lambda seed: draw_problem(segment(), replace(protocol, error=deadband), generator(seed), "item")


@given(SEEDS)
def test_only_what_lies_beyond_the_deadband_needs_a_move(drawn, seed):
    problem = drawn(seed)
    (error,) = problem.errors
    assert bool(problem.needed) == (abs(error.error_db) > BAND_DB) == (problem.error_category != "no_error")
    assert problem.holds(Claim(State.BALANCED)) == (problem.right_advice.moves == ())
    assert Problem.from_json(json.loads(json.dumps(problem.to_json()))) == problem


@given(SEEDS)
def test_beside_the_deadband_everything_is_drawn_as_without(drawn, segment, protocol, seed):
    with_band, without = drawn(seed), draw_problem(segment(), protocol, generator(seed), "item")
    assert replace(with_band, errors=(), tolerances=()) == replace(without, errors=())
    assert with_band.needed == without.needed
    assert with_band.heard_gain_db("bass") == without.heard_gain_db("bass")


def test_errors_that_count_as_none_are_uniform_in_the_deadband_on_any_stem(drawn):
    errors = [p.errors[0] for p in map(drawn, range(3000)) if p.error_category == "no_error"]
    assert scipy.stats.kstest([error.error_db for error in errors], "uniform", (-BAND_DB, 2 * BAND_DB)).pvalue > 1e-3
    stems = [error.stem for error in errors]
    assert scipy.stats.chisquare([stems.count(stem) for stem in ("drums", "other", "vocals")]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("gain_db", "left_db"), [(-5.0, 0.0), (-3.5, 0.0), (-3.0, 0.5), (0.0, 3.5), (-6.5, 0.0), (-8.0, 1.5), (1.0, 4.5)]
)
def test_advice_is_off_by_what_it_leaves_beyond_the_deadband(drawn, gain_db, left_db):
    problem = replace(drawn(0), errors=(GainError("drums", 5.0, "loud", (3.0, 6.0)),))
    advice = Advice((Move.of("drums", gain_db),) if gain_db else ())
    assert Prediction(problem, "", advice).distance_db == pytest.approx(left_db)
    assert abs(problem.excess_db("drums", gain_db)) == pytest.approx(left_db)
    assert problem.needed_gains_db == {"drums": -5.0}


def test_a_balanced_mix_with_a_small_error_has_nothing_left_to_repair(drawn):
    problem = replace(drawn(0), errors=(GainError("drums", -1.2, "no_error", (-1.5, 1.5)),))
    assert off_db(problem) == 0.0
    said = {gain_db: Prediction(problem, "", Advice((Move.of("drums", gain_db),))) for gain_db in (1.0, 3.0)}
    assert not any(prediction.is_right for prediction in said.values())
    assert Prediction(problem, "", Advice()).is_right
    assert np.isnan(said[1.0].distance_db)
