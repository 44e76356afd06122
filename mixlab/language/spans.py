"""Room language: where in a response the words are that carry its meaning."""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.language.items import read_items, read_opening
from mixlab.language.lexicon import Kind
from mixlab.language.wording import STEM_NAMES, load_data

# A set holds the hashes of its members; a tuple of kinds would be hashed anew for every word of every response.
_DECISIVE = frozenset(
    {
        *(
            Kind.STEM,
            Kind.AMOUNT,
            Kind.VAGUE,
            Kind.RAISE,
            Kind.LOWER,
            Kind.WEAK_RAISE,
            Kind.WEAK_LOWER,
            Kind.LOUDER,
            Kind.QUIETER,
        ),
        *(Kind.LOUD, Kind.QUIET, Kind.BALANCED, Kind.GOOD, Kind.LEAVE, Kind.LEAVE_MARK, Kind.CHANGE),
        *(Kind.NOT, Kind.NOTHING, Kind.NEITHER, Kind.CONFIRMED, Kind.CORRECTED),
    }
)
_VERDICTS = frozenset({"yes", "no"})
_WHOLE = frozenset({"balance", "mix"})
_PAUSES = frozenset({Kind.COMMA, Kind.STOP})


def decisive_spans(text: str, stems: Sequence[str] = STEM_NAMES) -> list[tuple[int, int]]:
    """Character spans of the words in a response that carry its meaning, in order and without overlap.

    These are the names of stems, the words of direction, state, degree, balance and verdict, negations, and amounts; at
    a place where answers part, the words of all answers are decisive or none is.
    """
    items = read_items(text, tuple(stems))
    rivals = load_data("decisive")["words"]
    _, opening = read_opening(items)
    spans: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        is_decisive = (
            not item.entry.kinds.isdisjoint(_DECISIVE)
            or item.words[0] in rivals
            or (index < opening and item.entry.kinds.isdisjoint(_PAUSES))
        )
        if is_decisive and (not spans or item.start >= spans[-1][1]):
            spans.append((item.start, item.end))
    return spans


def naming_spans(text: str, stems: Sequence[str] = STEM_NAMES) -> list[tuple[int, int]]:
    """Character spans of the words in a response that say which answer it is: the verdict, then what is out of balance.

    These are "yes" or "no" in the opening and, in each sentence, the stem that it speaks of where no sentence before
    did, or "balance". Direction and size follow from the stem nearly always, and words like "too loud" and "sticks out"
    are a choice of wording.
    """
    items = read_items(text, tuple(stems))
    _, opening = read_opening(items)
    spans = [(item.start, item.end) for item in items[:opening] if item.words[0] in _VERDICTS]
    named: set[str] = set()
    is_open = True
    for item in items[opening:]:
        what = item.entry.stem if item.has(Kind.STEM) else item.words[0] if item.words[0] in _WHOLE else None
        if is_open and what is not None:
            is_open = False
            if what not in named:
                named.add(what)
                spans.append((item.start, item.end))
        is_open = is_open or item.has(Kind.STOP)
    return spans
