"""Room advising: what the answers on single segments say together; pure functions of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.parse import parse

STEP_DB = 0.5
"""The gains advised for a whole file are multiples of this."""


@dataclass(frozen=True)
class SegmentAnswer:
    """What the model said of one segment.

    Attributes:
        stems: the stems that were heard, the anchor first.
        was_asked: whether the user's sentence was put to the model.
        advice: None where the text could not be read as advice, or would move the anchor.
    """

    start_s: float
    end_s: float
    stems: tuple[str, ...]
    text: str
    was_asked: bool
    advice: Advice | None

    @classmethod
    def read(cls, start_s: float, end_s: float, stems: tuple[str, ...], text: str, was_asked: bool) -> SegmentAnswer:
        """The answer with its advice read from the text."""
        advice = parse(text, stems=stems).advice
        if advice is not None and advice.gain_db(stems[0]) != 0.0:
            advice = None
        return cls(start_s, end_s, stems, text, was_asked, advice)

    def to_json(self) -> dict[str, Any]:
        """The segment as JSON values; its advice is empty where it was not understood."""
        moves = [] if self.advice is None else [(stem, self.advice.gain_db(stem)) for stem in self.stems[1:]]
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "text": self.text,
            "advice": [_move_json(stem, gain_db) for stem, gain_db in moves],
            "verdict": None if self.advice is None or self.advice.verdict is None else str(self.advice.verdict),
            "understood": self.advice is not None,
        }


@dataclass(frozen=True)
class StemAdvice:
    """The advice on one stem over all segments in which it was heard and the answer understood.

    Attributes:
        gain_db: median gain in steps of `STEP_DB`, relative to the current fader; 0 leaves it.
        agreement: share of the segments whose direction is that of `gain_db`; not a probability of being right.
        segments: how many segments there were.
    """

    stem: str
    gain_db: float
    agreement: float
    segments: int

    @property
    def direction(self) -> Direction:
        return Direction.of(self.gain_db)

    def to_json(self) -> dict[str, Any]:
        """Stem, direction, gain and agreement as JSON values."""
        return {**_move_json(self.stem, self.gain_db), "agreement": round(self.agreement, 3), "segments": self.segments}


@dataclass(frozen=True)
class Summary:
    """The advice on a whole file.

    Attributes:
        stems: advice on each stem other than the anchor that was heard, sorted by name.
        unheard: tracks' roles that no understood segment held.
        verdict: what most of the segments that were asked say of the user's claim; None where they do not agree.
        verdict_agreement: the share of them that do.
    """

    anchor: str
    stems: tuple[StemAdvice, ...]
    unheard: tuple[str, ...]
    answers: tuple[SegmentAnswer, ...]
    claim: Claim | None
    verdict: Verdict | None
    verdict_agreement: float | None

    @property
    def gains_db(self) -> Mapping[str, float]:
        """The advised gain of each stem that was heard."""
        return {stem.stem: stem.gain_db for stem in self.stems}

    @property
    def understood(self) -> int:
        """In how many segments the answer was understood."""
        return sum(answer.advice is not None for answer in self.answers)

    def advice(self, with_verdict: bool) -> Advice:
        """The gains as moves by single values, with or without the verdict."""
        moves = tuple(Move.of(stem.stem, stem.gain_db) for stem in self.stems if stem.gain_db)
        return Advice(moves, self.verdict if with_verdict else None)


def summarise(
    answers: Sequence[SegmentAnswer], anchor: str, others: Iterable[str], claim: Claim | None = None
) -> Summary:
    """Put the answers on single segments together.

    Each stem gets the median gain over the segments in which it was heard, 0 where the answer leaves it; answers that
    were not understood count nowhere.

    Args:
        others: the roles of all tracks but the anchor's.
    """
    understood = [answer for answer in answers if answer.advice is not None]
    stems, unheard = [], []
    for stem in sorted(others):
        gains = [answer.advice.gain_db(stem) for answer in understood if answer.advice and stem in answer.stems]
        if gains:
            stems.append(_stem_advice(stem, gains))
        else:
            unheard.append(stem)
    asked = [answer.advice.verdict for answer in understood if answer.advice and answer.was_asked]
    verdict, share = _majority(asked)
    return Summary(anchor, tuple(stems), tuple(unheard), tuple(answers), claim, verdict, share)


def read_claim(prompt: str) -> Claim | None:
    """The user's claim, where our own parser can read one; the model gets the sentence as it is in any case."""
    advice = parse(prompt).advice
    if advice is None or len(advice.moves) > 1:
        return None
    if advice.moves:
        state = State.TOO_QUIET if advice.moves[0].direction is Direction.RAISE else State.TOO_LOUD
        return Claim(state, advice.moves[0].stem)
    return None if prompt.rstrip().endswith("?") else Claim(State.BALANCED)


def _stem_advice(stem: str, gains: Sequence[float]) -> StemAdvice:
    gain_db = round(median(gains) / STEP_DB) * STEP_DB
    final = Direction.of(gain_db)
    agreeing = sum(Direction.of(gain) is final for gain in gains)
    return StemAdvice(stem, gain_db, agreeing / len(gains), len(gains))


def _majority(verdicts: Sequence[Verdict | None]) -> tuple[Verdict | None, float | None]:
    """The most common verdict and its share; None where there is none, or none is the most common."""
    ranked = Counter(verdicts).most_common(2)
    if not ranked or ranked[0][0] is None or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None, None
    return ranked[0][0], ranked[0][1] / len(verdicts)


def _move_json(stem: str, gain_db: float) -> dict[str, Any]:
    return {"stem": stem, "direction": str(Direction.of(gain_db)), "gain_db": gain_db}
