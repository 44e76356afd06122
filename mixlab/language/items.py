"""Room language: tokens read as items: stems, amounts, directions, states, verdicts, with their place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from mixlab.language.amounts import Amount, read_amount
from mixlab.language.lexicon import Entry, Kind, Lexicon, lexicon, vocabulary, word_set
from mixlab.language.tokens import Token, tokenize
from mixlab.language.wording import OTHER

_STOPS = frozenset(".!?;\n")
_COMMAS = frozenset(",()|-/")
_TURNS = (Kind.RAISE, Kind.LOWER, Kind.WEAK_RAISE, Kind.WEAK_LOWER, Kind.GAIN)


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


PLAIN = Entry(frozenset({Kind.WORD}))
"""A word without a meaning of its own."""
_REST = Entry(frozenset({Kind.REST}))
_AMOUNT = Entry(frozenset({Kind.AMOUNT}))
_OTHER_STEM = Entry(frozenset({Kind.STEM}), stem=OTHER)
_STOP = Entry(frozenset({Kind.STOP}))
_COMMA = Entry(frozenset({Kind.COMMA}))


def read_items(text: str, stems: Sequence[str]) -> list[Item]:
    """Read a text as items; nothing is left out, what the vocabulary lacks becomes a plain word."""
    tokens = _units_shared(_units_joined(tokenize(text)))
    words = [_lookup_form(token) for token in tokens]
    known = lexicon(tuple(stems))
    items: list[Item] = []
    index = 0
    while index < len(tokens):
        entry, amount, end = _read(tokens, words, index, known, stems, items[-3:])
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


def _units_joined(tokens: list[Token]) -> list[Token]:
    """The tokens with a unit next to its number: "2 more dB" as "2 dB more"."""
    joined = list(tokens)
    for index in range(1, len(tokens) - 1):
        is_between = tokens[index].text in word_set("before_unit") and _lookup_form(tokens[index + 1]) == "db"
        if is_between and _lookup_form(tokens[index - 1]) not in ("a", "an", "db"):
            joined[index], joined[index + 1] = tokens[index + 1], tokens[index]
    return joined


def _units_shared(tokens: list[Token]) -> list[Token]:
    """The tokens with a unit after each number of a list that is shared out: "1, 2 and 3 dB respectively"."""
    if not any(token.text == "respectively" for token in tokens):
        return tokens
    shared: list[Token] = []
    unit: Token | None = None
    for token in reversed(tokens):
        if token.number is not None and unit is not None and not (shared and shared[-1] is unit):
            shared.append(unit)
        if token.number is None and token.text not in (",", "and"):
            unit = token if _lookup_form(token) == "db" else None
        shared.append(token)
    return shared[::-1]


def _lookup_form(token: Token) -> str:
    return "db" if token.text in word_set("units") else token.text


def _read(
    tokens: Sequence[Token],
    words: Sequence[str],
    index: int,
    known: Lexicon,
    stems: Sequence[str],
    before: Sequence[Item],
) -> tuple[Entry, Amount | None, int]:
    """The item at `index`: what it is, its amount if it is one, and the index after it."""
    phrase = known.longest(words, index)
    if phrase is not None and phrase[1] > index and Kind.STEM in phrase[0].kinds:
        return phrase[0], None, phrase[1]
    is_measured = bool(before) and before[-1].has(Kind.AMOUNT, Kind.VAGUE)
    if is_measured and words[index] in _states_after_amount() and _ends(tokens, index + 1):
        return _states_after_amount()[words[index]], None, index + 1
    is_taken = not word_set("after_taken").isdisjoint(words[index + 1 : index + 2])
    is_turned = bool(before) and (before[-1].has(*_TURNS) or (is_taken and before[-1].has(Kind.ACT)))
    amount = read_amount(tokens, words, index, is_turned)
    if amount is not None and (phrase is None or phrase[1] <= amount[1]):
        return _AMOUNT, amount[0], amount[1]
    if phrase is not None and words[index] == OTHER and OTHER in stems and _ends_list(before):
        return _OTHER_STEM, None, phrase[1]
    if phrase is not None and phrase[1] > index:
        return phrase[0], None, phrase[1]
    if words[index] == OTHER:
        is_role = OTHER in stems and _is_role(tokens, words, index)
        return (_OTHER_STEM if is_role else _REST), None, index + 1
    if words[index] in _STOPS:
        return _STOP, None, index + 1
    if words[index] in _COMMAS:
        return _COMMA, None, index + 1
    return PLAIN, None, index + 1


def _ends(tokens: Sequence[Token], index: int) -> bool:
    """Whether the words end at `index`, or go on with another clause ("2 dB under", not "2 dB under the bass")."""
    return index >= len(tokens) or not tokens[index].is_word or tokens[index].text in word_set("after_bare")


def _ends_list(before: Sequence[Item]) -> bool:
    """Whether "other stems" ends a list of stems ("the vocals, drums, and other stems"), and so names a role."""
    joints = [item.words[0] in ("and", ",") for item in before]
    return (
        bool(joints)
        and joints[-1]
        and any(item.has(Kind.STEM) and all(joints[place + 1 :]) for place, item in enumerate(before))
    )


def _is_role(tokens: Sequence[Token], words: Sequence[str], index: int) -> bool:
    """Whether the bare word "other" names the stem of that role."""
    if index > 0 and words[index - 1] in word_set("other_not_after"):
        return False
    if index + 1 >= len(tokens):
        return True
    after = tokens[index + 1]
    return not after.is_word or after.text in word_set("other_before")


@cache
def _states_after_amount() -> dict[str, Entry]:
    """Words that say "too loud" or "too quiet" right after an amount."""
    states = vocabulary()["after_amount"].items()
    return {word: Entry(frozenset({Kind(kind)})) for kind, words in states for word in words}
