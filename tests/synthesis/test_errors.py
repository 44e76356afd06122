"""Several errors at once, and errors that are relative to an anchor which has one itself."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.language.advice import Claim, Direction, State
from mixlab.language.parse import parse
from mixlab.multitrack.song import STEMS
from mixlab.synthesis.draw import all_claims, draw_problem
from mixlab.synthesis.example import LAYOUTS, make_example
from mixlab.synthesis.problem import GainError, Problem, PromptCategory
from mixlab.synthesis.seeds import generator

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(["single", "several", "relative"])
ANCHORS = st.sampled_from([*STEMS, "random", "per_segment", "most_active"])


@pytest.fixture(scope="module")
def drawn(segment, protocol, several, relative):
    """Draws a problem of a kind of protocol."""
    errors = {"single": protocol.error, "several": several, "relative": relative}

    def draw(kind: str, seed: int, anchor: str = "bass", stems=(), answer="value", **options) -> Problem:
        chosen = replace(protocol, error=errors[kind].but(answer=answer), anchor=anchor)
        return draw_problem(segment(*stems), chosen, generator(seed), "item", **options)

    return draw


@given(KINDS, SEEDS, ANCHORS)
@settings(max_examples=200)
def test_the_needed_gains_bring_the_balance_back_up_to_one_common_gain(drawn, kind, seed, anchor):
    problem = drawn(kind, seed, anchor)
    left_db = {stem: problem.error_db(stem) + problem.needed_gains_db.get(stem, 0.0) for stem in problem.stems}
    assert left_db == pytest.approx(dict.fromkeys(problem.stems, problem.error_db(problem.anchor)))
    assert problem.anchor not in problem.needed_gains_db
    for stem in problem.candidates:
        error_db = problem.error_db(stem) - problem.error_db(problem.anchor)
        assert problem.relative_error_db(stem) == error_db
        assert problem.needed_gains_db.get(stem, 0.0) == -error_db


@given(KINDS, SEEDS, ANCHORS)
def test_the_right_advice_moves_what_is_off_by_the_needed_gain_to_the_rounding(drawn, kind, seed, anchor):
    problem = drawn(kind, seed, anchor)
    advice = problem.right_advice
    assert {move.stem for move in advice.moves} == set(problem.needed_gains_db)
    for move in advice.moves:
        assert abs(move.gain_db - problem.needed_gains_db[move.stem]) <= 0.5
        assert move.direction is Direction.of(problem.needed_gains_db[move.stem])


@given(KINDS, SEEDS, ANCHORS)
@settings(max_examples=200)
def test_a_range_answer_holds_the_needed_gain_of_every_stem(drawn, kind, seed, anchor):
    problem = drawn(kind, seed, anchor, answer="range")
    for move in problem.right_advice.moves:
        assert move.low_db <= problem.needed_gains_db[move.stem] <= move.high_db
        assert (abs(move.low_db), abs(move.high_db)) in ((3, 6), (6, 3), (6, 12), (12, 6))


@given(SEEDS, ANCHORS, st.floats(-12, 12))
def test_a_common_gain_changes_no_relative_label(drawn, seed, anchor, common_db):
    problem = drawn("relative", seed, anchor)
    shifted = tuple(GainError(stem, problem.error_db(stem) + common_db) for stem in problem.stems)
    louder = replace(problem, errors=shifted)
    for stem in problem.stems:
        assert louder.relative_error_db(stem) == pytest.approx(problem.relative_error_db(stem))
    raised = {stem: gain_db for stem, gain_db in louder.needed_gains_db.items() if abs(gain_db) > 1e-6}
    assert raised == pytest.approx(problem.needed_gains_db)


@given(SEEDS, ANCHORS)
@settings(max_examples=300)
def test_a_relative_difference_is_nothing_or_at_least_the_tolerance(drawn, seed, anchor):
    problem = drawn("relative", seed, anchor)
    for stem in problem.stems:
        size_db = abs(problem.relative_error_db(stem))
        assert size_db == 0 or 3.0 <= size_db <= 12.0


def test_relative_errors_fall_on_the_anchor_as_often_as_on_any_stem(drawn):
    problems = [drawn("relative", seed) for seed in range(3000)]
    at_fault = Counter(error.stem for problem in problems for error in problem.errors)
    assert scipy.stats.chisquare([at_fault[stem] for stem in STEMS]).pvalue > 1e-3
    assert sum(at_fault.values()) == pytest.approx(3000 * 4 * 0.4, rel=0.05)
    # An anchor that is too quiet makes everything else too loud.
    alone = next(p for p in problems if len(p.errors) == 1 and p.error_db("bass") < 0)
    assert all(alone.needed_gains_db[stem] == alone.error_db("bass") for stem in alone.candidates)
    together = next(p for p in problems if len(p.errors) == 4 and len({error.category for error in p.errors}) == 1)
    assert together.needed_gains_db == {}
    assert together.error_category == "balanced"


@given(KINDS, SEEDS, ANCHORS, st.sampled_from([(), ("bass", "drums"), ("bass", "drums", "vocals")]))
@settings(max_examples=300)
def test_claims_are_right_or_wrong_as_asked_and_never_about_the_anchor(drawn, kind, seed, anchor, stems):
    if stems and anchor not in stems and anchor in STEMS:
        anchor = "bass"
    for category in (PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION):
        problem = drawn(kind, seed, anchor, stems, prompt_category=category)
        assert problem.claim in all_claims(problem.candidates)
        needed_db = problem.needed_gains_db
        if problem.claim.stem is None:
            is_true = not needed_db
        else:
            gain_db = needed_db.get(problem.claim.stem, 0.0)
            is_true = gain_db < 0 if problem.claim.state is State.TOO_LOUD else gain_db > 0
        assert is_true == (category is PromptCategory.CORRECT_DESCRIPTION)
        assert problem.right_advice.verdict is not None


def test_claims_are_uniform_over_all_that_are_right_and_all_that_are_wrong(drawn):
    right, wrong = Counter(), Counter()
    for seed in range(6000):
        problem = drawn("several", seed, prompt_category=PromptCategory.CORRECT_DESCRIPTION)
        if {stem: gain > 0 for stem, gain in problem.needed_gains_db.items()} != {"drums": True, "vocals": False}:
            continue
        right[problem.claim] += 1
        wrong[drawn("several", seed, prompt_category=PromptCategory.INCORRECT_DESCRIPTION).claim] += 1
    assert set(right) == {Claim(State.TOO_QUIET, "drums"), Claim(State.TOO_LOUD, "vocals")}
    assert len(wrong) == 5
    assert Claim(State.BALANCED) in wrong
    for counts in (right, wrong):
        assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    "stems", [("bass", "drums", "other", "vocals"), ("bass", "drums", "vocals"), ("bass", "other")]
)
def test_the_number_of_faulty_stems_has_its_share_and_its_cap(drawn, stems):
    problems = [drawn("several", seed, stems=stems) for seed in range(3000)]
    numbers = Counter(len(problem.errors) for problem in problems)
    shares = [0.2, 0.4, 0.24, 0.16]
    most = len(stems) - 1
    wanted = [*shares[:most], sum(shares[most:])]
    assert scipy.stats.chisquare([numbers[n] for n in range(most + 1)], np.multiply(wanted, 3000)).pvalue > 1e-3
    assert all(problem.error_db("bass") == 0 for problem in problems)


def test_each_faulty_stem_draws_a_category_of_its_own(drawn, several):
    problems = [drawn("several", seed) for seed in range(3000)]
    pairs = Counter(
        tuple(error.category for error in problem.errors) for problem in problems if len(problem.errors) == 2
    )
    assert len(pairs) == 16
    assert scipy.stats.chisquare(list(pairs.values())).pvalue > 1e-3
    for problem in problems:
        for error in problem.errors:
            low_db, high_db = several.ranges_db[error.category]
            assert low_db <= error.error_db <= high_db
        assert problem.error_category == ("+".join(sorted({e.category for e in problem.errors})) or "no_error")


@given(KINDS, SEEDS, ANCHORS, st.sampled_from(["value", "range"]), st.sampled_from(PromptCategory))
@settings(max_examples=300)
def test_responses_with_several_moves_read_back(drawn, segment, noise_stems, kind, seed, anchor, answer, category):
    problem = drawn(kind, seed, anchor, answer=answer, prompt_category=category)
    stems = noise_stems(segment(), samples=10)
    example = make_example(problem, stems, LAYOUTS["stems"])
    assert parse(example.response).advice == example.reference, example.response


@given(KINDS, SEEDS, ANCHORS)
def test_a_problem_of_any_kind_survives_json(drawn, kind, seed, anchor):
    problem = drawn(kind, seed, anchor)
    assert Problem.from_json(json.loads(json.dumps(problem.to_json()))) == problem


@given(KINDS, SEEDS, ANCHORS, st.floats(0.5, 9.0))
@settings(max_examples=50)
def test_an_error_that_some_advice_left_has_no_range_and_is_answered_by_its_value(drawn, kind, seed, anchor, left_db):
    problem = drawn(kind, seed, anchor, answer="range")
    stem = problem.candidates[0]
    others = tuple(entry for entry in problem.errors if entry.stem not in (stem, problem.anchor))
    advice = replace(problem, errors=(*others, GainError(stem, left_db))).right_advice
    assert advice.gain_db(stem) == -max(1.0, round(left_db))
