"""Ground floor: text that a stranger wrote (a song's name, a genre, a prompt, an answer), shown as text everywhere.

One function for each form of output: `visible` for a terminal, a page or a picture, `line` where one line is meant,
`markdown`, `code` and `fenced` for Markdown, `csv_text` for CSV. A page escapes markup by itself (Jinja); `finalize`
makes visible in it what needs no markup: characters that turn the order of others, end a line or move a cursor.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import sys
from collections.abc import Sequence
from typing import IO, Any

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls, separators of lines, overrides of the direction of writing, halves of characters; not tab and line feed."""

_MARKUP = re.compile(r"([\\`*~<>\[\]|&$#])|(?<![^\W_])_|_(?![^\W_])")
_FORMULA = re.compile(r"[\t\n]|[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def visible(text: str) -> str:
    """Text in which what a screen would obey and not show is written out, as in ``\\\\u001b``; line feeds stay."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """Text on one line, without blanks around it."""
    return visible(" ".join(text.split()))


def markdown(text: str) -> str:
    """Text on one line of Markdown, in which nothing is markup and nothing ends a cell of a table."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", line(text))


def code(text: str) -> str:
    """Text on one line as a span of code in Markdown, between marks that nothing in it can close."""
    inner = line(text)
    mark = "`" * (max(map(len, re.findall("`+", inner)), default=0) + 1)
    blank = " " if len(mark) > 1 else ""
    return f"{mark}{blank}{inner}{blank}{mark}"


def fenced(text: str, language: str = "") -> str:
    """Text as a block of code in Markdown, with a fence that nothing in it can close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{visible(text).rstrip(chr(10))}\n{fence}"


def finalize(value: Any) -> Any:
    """What a template gets: texts are made visible, markup that it was given on purpose stays as it is."""
    return visible(value) if type(value) is str else value


def csv_cell(value: Any) -> Any:
    """A cell of a CSV: a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Rows of values as CSV; None is an empty cell."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([map(csv_cell, row) for row in rows])
    return buffer.getvalue()


def say(text: str, file: IO[str] | None = None) -> None:
    """Print text on the terminal that a stranger may have had a part in."""
    print(visible(text), file=file or sys.stdout, flush=True)


class LogFormatter(logging.Formatter):
    """Writes log lines in which names move no cursor and begin no line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a record; a traceback that follows it keeps its lines."""
        return visible(super().formatMessage(record))
