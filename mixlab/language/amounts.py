"""Room language: amounts in dB read from tokens: figures, words, fractions, ranges, and from where to where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mixlab.language.lexicon import Lexicon, number_words, word_set
from mixlab.language.tokens import Token

_RANGE_WORDS = frozenset({"to", "or", "-", "through", "~"})
_ASSIGNMENTS = frozenset("):='\"")
_SIGN_WORDS = {"plus": 1, "minus": -1}
_DENOMINATORS = (2, 3, 4, 8)


@dataclass(frozen=True)
class Amount:
    """An amount in dB as written: magnitudes in order, and the sign (+1, -1, or 0 where there was none).

    `is_usable` is False for zero inside a range, or a range from minus to plus; `is_level` holds where it says at what
    level a fader or a meter stands, or should stand.
    """

    low_db: float
    high_db: float
    sign: int = 0
    is_usable: bool = True
    is_level: bool = False

    @property
    def signed_db(self) -> float:
        """The upper value with its sign."""
        return self.high_db * (self.sign or 1)


class _Number(NamedTuple):
    """A number, its sign as written, and the index after it; `is_figure` where it is written in digits."""

    value: float
    sign: int
    end: int
    is_figure: bool


def read_amount(
    tokens: Sequence[Token], words: Sequence[str], index: int, is_turned: bool
) -> tuple[Amount, int] | None:
    """An amount at `index` and the index after it: "6 dB", "3 to 6 dB", "between 3 and 6 dB", "-2.5dB", "by 3".

    Args:
        words: of the tokens, every name of the unit as "db".
        is_turned: whether a word of direction stands before, after which a number needs no unit ("up 2").
    """
    start, lead = index, words[index]
    joints = _RANGE_WORDS
    if lead in ("between", "from"):
        index += 1
        joints = joints | {"and"} if lead == "between" else joints
    elif lead == "by":
        index += 1
    elif lead == "db" and index > 0 and words[index - 1] in word_set("one_more"):
        index, half = _skip_half(words, index + 1, True)
        return Amount(1.0 + half, 1.0 + half), index
    elif lead == "db":
        return _read_unit_first(tokens, words, index)
    first = _number(tokens, words, index)
    if first is None:
        return None
    index, has_unit = _skip_unit(words, first.end)
    index, half = _skip_half(words, index, has_unit)
    numbers = [first._replace(value=first.value + half)]
    if index + 1 < len(words) and words[index] in joints:
        second = _number(tokens, words, index + 1)
        after = None if second is None else _skip_unit(words, second.end)
        if second is not None and after is not None and (after[1] or has_unit or lead in ("by", "from")):
            index, half = _skip_half(words, *after)
            numbers.append(second._replace(value=second.value + half))
            has_unit = after[1] or has_unit
    if lead == "from" and len(numbers) == 2 and any(number.sign or not number.value for number in numbers):
        return _difference(*numbers), index
    before = words[start - 1] if start > 0 else ""
    before = words[start - 2] if start > 1 and before in word_set("approximators") else before
    is_absolute = before in word_set("absolute_after") or (before == "to" and first.sign != 0)
    is_foreign = index < len(words) and words[index] in word_set("foreign_units")
    is_alone = index == len(words) or not tokens[index].is_word or words[index] in word_set("after_bare")
    is_signed = first.sign != 0 and (tokens[start].sign != 0 or is_alone)
    is_counted = (first.is_figure and lead == "by") or (first.value >= 1 and is_turned and is_alone)
    is_stated = has_unit or is_signed or is_counted
    if is_absolute and is_signed and not is_foreign and len(numbers) == 1:
        return replace(_amount(numbers), is_level=True), index
    if is_absolute or is_foreign or not (is_stated or (lead == "by" and first.value >= 1)):
        return None
    return _amount(numbers), index


def _read_unit_first(tokens: Sequence[Token], words: Sequence[str], index: int) -> tuple[Amount, int] | None:
    """An amount whose unit stands before it, as in data: `"gain_db": 3`."""
    index += 1
    while index < len(tokens) and tokens[index].text in _ASSIGNMENTS:
        index += 1
    found = _number(tokens, words, index)
    return None if found is None or not found.is_figure else (_amount([found]), found.end)


def _number(tokens: Sequence[Token], words: Sequence[str], index: int) -> _Number | None:
    """The number at `index`: "2.5", "1 1/2", "2½", "two and a half", "a quarter of a", "minus 3"; "a" before a unit."""
    if index >= len(tokens):
        return None
    if words[index] in _SIGN_WORDS:
        found = _number(tokens, words, index + 1) if index + 1 < len(tokens) and not tokens[index].sign else None
        return None if found is None or found.sign else found._replace(sign=_SIGN_WORDS[words[index]])
    if words[index] in ("a", "an") and words[index + 1 : index + 2] == ["db"]:
        return _Number(1.0, 0, index + 1, False)
    token = tokens[index]
    if token.number is None:
        phrase = _longest(number_words("numbers"), words, index)
        if phrase is None:
            return None
        value, end, is_figure = *phrase, False
    else:
        value, end, is_figure = token.number, index + 1, True
        fraction = _fraction(tokens, index)
        if fraction is not None:
            return _Number(fraction, token.sign, index + 3, True)
        fraction = _fraction(tokens, end) if end < len(tokens) and not tokens[end].sign else None
        if fraction is not None:
            return _Number(value + fraction, token.sign, end + 3, True)
    part = _longest(number_words("halves"), words, end)
    value, end = (value, end) if part is None else (value + part[0], part[1])
    return _Number(value, token.sign, end, is_figure)


def _fraction(tokens: Sequence[Token], index: int) -> float | None:
    """The value of "1/2" at `index`, three tokens that touch; None for what is no proper fraction of a common kind."""
    three = tokens[index : index + 3]
    if len(three) < 3 or three[1].text != "/" or (three[0].end, three[1].end) != (three[1].start, three[2].start):
        return None
    over, under = three[0].number, three[2].number
    return over / under if over is not None and under in _DENOMINATORS and 0 < over < under else None


def _longest(phrases: Lexicon, words: Sequence[str], index: int) -> tuple[float, int] | None:
    found = phrases.longest(words, index)
    return None if found is None else (found[0].value_db, found[1])


def _skip_unit(words: Sequence[str], index: int) -> tuple[int, bool]:
    has_unit = index < len(words) and words[index] == "db"
    return (index + 1, True) if has_unit else (index, False)


def _skip_half(words: Sequence[str], index: int, has_unit: bool) -> tuple[int, float]:
    """What stands after a unit and adds to the number: "a dB and a half"."""
    part = _longest(number_words("halves"), words, index) if has_unit else None
    return (index, 0.0) if part is None else (part[1], part[0])


def _amount(numbers: Sequence[_Number]) -> Amount:
    low, high = min(number.value for number in numbers), max(number.value for number in numbers)
    signs = {number.sign for number in numbers if number.sign}
    if len(signs) == 2 or (low == 0 < high):
        return Amount(low, high, 0, is_usable=False)
    return Amount(low, high, signs.pop() if signs else 0)


def _difference(first: _Number, second: _Number) -> Amount:
    """How far a fader moves that goes "from -6 dB to -9 dB"."""
    moved_db = round(second.value * (second.sign or 1) - first.value * (first.sign or 1), 6)
    return Amount(abs(moved_db), abs(moved_db), 1 if moved_db > 0 else -1 if moved_db < 0 else 0)
