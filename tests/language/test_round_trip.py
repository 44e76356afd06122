"""What we write, we read: parse(render(advice)) == advice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import response_bank
from mixlab.language.degree import Degree
from mixlab.language.parse import parse
from mixlab.language.reason import Reason
from mixlab.language.templates import (
    PartWording,
    ResponseWording,
    check_verdict,
    fill_response,
    render_response,
)
from mixlab.language.wording import STEM_NAMES, RangeForm

FOLDER_STEMS = ("bass", "lead_guitar", "guitar", "backing_vocals", "vocals", "keys", "other")
CLAIMS = [Claim(State.BALANCED), *(Claim(s, stem) for s in (State.TOO_LOUD, State.TOO_QUIET) for stem in STEM_NAMES)]
SIGN = {Direction.RAISE: 1.0, Direction.LOWER: -1.0}
STATE = {Direction.RAISE: State.TOO_QUIET, Direction.LOWER: State.TOO_LOUD, Direction.LEAVE: State.BALANCED}


def read_back(advice: Advice, anchor: str, claim: Claim | None, wording: ResponseWording) -> None:
    text = fill_response(advice, anchor, claim, wording)
    parsed = parse(text)
    assert parsed.advice == advice, (text, parsed)
    assert parsed.amount_stated


def fits(advice: Advice, claim: Claim) -> bool:
    try:
        check_verdict(advice, claim)
    except ValueError:
        return False
    return True


# A range and a value of each degree.
AMOUNTS_DB = {
    Degree.SLIGHT: ((0.5, 2.0), (1.0, 1.0)),
    Degree.CLEAR: ((1.5, 6.0), (6.0, 6.0)),
    Degree.FAR: ((8.0, 12.0), (9.0, 9.0)),
}


def wordings(direction: Direction, degree: Degree = Degree.CLEAR) -> list[PartWording]:
    bank = response_bank()
    return [
        PartWording(description, solution)
        for description in range(len(bank.descriptions[STATE[direction]][degree]))
        for solution in range(len(bank.solutions[direction]))
    ]


@pytest.mark.parametrize("stem", STEM_NAMES)
@pytest.mark.parametrize("degree", list(Degree))
@pytest.mark.parametrize("direction", [Direction.RAISE, Direction.LOWER])
def test_every_description_with_every_solution_reads_back(stem: str, direction: Direction, degree: Degree) -> None:
    anchor = STEM_NAMES[STEM_NAMES.index(stem) - 1]
    for index, part in enumerate(wordings(direction, degree)):
        low, high = AMOUNTS_DB[degree][index % 2]
        ends = sorted((SIGN[direction] * low, SIGN[direction] * high))
        for form in RangeForm:
            wording = ResponseWording((PartWording(part.description, part.solution, form),))
            read_back(Advice((Move(stem, *ends),)), anchor, None, wording)


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("direction", list(Direction))
def test_every_verdict_with_every_description_and_solution_reads_back(
    verdict: Verdict, direction: Direction, step: int
) -> None:
    moves = () if direction is Direction.LEAVE else (Move.of("vocals", 4.0 * SIGN[direction]),)
    advice = Advice(moves, verdict)
    for claim in CLAIMS:
        # The claim's stem is the one of the move or another: one other stem stands for all.
        if claim.stem in ("bass", "drums") or not fits(advice, claim):
            continue
        for index in range(len(response_bank().verdicts[verdict][claim.state])):
            for part in wordings(direction)[index % step :: step]:
                read_back(advice, "bass", claim, ResponseWording((part,), index))


@pytest.mark.parametrize("stem", STEM_NAMES)
@pytest.mark.parametrize("direction", [Direction.RAISE, Direction.LOWER])
def test_every_half_decibel_from_half_to_24_reads_back_in_every_solution(stem: str, direction: Direction) -> None:
    for solution in range(len(response_bank().solutions[direction])):
        for steps in range(1, 49):
            move = Move.of(stem, SIGN[direction] * steps / 2)
            read_back(Advice((move,)), "drums", None, ResponseWording((PartWording(0, solution),)))


@pytest.mark.parametrize("stem", STEM_NAMES)
@pytest.mark.parametrize("template", response_bank().reasons)
def test_what_was_measured_is_not_taken_for_what_to_turn(stem: str, template: str) -> None:
    anchor, rng = STEM_NAMES[STEM_NAMES.index(stem) - 1], np.random.default_rng(0)
    for gain_db in (-12.0, -9.5, -3.0, -1.0, 0.5, 2.0, 6.0, 8.0):
        for usual_db in (-14.0, -2.0, 1.0, 5.0):
            for away_db in (1.0, 6.0, 21.0):
                advice = Advice((Move.of(stem, gain_db),))
                reason = Reason(usual_db - np.sign(gain_db) * away_db, usual_db)
                bank = replace(response_bank(), reasons=(template,))
                text = render_response(advice, anchor, None, rng, bank, {stem: reason})
                assert ("most songs" in text) == (round(reason.heard_db) != 0)
                assert parse(text).advice == advice, text


def test_reasons_of_several_moves_read_back() -> None:
    rng = np.random.default_rng(0)
    advice = Advice((Move.of("drums", -9.0), Move.of("vocals", 4.0), Move.of("other", 1.0)))
    reasons = {"drums": Reason(9.2, 1.4), "vocals": Reason(-5.0, 2.0), "other": Reason(-3.0, -1.0)}
    for _ in range(60):
        text = render_response(advice, "bass", None, rng, reasons=reasons)
        assert text.count("most songs") == 3
        assert parse(text).advice == advice, text


@pytest.mark.parametrize(("heard_db", "usual_db"), [(2.0, 6.0), (5.4, 4.6), (0.3, -6.0), (8.0, 0.2)])
def test_what_does_not_speak_for_the_move_is_no_reason(heard_db: float, usual_db: float) -> None:
    reasons = {"vocals": Reason(heard_db, usual_db)}
    text = render_response(Advice((Move.of("vocals", -6),)), "bass", None, np.random.default_rng(0), reasons=reasons)
    assert "most songs" not in text


@st.composite
def advices(draw: st.DrawFn, stems: tuple[str, ...]) -> Advice:
    moves = []
    for stem in draw(st.lists(st.sampled_from(stems), unique=True)):
        low = draw(st.floats(0.01, 24) | st.integers(1, 48).map(lambda half: half / 2))
        high = draw(st.just(low) | st.floats(low, 48))
        moves.append(Move(stem, low, high) if draw(st.booleans()) else Move(stem, -high, -low))
    return Advice(tuple(moves))


@settings(max_examples=150, deadline=None)
@given(advices(STEM_NAMES), st.sampled_from(STEM_NAMES), st.sampled_from([None, *CLAIMS]), st.integers(0, 2**31))
def test_any_advice_with_any_claim_reads_back(advice: Advice, anchor: str, claim: Claim | None, seed: int) -> None:
    if claim is not None:
        verdict = next(v for v in Verdict if fits(Advice(advice.moves, v), claim))
        advice = Advice(advice.moves, verdict)
    text = render_response(advice, anchor, claim, np.random.default_rng(seed))
    assert parse(text).advice == advice, text


@settings(max_examples=80, deadline=None)
@given(advices(FOLDER_STEMS), st.sampled_from(FOLDER_STEMS), st.integers(0, 2**31))
def test_stems_of_a_users_folder_read_back(advice: Advice, anchor: str, seed: int) -> None:
    text = render_response(advice, anchor, None, np.random.default_rng(seed))
    assert parse(text, FOLDER_STEMS).advice == advice, text


@settings(max_examples=100, deadline=None)
@given(advices(STEM_NAMES), st.integers(0, 2**31))
def test_case_and_line_breaks_do_not_matter(advice: Advice, seed: int) -> None:
    text = render_response(advice, "bass", None, np.random.default_rng(seed))
    assert parse(text.upper()).advice == advice
    assert parse(f"\n  {text}\n".replace(". ", ".\n")).advice == advice
