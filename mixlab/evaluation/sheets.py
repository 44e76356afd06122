"""Room evaluation: a table of figures with intervals, once as data, for a page, Markdown, CSV and a tracker alike."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab.storage import write_whole

Figure = tuple[float, float, float]
"""A value with the ends of its 95 % interval, which are the value where it has none."""

Cell = Figure | str | None
"""A figure, a word, or nothing where a column does not apply."""

MISSING = "\N{EN DASH}"
"""Stands where a column does not apply."""


@dataclass(frozen=True)
class Line:
    """A line of a sheet.

    Attributes:
        label: what it is about.
        cells: column -> cell; a column that it lacks does not apply.
        kind: for its style: ``model``, ``control``, ``baseline`` or nothing.
        marked: columns whose cells stand out, in bold.
    """

    label: str
    cells: Mapping[str, Cell]
    kind: str = ""
    marked: Collection[str] = ()


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        name: of its files, such as ``genre``.
        title: what people read above it.
        columns: column -> heading; the order is that of the table.
        lines: its lines.
        label: heading of the labels.
        caption: what has to be known to read it.
        counts: whether cells are counts, of which a page shows the share in their line as a colour.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    lines: Sequence[Line]
    label: str = ""
    caption: str = ""
    counts: bool = False

    def texts(self, line: Line) -> list[tuple[str, str]]:
        """The cells of a line as text: the value, and its interval or nothing."""
        return [cell_text(line.cells.get(c), "count" if self.counts else c) for c in self.columns]

    def markdown(self) -> str:
        """The table as Markdown, each figure followed by its interval."""
        lines = [
            "| " + " | ".join([_escaped(self.label), *map(_escaped, self.columns.values())]) + " |",
            "|---|" + "---:|" * len(self.columns),
        ]
        for line in self.lines:
            cells = [
                _emphasized(f"{value} ({interval})" if interval else value, column in line.marked)
                for column, (value, interval) in zip(self.columns, self.texts(line), strict=True)
            ]
            lines.append("| " + " | ".join([_escaped(line.label), *cells]) + " |")
        return "\n".join(lines) + "\n"

    def records(self) -> tuple[list[str], list[list[Any]]]:
        """Column names and rows of plain values, with ``_low`` and ``_high`` beside figures with an interval."""
        with_interval = {
            column
            for column in self.columns
            for line in self.lines
            if isinstance(cell := line.cells.get(column), tuple) and cell[1] != cell[2]
        }
        names = [self.label or self.name]
        for column in self.columns:
            names += [column, f"{column}_low", f"{column}_high"] if column in with_interval else [column]
        rows = []
        for line in self.lines:
            row: list[Any] = [line.label]
            for column in self.columns:
                cell = line.cells.get(column)
                if isinstance(cell, tuple) and math.isfinite(cell[0]):
                    ends: list[Any] = list(cell)
                else:
                    ends = [cell if isinstance(cell, str) else None, None, None]
                row += ends if column in with_interval else ends[:1]
            rows.append(row)
        return names, rows

    def csv(self) -> str:
        """The table as CSV with all digits; empty cells where a column does not apply."""
        buffer = io.StringIO()
        names, rows = self.records()
        csv.writer(buffer, lineterminator="\n").writerows([names, *rows])
        return buffer.getvalue()


def cell_text(cell: Cell, column: str) -> tuple[str, str]:
    """A cell as text: its value and its interval; the interval is empty where it has no width or nothing applies."""
    if isinstance(cell, str):
        return cell, ""
    if cell is None or not math.isfinite(cell[0]):
        return MISSING, ""
    value, low, high = cell
    # A dash between numbers that carry signs would be read as one of them.
    between = " to " if column.endswith(SIGNED) or low < 0 else "\N{EN DASH}"
    interval = "" if low == high else f"{number(low, column)}{between}{number(high, column)}"
    return number(value, column), interval


SIGNED = ("model_lead", "difference", "difference_db", "closer_lu")
COUNTS = ("items", "songs", "count")
TWO_DECIMALS = ("_db", "_lu", "_deviations")


def number(value: float, column: str) -> str:
    """A share with three decimals, a level in dB or LU with two, a count without, a difference with its sign."""
    if column in COUNTS:
        return f"{value:.0f}"
    if column in ("p", "p_holm") and value < 0.001:
        return "<0.001"
    sign = "+" if column.endswith(SIGNED) else ""
    text = f"{value:{sign}.2f}" if column.endswith(TWO_DECIMALS) else f"{value:{sign}.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def write_sheets(folder: Path, sheets: Sequence[Sheet]) -> None:
    """Write every sheet as ``name.csv``, and all of them into ``tables.md``.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    parts = []
    for sheet in sheets:
        write_whole(folder / f"{sheet.name}.csv", sheet.csv())
        parts.append("\n".join([f"## {sheet.title}\n", sheet.markdown(), *([sheet.caption, ""] * bool(sheet.caption))]))
    write_whole(folder / "tables.md", "\n".join(parts))


def _emphasized(text: str, is_marked: bool) -> str:
    return f"**{_escaped(text)}**" if is_marked and text else _escaped(text)


def _escaped(text: str) -> str:
    """Text that neither ends a cell of Markdown nor starts markup in it."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", " ".join(text.split()))
