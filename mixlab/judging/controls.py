"""Controls: right advice and advice wrong in one respect, put into the same words by our templates.

"Raise the vocals by 6 dB" and "lower the vocals by 6 dB" are neighbours in the space of sentences. A measure of texts
is worth what it tells apart, so every score stands beside that of texts which differ from the right one in the stem,
the direction or the size alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mixlab.language.advice import Advice, Move
from mixlab.language.banks import response_bank
from mixlab.language.templates import PartWording, ResponseWording, draw_response, fill_response


class Control(StrEnum):
    """What is wrong with a control."""

    WRONG_STEM = "wrong_stem"
    WRONG_DIRECTION = "wrong_direction"
    WRONG_SIZE = "wrong_size"


WRONG_SIZE_DB = 6.0
"""How far a wrong size is from the right one: above it, or below it where both ends of the amount are above 6 dB."""


@dataclass(frozen=True)
class Renderings:
    """Right advice and its controls in the same wording; a control that the advice has no room for is left out."""

    right: str
    wrong: Mapping[Control, str]


def wrong_advice(advice: Advice, control: Control, stems: Sequence[str], rng: np.random.Generator) -> Advice | None:
    """The advice, wrong in one respect; the verdict on a claim is left out.

    Args:
        stems: those that advice may name beside its own: the stems of the mix without the anchor.
        rng: decides which stem is named wrongly where there are several.

    Returns:
        None where there is no such advice: it moves nothing, or no other stem is left to name.
    """
    if not advice.moves:
        return None
    if control is Control.WRONG_DIRECTION:
        return Advice(tuple(Move(move.stem, -move.high_db, -move.low_db) for move in advice.moves))
    if control is Control.WRONG_SIZE:
        return Advice(tuple(_wrong_size(move) for move in advice.moves))
    named = {move.stem for move in advice.moves}
    others = sorted(set(stems) - named)
    if not others:
        return None
    largest = max(advice.moves, key=lambda move: abs(move.gain_db))
    stem = others[int(rng.integers(len(others)))]
    kept = tuple(move for move in advice.moves if move is not largest)
    return Advice((*kept, Move(stem, largest.low_db, largest.high_db)))


def render_controls(advice: Advice, item: str, stems: Sequence[str], anchor: str) -> Renderings:
    """The advice and its controls in words drawn once for the item, without a verdict on a claim.

    All of them share the templates by number, so that the wording differs only where the advice does.

    Args:
        item: names the item; the same name gives the same words.
        stems: as in `wrong_advice`.
    """
    seed = int.from_bytes(hashlib.sha256(item.encode()).digest()[:8], "little")
    right = Advice(advice.moves)
    wording = draw_response(right, None, np.random.default_rng([seed, 0]))
    # Directions and degrees have lists of different lengths: a number that every list has fits all controls.
    bank = response_bank()
    descriptions = min(len(texts) for by_degree in bank.descriptions.values() for texts in by_degree.values())
    solutions = min(map(len, bank.solutions.values()))
    parts = (PartWording(p.description % descriptions, p.solution % solutions, p.range_form) for p in wording.parts)
    wording = ResponseWording(tuple(parts))
    rng = np.random.default_rng([seed, 1])
    wrong = {control: wrong_advice(right, control, stems, rng) for control in Control}
    return Renderings(
        fill_response(right, anchor, None, wording),
        {name: fill_response(text, anchor, None, wording) for name, text in wrong.items() if text is not None},
    )


def _wrong_size(move: Move) -> Move:
    low_db, high_db = sorted((abs(move.low_db), abs(move.high_db)))
    step_db = -WRONG_SIZE_DB if low_db > WRONG_SIZE_DB else WRONG_SIZE_DB
    sign = 1.0 if move.gain_db > 0 else -1.0
    return Move(move.stem, *sorted(sign * (end_db + step_db) for end_db in (low_db, high_db)))
