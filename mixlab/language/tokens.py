"""Room language: a text cut into words, numbers and stops, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mixlab.language.wording import load_data

# One pass, no nested repetition: linear in the length of the text. A sign belongs to a number only where it touches
# the number and nothing touches the sign; "3-6" is a range and "- 3" the item of a list. Numbers of another shape
# ("1e400", "1,000,000") are no amounts.
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])[+-]?(?:\d{1,6}(?:[.,]\d{1,30})?|\.\d{1,30})(?!\d|[.,]\d|e[+-]?\d))"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)"
    r"|(?P<digits>\d+)"
    r"|(?P<mark>[^\w\s]|\n)"
)
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc`", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        "\u2026": ".",
        "\uff05": "%",
    }
)
_EM_DASH = "\u2014"
_ENDINGS = {"'re": "are", "'d": "would", "'ll": "will", "'ve": "have"}


class Token(NamedTuple):
    """A word in lower case, a number or a punctuation mark, with its span in the text.

    A contraction gives two tokens with the span of both: "don't" reads "do", "not".
    """

    text: str
    start: int
    end: int
    number: float | None = None
    sign: int = 0
    """+1 or -1 where a number was written with a sign."""
    is_word: bool = False


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens; spaces, underscores and hyphens inside words leave none."""
    plain = _plain(text)
    contractions = load_data("vocabulary")["contractions"]
    tokens: list[Token] = []
    for match in _TOKEN.finditer(plain):
        start, end = match.span()
        content = match.group()
        if match.lastgroup == "number":
            sign = {"+": 1, "-": -1}.get(content[0], 0)
            number = abs(float(content.replace(",", ".")))
            tokens.append(Token(content.lstrip("+-"), start, end, number, sign))
        elif match.lastgroup == "word":
            parts = _parts(content) if content in contractions or "'" in content else (content,)
            tokens.extend([Token(part, start, end, is_word=True) for part in parts])
        elif content == "-" and _joins(plain, start):
            continue
        else:
            tokens.append(Token(content, start, end))
    return tokens


def _plain(text: str) -> str:
    """The text in lower case with one kind of quote and dash, character for character."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
    folded = folded.translate(_ALIKE)
    if _EM_DASH in folded:
        folded = re.sub(rf"(?<=\d){_EM_DASH}(?=\d)", "-", folded).replace(_EM_DASH, ",")
    return folded


def _parts(word: str) -> Iterator[str]:
    known = load_data("vocabulary")["contractions"].get(word)
    if known is not None:
        yield from known.split()
        return
    head, quote, tail = word.rpartition("'")
    if not quote:
        yield word
    elif word.endswith("n't"):
        yield from (part for part in (word[:-3], "not") if part)
    else:
        yield head
        if quote + tail in _ENDINGS:
            yield _ENDINGS[quote + tail]


def _joins(text: str, place: int) -> bool:
    """Whether the hyphen joins two parts of a word ("well-balanced", "3-dB") and so has no meaning of its own."""
    after = text[place + 1 : place + 2]
    return after.isalpha() and text[place - 1 : place].isalnum()
