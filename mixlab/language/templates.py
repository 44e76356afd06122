"""Room language: labels, prompts and responses put into words from banks of templates.

Where no bank is given, it is the one that comes with the package (``data/``).

What chance decides (`draw_response`, indices of templates) is apart from the filling (`fill_response`, pure), so
that every combination can be enumerated and read back by `mixlab.language.parse.parse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import PromptBank, ResponseBank, prompt_bank, response_bank
from mixlab.language.degree import Degree
from mixlab.language.reason import Reason
from mixlab.language.wording import (
    STEM_NAMES,
    RangeForm,
    amount_fields,
    fill,
    is_plural,
    label_name,
    list_names,
    load_data,
    sentence_name,
)

_REST = "the rest of the mix"
_STATE_TO_FIX = {Direction.RAISE: State.TOO_QUIET, Direction.LOWER: State.TOO_LOUD}
_RANGE_FORMS = tuple(RangeForm)


@dataclass(frozen=True)
class PartWording:
    """Which description, solution and form of a range are used for one move (or for the balance), and which reason."""

    description: int
    solution: int
    range_form: RangeForm = RangeForm.TO
    reason: int = 0


@dataclass(frozen=True)
class ResponseWording:
    """Which templates a response uses: one part for each move, a single one where there is no move."""

    parts: tuple[PartWording, ...]
    verdict: int = 0
    order: tuple[int, ...] = field(default=())
    """The order in which the moves are spoken of; empty for the order of the advice."""


def clip_label(stems: Sequence[str], anchor: str) -> str:
    """The words that introduce a clip.

    "Anchor, bass:" for the anchor alone, "Vocals:" for another stem, "The rest, drums and vocals:" for a sum
    without the anchor, "Mixture, anchor bass:" for a sum with it.

    Raises:
        ValueError: if there is no stem.
    """
    if not stems:
        raise ValueError("a clip needs at least one stem, got none")
    if anchor in stems:
        kind, stem = ("anchor" if len(stems) == 1 else "mixture"), label_name(anchor)
    else:
        kind, stem = ("stem" if len(stems) == 1 else "rest"), label_name(stems[0])
    fields = {"stem": stem, "Stem": stem[:1].upper() + stem[1:], "stems": list_names(stems)}
    return fill(load_data("layout")[kind], fields)


def metered_label(label: str, level_db: float, anchor: str | None) -> str:
    """The words that introduce a clip, with what a meter shows of it.

    "Drums, 3.5 dB above the bass:" from "Drums:", "Drums, -23.5 LUFS:" without an anchor, "Drums, silent:".

    Args:
        level_db: beside the anchor, or in LUFS where there is none; whole numbers are said without a decimal.
    """
    if not math.isfinite(level_db):
        kind = "silent"
    elif anchor is None:
        kind = "loudness"
    else:
        kind = "above" if level_db > 0 else "below" if level_db < 0 else "level"
    amount = f"{level_db if anchor is None else abs(level_db):g}"
    fields = {"label": label.rstrip(":"), "amount": amount, "anchor": "" if anchor is None else label_name(anchor)}
    return fill(load_data("layout")[kind], fields)


def fill_prompt(template: str, claim: Claim | None, anchor: str) -> str:
    """A user sentence from a template of the prompt bank."""
    stem = anchor if claim is None or claim.stem is None else claim.stem
    fields = {"stem": sentence_name(stem), "anchor": sentence_name(anchor)}
    return fill(template, fields, is_plural(stem))


def render_prompt(claim: Claim | None, anchor: str, rng: np.random.Generator, bank: PromptBank | None = None) -> str:
    """What the user says: the claim, or a request for advice where there is none; one draw from `rng`."""
    templates = (bank or prompt_bank()).templates(claim)
    return fill_prompt(templates[rng.integers(len(templates))], claim, anchor)


def draw_response(
    advice: Advice, claim: Claim | None, rng: np.random.Generator, bank: ResponseBank | None = None
) -> ResponseWording:
    """Draw the templates of a response.

    Raises:
        ValueError: if the verdict does not fit the claim or the moves (see `check_verdict`).
    """
    check_verdict(advice, claim)
    bank = bank or response_bank()
    verdict = 0
    if advice.verdict is not None and claim is not None:
        verdict = int(rng.integers(len(bank.verdicts[advice.verdict][claim.state])))
    parts = []
    for move in advice.moves or [None]:
        direction = Direction.LEAVE if move is None else move.direction
        parts.append(
            PartWording(
                description=int(rng.integers(len(describing(bank, move)))),
                solution=int(rng.integers(len(bank.solutions[direction]))),
                range_form=_RANGE_FORMS[rng.integers(len(_RANGE_FORMS))],
            )
        )
    order = tuple(int(index) for index in rng.permutation(len(advice.moves)))
    if bank.reasons:  # last, since most have none
        parts = [replace(part, reason=int(rng.integers(len(bank.reasons)))) for part in parts]
    return ResponseWording(tuple(parts), verdict, order)


def fill_response(
    advice: Advice,
    anchor: str,
    claim: Claim | None,
    wording: ResponseWording,
    bank: ResponseBank | None = None,
    reasons: Mapping[str, Reason] | None = None,
) -> str:
    """A response in the given wording: the verdict, if any, then a description and a solution for each move.

    A reason follows for each stem that has one in `reasons`, where it speaks for the move.

    Raises:
        ValueError: if the verdict does not fit the claim or the moves, or the wording the number of moves.
    """
    check_verdict(advice, claim)
    if len(wording.parts) != max(1, len(advice.moves)):
        raise ValueError(f"the wording has {len(wording.parts)} parts for {len(advice.moves)} moves")
    bank = bank or response_bank()
    sentences = []
    if advice.verdict is not None and claim is not None:
        template = bank.verdicts[advice.verdict][claim.state][wording.verdict]
        sentences.append(_fill_verdict(template, claim))
    for index in wording.order or range(len(advice.moves)):
        move, part = advice.moves[index], wording.parts[index]
        sentences.append(_fill_move(bank, move, anchor, part))
        reason = (reasons or {}).get(move.stem)
        if reason is not None and reason.supports(move.direction):
            sentences.append(fill_reason(bank.reasons[part.reason], move.stem, anchor, reason))
    if not advice.moves:
        part = wording.parts[0]
        fields = {"reference": f"the {sentence_name(anchor)}"}
        sentences.append(fill(describing(bank, None)[part.description], fields))
        sentences.append(fill(bank.solutions[Direction.LEAVE][part.solution], fields))
    return " ".join(sentences)


def describing(bank: ResponseBank, move: Move | None) -> tuple[str, ...]:
    """The templates that describe what a move mends, of its degree; of a balanced mix where there is none."""
    if move is None:
        return bank.descriptions[State.BALANCED][Degree.CLEAR]
    return bank.descriptions[_STATE_TO_FIX[move.direction]][Degree.of(*_ends_db(move))]


def fill_reason(template: str, stem: str, anchor: str, reason: Reason) -> str:
    """A reason for moving a stem, from a template of the response bank."""
    fields = {"stem": sentence_name(stem), "reference": f"the {sentence_name(anchor)}"}
    return fill(template, fields | reason.fields, is_plural(stem))


def render_response(
    advice: Advice,
    anchor: str,
    claim: Claim | None,
    rng: np.random.Generator,
    bank: ResponseBank | None = None,
    reasons: Mapping[str, Reason] | None = None,
) -> str:
    """The advice in words that `parse` reads back exactly; the wording is drawn from `rng`.

    Raises:
        ValueError: if the verdict does not fit the claim or the moves (see `check_verdict`).
    """
    return fill_response(advice, anchor, claim, draw_response(advice, claim, rng, bank), bank, reasons)


def check_verdict(advice: Advice, claim: Claim | None) -> None:
    """Refuse a response that would contradict itself.

    Raises:
        ValueError: if there is a verdict without a claim, or if the moves do what the corrected claim asks for, or
            do not do what the confirmed claim asks for.
    """
    if advice.verdict is None:
        return
    if claim is None:
        raise ValueError(f"a verdict needs a claim to judge, got {advice.verdict!s} and no claim")
    if Verdict.of(claim.holds(advice.gains_db)) is not advice.verdict:
        raise ValueError(f"the verdict {advice.verdict!s} on {claim} does not fit the moves {advice.moves}")


def all_texts(stems: Sequence[str] = STEM_NAMES, numbers: Sequence[int] = range(1, 25)) -> Iterator[str]:
    """Every label, prompt template and response part, filled with every stem and number: words for a tokenizer.

    Each template appears with each stem and each number appears with each solution of one stem; it is not the
    cross product of all parts.
    """
    for anchor in stems:
        yield from (clip_label((stem,), anchor) for stem in stems)
        yield clip_label(tuple(stems), anchor)
        if len(stems) > 1:
            yield clip_label([stem for stem in stems if stem != anchor], anchor)
        yield from _prompt_texts(anchor, stems)
    for index, stem in enumerate(stems):
        anchor = stems[index - 1]
        yield from _response_texts(stem, anchor, numbers)


def _prompt_texts(anchor: str, stems: Sequence[str]) -> Iterator[str]:
    claims: list[Claim | None] = [None, Claim(State.BALANCED)]
    states = (State.TOO_LOUD, State.TOO_QUIET)
    claims += [Claim(state, stem, degree) for stem in stems for state in states for degree in Degree]
    for claim in claims:
        yield from (fill_prompt(template, claim, anchor) for template in prompt_bank().templates(claim))


def _response_texts(stem: str, anchor: str, numbers: Sequence[int]) -> Iterator[str]:
    bank = response_bank()
    for by_state in bank.verdicts.values():
        for state, templates in by_state.items():
            claim = Claim(state, None if state is State.BALANCED else stem)
            yield from (_fill_verdict(template, claim) for template in templates)
    described = (texts for by_degree in bank.descriptions.values() for texts in by_degree.values())
    longest = max(len(texts) for texts in (*described, *bank.solutions.values()))
    for sign in (1, -1):
        for degree in Degree:
            fitting = [float(number) for number in numbers if Degree.of(number, number) is degree]
            for index in range(max(longest, len(fitting)) if fitting else 0):
                low = fitting[index % len(fitting)]
                for high, form in ((low, RangeForm.TO), (float(max(numbers)), _RANGE_FORMS[index % 2])):
                    yield _response_text(bank, Move(stem, *sorted((sign * low, sign * high))), anchor, index, form)
    for index in range(longest):
        yield _response_text(bank, None, anchor, index)
    yield from (fill_reason(template, stem, anchor, Reason(6.0, -2.0)) for template in bank.reasons)


def _response_text(
    bank: ResponseBank, move: Move | None, anchor: str, index: int, form: RangeForm = RangeForm.TO
) -> str:
    """A response in the templates of a number, which starts anew where there are fewer."""
    solutions = bank.solutions[Direction.LEAVE if move is None else move.direction]
    part = PartWording(index % len(describing(bank, move)), index % len(solutions), form)
    return fill_response(Advice(() if move is None else (move,)), anchor, None, ResponseWording((part,)))


def _ends_db(move: Move) -> tuple[float, float]:
    """The amount of a move as magnitudes in dB, in order."""
    low_db, high_db = sorted((abs(move.low_db), abs(move.high_db)))
    return low_db, high_db


def _fill_verdict(template: str, claim: Claim) -> str:
    if claim.stem is None:
        return fill(template, {})
    return fill(template, {"stem": sentence_name(claim.stem)}, is_plural(claim.stem))


def _fill_move(bank: ResponseBank, move: Move, anchor: str, part: PartWording) -> str:
    low_db, high_db = _ends_db(move)
    fields = {
        "stem": sentence_name(move.stem),
        "reference": _REST if move.stem == anchor else f"the {sentence_name(anchor)}",
        **amount_fields(low_db, high_db, part.range_form),
    }
    templates = (describing(bank, move)[part.description], bank.solutions[move.direction][part.solution])
    return " ".join(fill(template, fields, is_plural(move.stem)) for template in templates)
