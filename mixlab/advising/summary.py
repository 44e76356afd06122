"""Room advising: what the answers on single segments say together; pure functions of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.parse import parse
from mixlab.language.said import Said

_Said = TypeVar("_Said", Direction, Verdict)


@dataclass(frozen=True)
class Quorum:
    """What advice on a whole file needs; below it there is none.

    Attributes:
        min_segments: how many segments have to say something; all of them, where the file has fewer.
        min_agreement: the share of these that has to say the same.
        min_probability: how sure the model has to be of its answer on a segment, for it to count.
    """

    min_segments: int = 2
    min_agreement: float = 0.6
    min_probability: float = 0.0

    def sure(self, answer: SegmentAnswer) -> SegmentAnswer:
        """The answer, without its advice where the model is not sure enough of it, or does not say how sure it is."""
        if answer.advice is None or (answer.probability or 0.0) >= self.min_probability:
            return answer
        return replace(answer, advice=None, reason="unsure")

    def vote(self, said: Sequence[_Said], asked: int) -> tuple[_Said | None, float, str]:
        """What most segments say, their share, and why it does not count (empty where it does).

        Args:
            asked: how many segments of the file were put to the model.
        """
        needed = max(1, min(self.min_segments, asked))
        if len(said) < needed:
            count = f"{len(said) or 'no'} segment{'s' if len(said) > 1 else ''}"
            return None, 0.0, f"it is judged in {count}, and {needed} {'are' if needed > 1 else 'is'} needed"
        ranked = Counter(said).most_common(2)
        share = ranked[0][1] / len(said)
        is_tied = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
        if is_tied or share < self.min_agreement:
            return None, share, f"the segments disagree (at most {share:.0%} of {len(said)} say the same)"
        return ranked[0][0], share, ""


@dataclass(frozen=True)
class SegmentAnswer:
    """What the model said of one segment.

    Attributes:
        stems: the stems that were heard, the anchor first.
        was_asked: whether the user's sentence was put to the model.
        advice: on the stems that were heard; None where there is none.
        reason: why there is no advice, a key of `consultation.REASONS`; empty where there is.
        probability: how sure the model is of its answer, see `Said`.
    """

    start_s: float
    end_s: float
    stems: tuple[str, ...]
    text: str
    was_asked: bool
    advice: Advice | None
    reason: str = ""
    probability: float | None = None

    @classmethod
    def read(
        cls,
        start_s: float,
        end_s: float,
        stems: tuple[str, ...],
        answer: Said,
        was_asked: bool,
        silent: Iterable[str] = (),
    ) -> SegmentAnswer:
        """The answer with its advice read from the text.

        Args:
            silent: stems that are not heard here; a move of one is understood, but no advice.
        """
        text, probability = answer.text, answer.probability
        said = parse(text, stems, [stem for stem in silent if stem not in stems]).advice
        if said is None:
            return cls(start_s, end_s, stems, text, was_asked, None, "not_understood", probability)
        moves = tuple(move for move in said.moves if move.stem in stems)
        reason = "stem_silent" if said.moves and not moves else ""
        if said.gain_db(stems[0]) != 0.0:
            reason = "moves_anchor"
        advice = None if reason else Advice(moves, said.verdict)
        return cls(start_s, end_s, stems, text, was_asked, advice, reason, probability)

    def to_json(self) -> dict[str, Any]:
        """The segment as JSON values; its advice is empty where there is none."""
        moves = [] if self.advice is None else [(stem, self.advice.gain_db(stem)) for stem in self.stems[1:]]
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "text": self.text,
            "advice": [_move_json(stem, gain_db) for stem, gain_db in moves],
            "verdict": None if self.advice is None or self.advice.verdict is None else str(self.advice.verdict),
            "understood": self.reason != "not_understood",
            "reason": self.reason or None,
            "probability": None if self.probability is None else round(self.probability, 3),
        }


@dataclass(frozen=True)
class StemAdvice:
    """The advice on one stem over all segments in which it was heard and the answer gave advice.

    Attributes:
        direction: what most of the segments say; None where there is no advice.
        move: of the segments that say so, the lower median of their moves; None leaves the stem.
        agreement: share of the segments that say so; not a probability of being right.
        segments: how many segments there were.
        doubt: why there is no advice, in words; empty where there is.
    """

    stem: str
    direction: Direction | None
    move: Move | None
    agreement: float
    segments: int
    doubt: str = ""

    @property
    def gain_db(self) -> float:
        """The gain of the move relative to the current fader; 0 leaves it."""
        return 0.0 if self.move is None else self.move.gain_db

    def to_json(self) -> dict[str, Any]:
        """Stem, direction, gain and agreement as JSON values; direction and gain are null where there is no advice."""
        return {
            "stem": self.stem,
            "direction": None if self.direction is None else str(self.direction),
            "gain_db": None if self.doubt else self.gain_db,
            "agreement": round(self.agreement, 3),
            "segments": self.segments,
            "doubt": self.doubt or None,
        }


@dataclass(frozen=True)
class Summary:
    """The advice on a whole file.

    Attributes:
        stems: each stem other than the anchor that was heard, sorted by name, with its advice or why there is none.
        unheard: tracks' roles that no segment held.
        verdict: what most of the segments that were asked make of the user's claim; None where they do not agree.
        verdict_agreement: the share of them that do.
        verdict_segments: how many they are.
        verdict_doubt: why there is no verdict, in words.
    """

    anchor: str
    stems: tuple[StemAdvice, ...]
    unheard: tuple[str, ...]
    answers: tuple[SegmentAnswer, ...]
    claim: Claim | None
    verdict: Verdict | None
    verdict_agreement: float | None
    verdict_segments: int
    verdict_doubt: str

    @property
    def gains_db(self) -> Mapping[str, float]:
        """The advised gain of each stem that there is advice on."""
        return {stem.stem: stem.gain_db for stem in self.stems if not stem.doubt}

    @property
    def reasons(self) -> Counter[str]:
        """How many segments gave no advice for which reason."""
        return Counter(answer.reason for answer in self.answers if answer.reason)

    def advice(self, with_verdict: bool) -> Advice:
        """The moves that segments said, with or without the verdict."""
        moves = tuple(stem.move for stem in self.stems if stem.move is not None)
        return Advice(moves, self.verdict if with_verdict else None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        claim = None if self.claim is None else {"state": str(self.claim.state), "stem": self.claim.stem}
        return {
            "anchor": self.anchor,
            "advice": [stem.to_json() for stem in self.stems],
            "segments": [answer.to_json() for answer in self.answers],
            "unheard": list(self.unheard),
            "claim": claim,
            "verdict": None if self.verdict is None else str(self.verdict),
            "verdict_agreement": None if self.verdict_agreement is None else round(self.verdict_agreement, 3),
            "verdict_segments": self.verdict_segments,
        }


def summarise(
    answers: Sequence[SegmentAnswer],
    anchor: str,
    others: Iterable[str],
    claim: Claim | None = None,
    quorum: Quorum | None = None,
) -> Summary:
    """Put the answers on single segments together.

    Each stem is moved as most of the segments say in which it was heard, by the lower median of what these say: never
    by a gain that none of them said. An answer without a verdict judges the claim by its moves. Answers without advice
    count nowhere.

    Args:
        others: the roles of all tracks but the anchor's.
        quorum: what it takes for advice; by default `Quorum()`.
    """
    quorum = quorum or Quorum()
    answers = [quorum.sure(answer) for answer in answers]
    heard = sorted(set(others) & {stem for answer in answers for stem in answer.stems})
    stems = tuple(_stem_advice(stem, answers, quorum) for stem in heard)
    asked = [answer.advice for answer in answers if answer.was_asked and answer.advice is not None]
    verdicts = [verdict for advice in asked if (verdict := _verdict(advice, claim)) is not None]
    verdict, share, doubt = quorum.vote(verdicts, sum(answer.was_asked for answer in answers))
    unheard = tuple(sorted(set(others) - set(heard)))
    agreement = None if verdict is None else share
    return Summary(anchor, stems, unheard, tuple(answers), claim, verdict, agreement, len(verdicts), doubt)


def read_claim(prompt: str) -> Claim | None:
    """The user's claim, where our own parser can read one; the model gets the sentence as it is in any case."""
    advice = parse(prompt).advice
    if advice is None or len(advice.moves) > 1:
        return None
    if advice.moves:
        state = State.TOO_QUIET if advice.moves[0].direction is Direction.RAISE else State.TOO_LOUD
        return Claim(state, advice.moves[0].stem)
    return None if prompt.rstrip().endswith("?") else Claim(State.BALANCED)


def _stem_advice(stem: str, answers: Sequence[SegmentAnswer], quorum: Quorum) -> StemAdvice:
    told = [answer.advice for answer in answers if answer.advice is not None and stem in answer.stems]
    moves = [next((move for move in advice.moves if move.stem == stem), None) for advice in told]
    directions = [Direction.LEAVE if move is None else move.direction for move in moves]
    direction, share, doubt = quorum.vote(directions, len(answers))
    group = sorted((move for move in moves if move and move.direction is direction), key=lambda move: abs(move.gain_db))
    move = group[(len(group) - 1) // 2] if group else None
    return StemAdvice(stem, direction, move, share, len(told), doubt)


def _verdict(advice: Advice, claim: Claim | None) -> Verdict | None:
    """What an answer makes of the claim: what it says, or else what its moves say."""
    return advice.verdict or (None if claim is None else Verdict.of(claim.holds(advice.gains_db)))


def _move_json(stem: str, gain_db: float) -> dict[str, Any]:
    return {"stem": stem, "direction": str(Direction.of(gain_db)), "gain_db": gain_db}
