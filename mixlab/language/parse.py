"""Room language: text read back as advice; one parser for our templates and for the free text of any model.

A solution ("lower the vocals by 3 dB") outranks a description ("the vocals are too loud"); a description supplies
what the solution lacks. What contradicts itself is reported as such and not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from mixlab.language.advice import Advice, Direction, Move, Verdict
from mixlab.language.amounts import Amount
from mixlab.language.evidence import Evidence, Said, gather
from mixlab.language.items import Item, read_items, read_opening
from mixlab.language.lexicon import Kind, vocabulary
from mixlab.language.records import in_words
from mixlab.language.sentences import Sentence, read_sentences
from mixlab.language.soundness import is_broken
from mixlab.language.wording import STEM_NAMES

_NOTHING_FOUND = "no stem and direction found"


class Reading(StrEnum):
    """Whether a text was read as advice; what was not speaks of other things than level, or cannot be read."""

    READ = "read"
    NOT_ABOUT_LEVEL = "not_about_level"
    NOT_READABLE = "not_readable"


@dataclass(frozen=True)
class Parsed:
    """What was understood of a text.

    Attributes:
        advice: the advice, or None where there is none or it contradicts itself.
        reason: why there is no advice; empty where there is.
        reading: whether it was read, or why not.
        amount_stated: whether every move has an amount in the text, in dB or in words such as "slightly"; where it is
            False, a move has the amount that the vocabulary gives for ``unspecified``.
    """

    advice: Advice | None
    reason: str = ""
    amount_stated: bool = True
    reading: Reading = Reading.READ


KEPT_TEXTS = 4096
"""Texts whose readings are kept: models say the same again and again, and every metric reads it."""


class _Unclear(Exception):
    """The text has no advice that could be acted on; the message says why."""


def parse(text: str, stems: Sequence[str] = STEM_NAMES, absent: Sequence[str] = ()) -> Parsed:
    """Read a response as advice; never raises on any text.

    Args:
        text: the response, in words or as JSON.
        stems: the stems that there are; no other is read.
        absent: stems that are not there, and whose names are read all the same.
    """
    return _parsed(text, tuple(stems), tuple(absent))


@lru_cache(KEPT_TEXTS)
def _parsed(text: str, stems: tuple[str, ...], absent: tuple[str, ...]) -> Parsed:
    if not text.strip():
        return Parsed(None, "empty", False, Reading.NOT_READABLE)
    names = (*stems, *absent)
    items = read_items(in_words(text, names), names)
    verdict, opening = read_opening(items)
    sentences = list(read_sentences(items[opening:]))
    evidence = gather(sentences, stems)
    try:
        moves, is_stated = _moves(evidence, stems)
        _check_whole(items, evidence)
    except _Unclear as unclear:
        is_said = evidence.optional or evidence.either or any(said.solutions for said in evidence.stems.values())
        is_level = is_said or not evidence.aside or any(item.has(Kind.REFUSAL) for item in items)
        reading = Reading.NOT_READABLE if is_level else Reading.NOT_ABOUT_LEVEL
        return Parsed(None, str(unclear) if is_level else "speaks of other things than level", False, reading)
    return Parsed(Advice(moves, _verdict(verdict, items, sentences)), "", is_stated)


def _check_whole(items: Sequence[Item], evidence: Evidence) -> None:
    """Refuse a text as a whole.

    Raises:
        _Unclear: if it says that it cannot know, gives alternatives, only moves that depend on a condition, or babble.
    """
    if any(item.has(Kind.REFUSAL) for item in items):
        raise _Unclear("the text says that it cannot tell")
    if evidence.retracted:
        raise _Unclear("something is taken back, and nothing certain put in its place")
    if evidence.either:
        raise _Unclear("alternatives of which one is to be chosen")
    if evidence.optional and not any(said.solutions for said in evidence.stems.values()):
        raise _Unclear("a move that depends on a condition")
    if is_broken(items):
        raise _Unclear("words in no order that a sentence has")


def _verdict(opening: Kind | None, items: Sequence[Item], sentences: Sequence[Sentence]) -> Verdict | None:
    """The verdict in the first words, or else in a phrase anywhere, or else in what the first sentence denies."""
    phrases = (kind for item in items for kind in (Kind.CONFIRMED, Kind.CORRECTED) if item.has(kind))
    kind = opening or next(phrases, None)
    if kind is not None:
        return Verdict(str(kind))
    is_denied = bool(sentences) and any(clause.denied for clause in sentences[0].clauses)
    return Verdict.CORRECTED if is_denied else None


def _moves(evidence: Evidence, stems: Sequence[str]) -> tuple[tuple[Move, ...], bool]:
    """The moves, and whether all of their amounts were stated.

    Raises:
        _Unclear: if there is no advice, or if it contradicts itself.
    """
    _adopt(evidence)
    if any(said.solutions or said.acts for said in evidence.stems.values()):
        movers = {stem: said for stem, said in evidence.stems.items() if said.solutions or said.acts}
    else:
        movers = {stem: said for stem, said in evidence.stems.items() if said.descriptions}
        if movers and not evidence.unread <= movers.keys():
            raise _Unclear("two complaints, of which one cannot be read")
    moves, stated = [], True
    for stem, said in sorted(movers.items()):
        direction = _direction(stem, said)
        low_db, high_db, is_stated = _amount(stem, said, direction)
        stated = stated and is_stated
        if not (is_stated or said.descriptions) and any(clause.mutes for _, clause in said.solutions):
            raise _Unclear(f"lower the {stem}, or leave it out")
        if high_db == 0:
            evidence.balanced = evidence.balanced or len(movers) == 1
        elif direction is Direction.RAISE:
            moves.append(Move(stem, low_db, high_db))
        else:
            moves.append(Move(stem, -high_db, -low_db))
    if moves and evidence.balanced:
        raise _Unclear(f"contradiction: the mix is balanced, and the {moves[0].stem} should move")
    # That one stem is fine says nothing of the others; that all beside the anchor are says that the mix is.
    left = [stem for stem, said in evidence.stems.items() if said.leave or said.nice]
    is_left = 0 < len(left) >= len(stems) - 1
    if not moves and not (evidence.balanced or evidence.nice or is_left):
        raise _Unclear(_NOTHING_FOUND)
    return tuple(moves), stated


def _adopt(evidence: Evidence) -> None:
    """Give solutions that name no stem to the one stem described as needing them ("Raise it by 3 dB: the bass ...").

    Raises:
        _Unclear: if there is no such stem, and the text names no other move or an amount for this one.
    """
    has_moves = any(said.solutions for said in evidence.stems.values())
    for direction, clause in evidence.orphans:
        described = [stem for stem, said in evidence.stems.items() if said.descriptions]
        if len(described) == 1 and not has_moves:
            evidence.of(described[0]).solutions.append((direction, clause))
        elif clause.amounts or not has_moves:
            raise _Unclear("no stem found for a direction")


def _direction(stem: str, said: Said) -> Direction:
    asked = {direction for direction, _ in said.solutions}
    described = {direction for direction, _ in said.descriptions}
    both = asked | described
    if len(both) > 1:
        kind = "raise and lower" if len(asked) != 1 else "the description and the solution of"
        raise _Unclear(f"contradiction: {kind} the {stem}")
    if not both:
        raise _Unclear(f"no direction found for the {stem}")
    direction = next(iter(both))
    if said.leave:
        raise _Unclear(f"contradiction: {direction} and leave the {stem}")
    if direction in said.forbidden:
        raise _Unclear(f"contradiction: {direction} and do not {direction} the {stem}")
    return direction


def _amount(stem: str, said: Said, direction: Direction) -> tuple[float, float, bool]:
    """The amount of a move as magnitudes in dB, and whether it was stated.

    In dB before in words, and in either the solution before the description.
    """
    solutions = [clause for _, clause in said.solutions] + said.acts
    descriptions = [clause for _, clause in said.descriptions]
    for clauses in (solutions, descriptions):
        amounts = {amount for clause in clauses for amount in clause.amounts}
        if clauses is solutions:
            _check_signs(stem, amounts, direction)
        spans = {(amount.low_db, amount.high_db) for amount in amounts}
        if len(spans) > 1:
            raise _Unclear(f"contradiction: several amounts for the {stem}")
        if any(not amount.is_usable for amount in amounts):
            raise _Unclear(f"no usable amount for the {stem}: a range that holds zero")
        if spans:
            return (*spans.pop(), True)
    for clauses in (solutions, descriptions):
        for clause in clauses:
            if clause.vague_db:
                return clause.vague_db[0], clause.vague_db[0], True
    unspecified_db = float(vocabulary()["unspecified"])
    return unspecified_db, unspecified_db, False


def _check_signs(stem: str, amounts: set[Amount], direction: Direction) -> None:
    if any(amount.sign and Direction.of(amount.sign) is not direction for amount in amounts):
        raise _Unclear(f"contradiction: {direction} the {stem}, and an amount of the other sign")
