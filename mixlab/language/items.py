"""Room language: tokens read as items: stems, amounts, directions, states, verdicts, with their place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from mixlab.language.lexicon import Entry, Kind, Lexicon, lexicon, vocabulary, word_set
from mixlab.language.tokens import Token, tokenize
from mixlab.language.wording import OTHER

_STOPS = frozenset(".!?;\n")
_COMMAS = frozenset(",()|-")
_RANGE_WORDS = frozenset({"to", "or", "-", "through", "~"})
_ASSIGNMENTS = frozenset(":='\"")


@dataclass(frozen=True)
class Amount:
    """An amount in dB as written: magnitudes in order, and the sign (+1, -1, or 0 where there was none).

    `is_usable` is False for zero inside a range, or a range from minus to plus.
    """

    low_db: float
    high_db: float
    sign: int = 0
    is_usable: bool = True


class Item(NamedTuple):
    """One or more tokens read as one thing."""

    entry: Entry
    words: tuple[str, ...]
    start: int
    end: int
    amount: Amount | None = None

    def has(self, *kinds: Kind) -> bool:
        """Whether the item is of any of these kinds."""
        return not self.entry.kinds.isdisjoint(kinds)


_WORD = Entry(frozenset({Kind.WORD}))
_REST = Entry(frozenset({Kind.REST}))
_AMOUNT = Entry(frozenset({Kind.AMOUNT}))
_OTHER_STEM = Entry(frozenset({Kind.STEM}), stem=OTHER)
_STOP = Entry(frozenset({Kind.STOP}))
_COMMA = Entry(frozenset({Kind.COMMA}))


def read_items(text: str, stems: Sequence[str]) -> list[Item]:
    """Read a text as items; nothing is left out, what the vocabulary lacks becomes a plain word."""
    tokens = tokenize(text)
    words = [_lookup_form(token) for token in tokens]
    known = lexicon(tuple(stems))
    items: list[Item] = []
    index = 0
    while index < len(tokens):
        entry, amount, end = _read(tokens, words, index, known, stems)
        span = tokens[index:end]
        first = span[1] if amount is not None and words[index] == "by" else span[0]
        items.append(Item(entry, tuple(words[index:end]), first.start, span[-1].end, amount))
        index = end
    return items


def read_opening(items: Sequence[Item]) -> tuple[Kind | None, int]:
    """A verdict in the first words, before a comma or a stop ("Yes, ...", "Not quite: ..."), and the items it takes."""
    position = 0
    opening = vocabulary()["opening"]
    while True:
        for name, kind in (("confirmed", Kind.CONFIRMED), ("corrected", Kind.CORRECTED), ("filler", None)):
            length = _opening_length(items, position, opening[name])
            if length and kind is not None:
                return kind, position + length
            if length:
                break
        else:
            return None, 0
        position += length + 1


def _opening_length(items: Sequence[Item], position: int, phrases: Sequence[str]) -> int:
    words: tuple[str, ...] = ()
    for length in (1, 2, 3):
        if position + length > len(items):
            return 0
        words += items[position + length - 1].words
        after = items[position + length] if position + length < len(items) else None
        if " ".join(words) in phrases and (after is None or after.words[0] in ",.!;:-\n"):
            return length
    return 0


def _lookup_form(token: Token) -> str:
    return "db" if token.text in word_set("units") else token.text


def _read(
    tokens: Sequence[Token], words: Sequence[str], index: int, known: Lexicon, stems: Sequence[str]
) -> tuple[Entry, Amount | None, int]:
    """The item at `index`: what it is, its amount if it is one, and the index after it."""
    phrase = known.longest(words, index)
    if phrase is not None and phrase[1] > index and Kind.STEM in phrase[0].kinds:
        return phrase[0], None, phrase[1]
    amount = _read_amount(tokens, words, index)
    if amount is not None and (phrase is None or phrase[1] <= amount[1]):
        return _AMOUNT, amount[0], amount[1]
    if phrase is not None and phrase[1] > index:
        return phrase[0], None, phrase[1]
    if words[index] == OTHER:
        is_role = OTHER in stems and _is_role(tokens, words, index)
        return (_OTHER_STEM if is_role else _REST), None, index + 1
    if index > 0 and words[index - 1] == "db" and words[index] in _states_after_amount():
        return _states_after_amount()[words[index]], None, index + 1
    if words[index] in _STOPS:
        return _STOP, None, index + 1
    if words[index] in _COMMAS:
        return _COMMA, None, index + 1
    return _WORD, None, index + 1


def _is_role(tokens: Sequence[Token], words: Sequence[str], index: int) -> bool:
    """Whether the bare word "other" names the stem of that role."""
    if index > 0 and words[index - 1] in word_set("other_not_after"):
        return False
    if index + 1 >= len(tokens):
        return True
    after = tokens[index + 1]
    return not after.is_word or after.text in word_set("other_before")


def _read_amount(tokens: Sequence[Token], words: Sequence[str], index: int) -> tuple[Amount, int] | None:
    """An amount at `index` and the index after it: "6 dB", "3 to 6 dB", "between 3 and 6 dB", "-2.5dB", "by 3"."""
    start = index
    lead = words[index]
    joints = _RANGE_WORDS
    if lead in ("between", "from"):
        index += 1
        joints = joints | {"and"} if lead == "between" else joints
    elif lead == "by":
        index += 1
    elif lead == "db":
        return _read_unit_first(tokens, index)
    first = _number(tokens, index)
    if first is None:
        return None
    index += 1
    index, has_unit = _skip_unit(words, index)
    numbers = [first]
    if index + 1 < len(words) and words[index] in joints:
        second = _number(tokens, index + 1)
        after = None if second is None else _skip_unit(words, index + 2)
        if second is not None and after is not None and (after[1] or has_unit or lead == "by"):
            numbers.append(second)
            index, has_unit = after[0], True if after[1] else has_unit
    before = words[start - 1] if start > 0 else ""
    is_absolute = before in word_set("absolute_after") or (before == "to" and first[1] != 0)
    is_foreign = index < len(words) and words[index] in word_set("foreign_units")
    is_stated = has_unit or (tokens[start].number is not None and first[1] != 0) or lead == "by"
    if is_absolute or is_foreign or not is_stated:
        return None
    return _amount(numbers), index


def _read_unit_first(tokens: Sequence[Token], index: int) -> tuple[Amount, int] | None:
    """An amount whose unit stands before it, as in data: `"gain_db": 3`."""
    index += 1
    while index < len(tokens) and tokens[index].text in _ASSIGNMENTS:
        index += 1
    found = _number(tokens, index)
    return None if found is None or tokens[index].is_word else (_amount([found]), index + 1)


@cache
def _states_after_amount() -> dict[str, Entry]:
    """Words that say "too loud" or "too quiet" right after an amount."""
    states = vocabulary()["after_amount"].items()
    return {word: Entry(frozenset({Kind(kind)})) for kind, words in states for word in words}


def _number(tokens: Sequence[Token], index: int) -> tuple[float, int] | None:
    """The number at `index` and its sign."""
    if index >= len(tokens):
        return None
    token = tokens[index]
    if token.number is not None:
        return token.number, token.sign
    value = vocabulary()["numbers"].get(token.text)
    return None if value is None else (float(value), 0)


def _skip_unit(words: Sequence[str], index: int) -> tuple[int, bool]:
    has_unit = index < len(words) and words[index] == "db"
    return (index + 1, True) if has_unit else (index, False)


def _amount(numbers: Sequence[tuple[float, int]]) -> Amount:
    low, high = min(value for value, _ in numbers), max(value for value, _ in numbers)
    signs = {sign for _, sign in numbers if sign}
    if len(signs) == 2 or (low == 0 < high):
        return Amount(low, high, 0, is_usable=False)
    return Amount(low, high, signs.pop() if signs else 0)
