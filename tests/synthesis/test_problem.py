"""A problem says by itself what each stem needs, and what advice is right; older files of problems read on."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.language.degree import Degree
from mixlab.scoring.closed_loop import applied
from mixlab.scoring.prediction import read_predictions
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import AnswerForm, GainError, NeededGain, Problem, PromptCategory
from mixlab.synthesis.seeds import generator

LOUD = GainError("drums", 4.4, "loud", (3.0, 6.0))
QUIET = GainError("vocals", -9.2, "very_quiet", (-12.0, -6.0))
ANCHOR = GainError("bass", -5.0, "quiet", (-6.0, -3.0))


@pytest.fixture(scope="module")
def problem_with(segment, protocol):
    """A problem of four stems with the given errors."""
    drawn = draw_problem(segment(), protocol, generator(0), "item", PromptCategory.ADVICE_SEEKING)
    return lambda *errors, **changes: replace(drawn, errors=errors, **changes)


def test_what_is_needed_undoes_the_error_and_its_range(problem_with):
    assert problem_with(LOUD, QUIET).needed == (
        NeededGain("drums", -4.4, -6.0, -3.0),
        NeededGain("vocals", 9.2, 6.0, 12.0),
    )
    assert problem_with().needed == ()


def test_beside_an_anchor_that_is_off_every_stem_needs_its_error_too(problem_with):
    found = {gain.stem: gain for gain in problem_with(ANCHOR, LOUD).needed}
    assert set(found) == {"drums", "other", "vocals"}
    assert found["other"] == NeededGain("other", -5.0, -6.0, -3.0)
    assert found["drums"].gain_db == pytest.approx(-9.4)
    assert (found["drums"].low_db, found["drums"].high_db) == (-12.0, -6.0)


def test_stems_that_share_the_anchors_error_need_nothing(problem_with):
    assert problem_with(ANCHOR, replace(ANCHOR, stem="drums")).needed_gains_db == {"other": -5.0, "vocals": -5.0}


def test_the_right_advice_has_the_form_of_the_protocol(problem_with):
    assert problem_with(LOUD, QUIET).right_advice == Advice((Move.of("drums", -4.0), Move.of("vocals", 9.0)))
    assert problem_with(LOUD, rounding_db=0.5).right_advice == Advice((Move.of("drums", -4.5),))
    as_range = problem_with(LOUD, QUIET, answer=AnswerForm.RANGE).right_advice
    assert as_range == Advice((Move("drums", -6.0, -3.0), Move("vocals", 6.0, 12.0)))


def test_the_range_of_a_relative_error_spans_both_categories(problem_with):
    advice = problem_with(ANCHOR, LOUD, answer=AnswerForm.RANGE).right_advice
    assert Move("drums", -12.0, -6.0) in advice.moves
    assert Move("other", -6.0, -3.0) in advice.moves


@pytest.mark.parametrize(
    ("state", "stem", "verdict"),
    [
        (State.TOO_LOUD, "drums", Verdict.CONFIRMED),
        (State.TOO_QUIET, "drums", Verdict.CORRECTED),
        (State.TOO_LOUD, "other", Verdict.CORRECTED),
        (State.BALANCED, None, Verdict.CORRECTED),
    ],
)
def test_the_right_advice_says_whether_the_claim_holds(problem_with, state, stem, verdict):
    problem = problem_with(LOUD, claim=Claim(state, stem))
    assert problem.right_advice.verdict is verdict
    assert problem.holds(problem.claim) == (verdict is Verdict.CONFIRMED)


def test_that_all_is_balanced_holds_where_nothing_is_needed(problem_with):
    assert problem_with().holds(Claim(State.BALANCED))
    assert problem_with(claim=Claim(State.BALANCED)).right_advice == Advice((), Verdict.CONFIRMED)


def test_applied_advice_leaves_an_error_without_a_range_which_is_answered_by_its_value(problem_with):
    problem = problem_with(LOUD, QUIET, answer=AnswerForm.RANGE)
    after = applied(problem, Advice((Move.of("drums", -2.0),)))
    left = next(gain for gain in after.needed if gain.stem == "drums")
    assert left.gain_db == pytest.approx(-2.4)
    assert left.low_db == left.high_db == left.gain_db
    assert after.right_advice == Advice((Move.of("drums", -2.0), Move("vocals", 6.0, 12.0)))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["single", "several", "relative"]))
def test_every_needed_gain_lies_in_its_range(segment, protocol, several, relative, seed, kind):
    error = {"single": protocol.error, "several": several, "relative": relative}[kind]
    problem = draw_problem(segment(), replace(protocol, error=error), generator(seed), "item")
    for gain in problem.needed:
        assert gain.low_db - 1e-9 <= gain.gain_db <= gain.high_db + 1e-9
        assert gain.gain_db == -problem.relative_error_db(gain.stem)
    assert problem.needed_gains_db == {gain.stem: gain.gain_db for gain in problem.needed}


def test_form_range_and_step_of_the_advice_survive_json(problem_with):
    problem = problem_with(LOUD, answer=AnswerForm.RANGE, rounding_db=0.5)
    found = Problem.from_json(json.loads(json.dumps(problem.to_json())))
    assert (found.answer, found.rounding_db, found.errors[0].range_db) == (AnswerForm.RANGE, 0.5, (3.0, 6.0))
    assert found.right_advice == problem.right_advice


def test_how_the_user_says_it_survives_json(problem_with):
    claim = Claim(State.TOO_LOUD, "drums", Degree.FAR)
    problem = problem_with(LOUD, claim=claim, unseen_wording=True)
    record = json.loads(json.dumps(problem.to_json()))
    found = Problem.from_json(record)
    assert (found.claim, found.claim.degree, found.unseen_wording) == (claim, Degree.FAR, True)
    del record["claim"]["degree"], record["unseen_wording"]
    older = Problem.from_json(record)
    assert (older.claim, older.claim.degree, older.unseen_wording) == (claim, Degree.CLEAR, False)


def as_older(problem: Problem) -> dict:
    """The problem as versions wrote it that kept neither ranges nor the form of the answer, and called errors gains."""
    record = problem.to_json()
    del record["answer"], record["rounding_db"]
    record["errors"] = [
        {"stem": error.stem, "gain_db": error.error_db, "category": error.category} for error in problem.errors
    ]
    return record


def test_a_problem_of_an_older_version_reads(problem_with):
    problem = problem_with(LOUD, QUIET, answer=AnswerForm.RANGE, rounding_db=0.5)
    found = Problem.from_json(json.loads(json.dumps(as_older(problem))))
    assert found.needed_gains_db == problem.needed_gains_db
    assert {error.range_db for error in found.errors} == {None}
    assert (found.answer, found.rounding_db) == (AnswerForm.VALUE, 1.0)
    assert found.right_advice == Advice((Move.of("drums", -4.0), Move.of("vocals", 9.0)))


def test_the_predictions_of_an_older_version_read(problem_with, tmp_path):
    problem = problem_with(LOUD)
    move = {"stem": "drums", "direction": "lower", "gain_db": -4.0, "low_db": -4.0, "high_db": -4.0}
    row = as_older(problem) | {
        "prompt": "", "reference": "Lower the drums.", "text": "Lower the drums by 4 dB.", "advice": [move],
        "verdict": None, "parsed": True,
    }  # fmt: skip
    (tmp_path / "predictions.jsonl").write_text(json.dumps(row) + "\n")
    (found,) = read_predictions(tmp_path / "predictions.jsonl")
    assert found.problem == problem
    assert found.advice == Advice((Move.of("drums", -4.0),))


def test_errors_are_written_by_their_own_name(problem_with):
    (record,) = problem_with(LOUD).to_json()["errors"]
    assert record == {"stem": "drums", "error_db": 4.4, "category": "loud", "range_db": (3.0, 6.0)}
    assert GainError.from_json(json.loads(json.dumps(record))) == LOUD
