"""Room evaluation: the results table, for the screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mixlab.scoring.closed_loop import ClosedLoop
from mixlab.scoring.paired import Difference
from mixlab.scoring.scores import Scores

if TYPE_CHECKING:
    from rich.table import Table

LABELS = {
    "model": "model",
    "base_unadapted": "base, unadapted",
    "lora_untrained_base": "LoRA, untrained base",
    "from_scratch": "trained from scratch",
    "reference": "reference texts",
    "shuffled_answers": "answers, shuffled",
    "chance": "chance",
    "most_common": "most common",
    "best_constant": "best constant",
    "text_only": "text alone",
    "shuffled_audio": "model, audio shuffled",
    "loudness_rule": "loudness rule",
    "loudness_rule_genre": "loudness rule by genre",
    "loudness_rule_source": "loudness rule at the source's rate",
    "loudness_rule_source_genre": "the same by genre",
    "ridge": "ridge on log-mel",
    "oracle": "oracle",
}
"""How tables call the methods that they know; another is called by its name with spaces."""

COLUMNS = {
    "joint_accuracy": "joint",
    "model_lead": "model ahead by",
    "direction_accuracy": "direction",
    "stem_accuracy": "stem",
    "balanced_accuracy": "balanced right",
    "gain_mae_db": "error dB",
    "gain_mae_located_db": "error dB, located",
    "parse_rate": "parsed",
    "claimed_joint_accuracy": "joint, claim given",
    "verdict_balanced_accuracy": "claims",
    "residual_db": "left over dB",
    "harm_db": "harm dB",
}
"""Columns of the table: a metric, or a figure of the closed loop, and its heading."""

SCREEN_HEADINGS = {
    "joint_accuracy": "joint",
    "direction_accuracy": "direc-\ntion",
    "balanced_accuracy": "bal-\nanced",
    "gain_mae_db": "error\ndB",
    "parse_rate": "parsed",
    "residual_db": "left\ndB",
}
"""The columns for which a terminal has room."""

MISSING = "\N{EN DASH}"
"""Stands where a metric does not apply."""


@dataclass(frozen=True)
class Row:
    """A method's line in the results table."""

    method: str
    """The name of the method, such as ``model`` or ``ridge``."""
    kind: Literal["model", "control", "baseline"]
    """The model itself, a variant of it for comparison, or a method without a language model."""
    scores: Scores
    closed_loop: ClosedLoop | None = None
    detail: str = ""
    """What sets it apart from other rows of its method, such as how long it was trained."""
    lead: Difference | None = None
    """The model's joint accuracy minus this method's on the same items, paired; None for the model itself."""

    @property
    def label(self) -> str:
        """What people read."""
        label = label_of(self.method)
        return f"{label}, {self.detail}" if self.detail else label

    def figure(self, column: str) -> tuple[float, float, float] | None:
        """A figure with the ends of its interval, or None where it does not apply."""
        if column == "model_lead":
            return None if self.lead is None else (self.lead.difference, self.lead.low, self.lead.high)
        if column in self.scores.headline:
            return self.scores.headline[column], *self.scores.intervals[column]
        flat = {} if self.closed_loop is None else self.closed_loop.flat("")
        if f"/{column}" not in flat:
            return None
        return flat[f"/{column}"], flat[f"/{column}_low"], flat[f"/{column}_high"]


def label_of(method: str) -> str:
    """What people read for the name of a method."""
    return LABELS.get(method, method.replace("_", " "))


def number(value: float, column: str) -> str:
    """A share with three decimals, a difference of shares with its sign, a figure in dB with two."""
    if column == "model_lead":
        return f"{value:+.3f}"
    return f"{value:.2f}" if column.endswith("_db") else f"{value:.3f}"


def cell(figure: tuple[float, float, float] | None, column: str) -> tuple[str, str]:
    """A figure and its interval as text; the interval is empty where it has no width or nothing applies."""
    if figure is None:
        return MISSING, ""
    value, low, high = figure
    return number(value, column), "" if low == high else f"{number(low, column)}\N{EN DASH}{number(high, column)}"


def used_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that apply to at least one row."""
    return [column for column in COLUMNS if any(row.figure(column) is not None for row in rows)]


def results_table(rows: Sequence[Row], title: str = "") -> Table:
    """The table for a terminal of 80 columns: one line a method, and a line between kinds of methods.

    Of the intervals (95 %, resampled by song) only that of joint accuracy fits; `markdown_table` has all of them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
        box=SIMPLE_HEAD,
        header_style="bold",
    )
    table.add_column("method", no_wrap=True, vertical="bottom")
    columns = [column for column in used_columns(rows) if column in SCREEN_HEADINGS]
    for column in columns:
        table.add_column(SCREEN_HEADINGS[column], justify="right", vertical="bottom", no_wrap=True)
        if column == "joint_accuracy":
            table.add_column("95 %", justify="right", style="dim", vertical="bottom", no_wrap=True)
    for index, row in enumerate(rows):
        cells: list[str] = []
        for column in columns:
            value, interval = cell(row.figure(column), column)
            cells += [value, interval] if column == "joint_accuracy" else [value]
        kind_ends = index + 1 < len(rows) and rows[index + 1].kind != row.kind
        style = "bold" if row.kind == "model" else ""
        table.add_row(Text(row.label), *cells, style=style, end_section=kind_ends)
    return table


def markdown_table(rows: Sequence[Row]) -> str:
    """The table as Markdown, each figure followed by its interval."""
    columns = used_columns(rows)
    lines = [
        "| method | " + " | ".join(COLUMNS[column] for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for row in rows:
        cells = []
        for column in columns:
            value, interval = cell(row.figure(column), column)
            cells.append(f"{value} ({interval})" if interval else value)
        lines.append(f"| {row.label.replace('|', '/')} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
