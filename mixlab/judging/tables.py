"""Room judging: tables of figures, for the screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mixlab.judging.discrimination import Figure

MISSING = "\N{EN DASH}"
"""Stands where there is no figure."""


def figure_text(figure: Figure | None, digits: int = 2) -> str:
    """A figure and its interval: "0.81 (0.79 to 0.83)"."""
    if figure is None or not np.isfinite(figure.value):
        return MISSING
    if figure.low == figure.high:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


@dataclass(frozen=True)
class Grid:
    """A table of text: the first column names the row, the others are figures."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def screen(self) -> Table:
        """The table for a terminal."""
        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for index, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """The table as Markdown below its title, without a newline at its end."""
        lines = [[heading.replace("|", "/") for heading in self.headings]]
        lines += [[cell.replace("|", "/") for cell in row] for row in self.rows]
        text = ["| " + " | ".join(line) + " |" for line in lines]
        text.insert(1, "|---|" + "---:|" * (len(self.headings) - 1))
        return f"{self.title}\n\n" + "\n".join(text)
