"""A table of figures with intervals, once as data, for a page, a terminal, Markdown, CSV and a tracker alike."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixlab.escaping import csv_text, markdown, visible
from mixlab.escaping import line as one_line
from mixlab.scoring.bootstrap import Figure
from mixlab.storage import write_whole

if TYPE_CHECKING:
    from rich.table import Table

Cell = Figure | str | None
"""A figure, a word, or nothing where a column does not apply."""

MISSING = "\N{EN DASH}"
"""Stands where a column does not apply."""

SIGNED = ("model_lead", "difference", "difference_db", "closer_lu", "above_lu")
COUNTS = ("items", "songs", "segments", "count")
TWO_DECIMALS = ("_db", "_lu", "_lufs", "_dbfs", "_deviations")


@dataclass(frozen=True)
class Line:
    """A line of a sheet.

    Attributes:
        label: what it is about.
        cells: column -> cell; a column that it lacks does not apply.
        kind: for its style: ``model``, ``control``, ``baseline``, ``aside`` or nothing.
        marked: columns whose cells stand out, in bold.
        form: the column whose figures are written as those of this line are, where lines differ in their units.
    """

    label: str
    cells: Mapping[str, Cell]
    kind: str = ""
    marked: Collection[str] = ()
    form: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        name: of its files, such as ``genre``.
        title: what people read above it.
        columns: column -> heading; the order is that of the table, and the name says how figures are written.
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
        return [
            cell_text(line.cells.get(c), "count" if self.counts else c if c.endswith(COUNTS) else line.form or c)
            for c in self.columns
        ]

    def markdown(self) -> str:
        """The table as Markdown, each figure followed by its interval."""
        lines = [
            "| " + " | ".join([markdown(self.label), *map(markdown, self.columns.values())]) + " |",
            "|---|" + "---:|" * len(self.columns),
        ]
        for line in self.lines:
            mark = "*" if line.kind == "aside" else ""
            cells = [_emphasized(line.label, mark)]
            for column, (value, interval) in zip(self.columns, self.texts(line), strict=True):
                text = f"{value} ({interval})" if interval else value
                cells.append(_emphasized(text, "**" if column in line.marked else mark))
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def screen(self, headings: Mapping[str, str] | None = None, intervals: Collection[str] = ()) -> Table:
        """The table for a terminal, with a line between kinds of lines.

        Args:
            headings: columns for which there is room, with short headings; None for all of them.
            intervals: columns beside which their 95 % intervals stand.
        """
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        shown = self.columns if headings is None else {c: headings[c] for c in self.columns if c in headings}
        options = {"title_justify": "left", "pad_edge": False, "collapse_padding": True, "header_style": "bold"}
        table = Table(title=Text(one_line(self.title)) if self.title else None, box=SIMPLE_HEAD, **options)  # type: ignore[arg-type]
        table.add_column(Text(one_line(self.label)), no_wrap=True, vertical="bottom")
        words = {c for c in shown if all(isinstance(line.cells.get(c), str) for line in self.lines)}
        for column, heading in shown.items():
            justify = "left" if column in words else "right"
            table.add_column(Text(visible(heading)), justify=justify, vertical="bottom", no_wrap=True)  # type: ignore[arg-type]
            if column in intervals:
                table.add_column("95 %", justify="right", style="dim", vertical="bottom", no_wrap=True)
        styles = {"model": "bold", "aside": "dim"}
        for index, line in enumerate(self.lines):
            texts = dict(zip(self.columns, self.texts(line), strict=True))
            cells = [text for column in shown for text in texts[column][: 2 if column in intervals else 1]]
            ends = index + 1 < len(self.lines) and "aside" not in (kinds := {line.kind, self.lines[index + 1].kind})
            table.add_row(
                *(Text(one_line(text)) for text in (line.label, *cells)),
                style=styles.get(line.kind),
                end_section=ends and len(kinds) > 1,
            )
        return table

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
        names, rows = self.records()
        return csv_text([names, *rows])


def alone(value: float) -> Figure:
    """A figure without an interval."""
    return (float(value),) * 3


def spread(found: Sequence[Figure]) -> Figure | None:
    """The mean of several runs' figures with the least and the greatest; of one run the figure with its interval."""
    values = [value for value, _, _ in found]
    if len(found) < 2:
        return found[0] if found else None
    return sum(values) / len(values), min(values), max(values)


def words(name: str) -> str:
    """A name of a method, system or measure as people write it."""
    return name.replace("_", " ")


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


def number(value: float, column: str) -> str:
    """A share with three decimals, a level in dB or LU with two, a count without, a difference with its sign."""
    if column.endswith(COUNTS):
        return f"{value:.0f}"
    if column in ("p", "p_holm") and value < 0.001:
        return "<0.001"
    decimals = 1 if column.endswith("_percent") else 2 if column.endswith(TWO_DECIMALS) else 3
    sign = "+" if column.endswith(SIGNED) else ""
    return f"{value:{sign}.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def document(sheets: Sequence[Sheet], mark: str = "##") -> str:
    """Sheets as Markdown, each below its title and above its caption."""
    return "\n".join(
        "\n".join([f"{mark} {markdown(sheet.title)}\n", sheet.markdown(), *([sheet.caption, ""] * bool(sheet.caption))])
        for sheet in sheets
    )


def write_sheets(folder: Path, sheets: Sequence[Sheet]) -> None:
    """Write every sheet as ``name.csv``, and all of them into ``tables.md``.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    for sheet in sheets:
        write_whole(folder / f"{sheet.name}.csv", sheet.csv())
    write_whole(folder / "tables.md", document(sheets))


def _emphasized(text: str, mark: str) -> str:
    return f"{mark}{markdown(text)}{mark}" if text else ""
