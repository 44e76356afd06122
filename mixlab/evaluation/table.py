"""Room evaluation: the results of all methods, as a sheet and for the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mixlab.evaluation.sheets import Figure, Line, Sheet, cell_text
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
    "conv_regressor": "convolutional regressor",
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

RESULTS_CAPTION = (
    "Prompts without a claim only, except for the column of claims. Joint: stem and direction are right, and a "
    "balanced mix is called balanced. Error: distance in dB between the gain advised for the faulty stem and the "
    "one it needed, where advice on another stem counts as 0 dB; located: the same where stem and direction were "
    "right. Left over and harm: root mean square error over the stems beside the anchor after the advice was "
    "applied, for mixes with an error and for balanced ones. Intervals are 95 %, resampled by song. What could not "
    "be read counts as wrong. The loudness rule compares BS.1770 loudness with what is usual, the rule by genre "
    "with what is usual in the genre; the ridge regresses errors on log-mel statistics; text alone reads what the "
    "user says and never listens; the oracle, where there is one, knows the exact loudness and the balance of the "
    "genre, so what it misses nobody can hear for certain."
)


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

    def figure(self, column: str) -> Figure | None:
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


def used_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that apply to at least one row."""
    return [column for column in COLUMNS if any(row.figure(column) is not None for row in rows)]


def results_table(rows: Sequence[Row], title: str = "") -> Table:
    """The table for a terminal of 80 columns: one line a method, and a line between kinds of methods.

    Of the intervals (95 %, resampled by song) only that of joint accuracy fits; `results_sheet` has all of them.
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
            value, interval = cell_text(row.figure(column), column)
            cells += [value, interval] if column == "joint_accuracy" else [value]
        kind_ends = index + 1 < len(rows) and rows[index + 1].kind != row.kind
        style = "bold" if row.kind == "model" else ""
        table.add_row(Text(row.label), *cells, style=style, end_section=kind_ends)
    return table


def results_sheet(rows: Sequence[Row]) -> Sheet:
    """All figures of all methods with their intervals."""
    columns = used_columns(rows)
    return Sheet(
        "results",
        "All methods on the same items",
        {column: COLUMNS[column] for column in columns},
        [Line(row.label, {column: row.figure(column) for column in columns}, row.kind) for row in rows],
        "method",
        RESULTS_CAPTION,
    )
