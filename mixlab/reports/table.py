"""The results of all methods, from their scores or from a run's figures, as a sheet and for the screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mixlab.baselines.constant import Chance
from mixlab.baselines.registry import BASELINES
from mixlab.reports.sheets import Line, Sheet, cell_text
from mixlab.runs.folder import RunFolder
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.metrics import METRICS, Heads
from mixlab.scoring.results import HEARD, Row

if TYPE_CHECKING:
    from rich.table import Table

OTHER_METHODS = {
    "model": "model",
    "base_unadapted": "base, unadapted",
    "lora_untrained_base": "LoRA, untrained base",
    "from_scratch": "trained from scratch",
    "reference": "reference texts",
    "shuffled_answers": "answers, shuffled",
    "shuffled_audio": "model, audio shuffled",
}
"""How tables call what is no baseline: models, controls and texts."""

LOOP = {"residual_db": "left over dB", "harm_db": "harm dB"}
"""Columns that lie below ``closed_loop/`` among the figures."""

CEILINGS = {
    name: f"ceiling, {'all' if heard is None else heard} segment{'' if heard == 1 else 's'}"
    for name, heard in HEARD.items()
}
"""How tables call the ceilings of a listener, by their names below ``ceiling/`` among the figures."""

NOT_OF_CHANCE = ("model_lead", "parse_rate", "not_about_level", "not_readable")
"""Columns in which chance means nothing."""

RESULTS_CAPTION = (
    "Prompts without a claim only, except for the column of claims. Joint: stem and direction are right, and a "
    "balanced mix is called balanced. In brackets: what chance reaches. Error: distance in dB between the gain "
    "advised for the faulty stem and the one it needed, where advice on another stem counts as 0 dB; located: the "
    "same where stem and direction were right. Left over and harm: root mean square error over the stems beside the "
    "anchor after the advice was applied, for mixes with an error and for balanced ones. Intervals are 95 %, "
    "resampled by song. What could not be read counts as wrong, whether it speaks of other things than level "
    "(equalisation, dynamics, space) or no advice in it is certain. The loudness rule compares BS.1770 loudness with "
    "what is usual, the rule by genre with what is usual in the genre, which it is told or hears from timbre; Bayes' "
    "decision weighs the same loudness by how songs of a genre spread and how errors are drawn, one of them without "
    "ever hearing the anchor; the ridge regresses errors on log-mel statistics, and trees are boosted on loudness and "
    "timbre; text alone reads what the user says and never listens; the oracle, where there is one, knows the "
    "loudness of the whole song and the balance of the genre, which no clip tells. The ceiling is what the best "
    "listener could reach who hears one segment of a song or several under the same errors, estimated from the spread "
    "of the training songs; its interval is for their number."
)


def label_of(method: str) -> str:
    """What people read for the name of a method."""
    if method in OTHER_METHODS:
        return OTHER_METHODS[method]
    return BASELINES[method].label if method in BASELINES else method.replace("_", " ")


def row_label(row: Row) -> str:
    """What people read at the head of a row."""
    return f"{label_of(row.method)}, {row.detail}" if row.detail else label_of(row.method)


def columns() -> dict[str, str]:
    """The columns of results with their headings: first joint accuracy, the model's lead, and what advice leaves."""
    first, *others = ((m.name, m.heading) for m in METRICS.values() if m.heads >= Heads.RESULTS)
    return dict([first, ("model_lead", "model ahead by"), *LOOP.items(), *others])


def figure_key(column: str, method: str = "model", split: str = "test") -> str:
    """The key of metrics.json under which a column's figure of a method lies."""
    place = f"{split}/" if split != "test" else ""
    if method != "model":
        place += f"baselines/{method}/"
    if column in LOOP:
        return f"{place}closed_loop/{column}"
    if column == "closer_lu":
        return f"{place}conventions/{column}"
    return f"{split}/{column}" if method == "model" else f"{place}{column}"


def methods_of(figures: Mapping[str, float], split: str = "test") -> list[str]:
    """The model and all that stands beside it in metrics.json, in the order of tables, unknown methods last."""
    known = [*OTHER_METHODS, *BASELINES]
    before, after = figure_key("joint_accuracy", "\n", split).split("\n")
    found = {key[len(before) : -len(after)] for key in figures if key.startswith(before) and key.endswith(after)}
    names = sorted(name for name in found if "/" not in name)
    return ["model", *sorted(names, key=lambda name: known.index(name) if name in known else len(known))]


def results_sheet(rows: Sequence[Row], ceiling: Mapping[str, Figure] = MappingProxyType({})) -> Sheet:
    """All figures of all methods with their intervals, and below them the ceilings of a listener.

    Controls that had fewer steps than the model are no measure of it, and stand in `short_controls_sheet`.
    """
    lines = {row.method: _line(row) for row in rows if not row.detail}
    return _sheet(lines, ceiling)


def short_controls_sheet(rows: Sequence[Row]) -> Sheet:
    """The controls that had fewer steps than the model; without lines where there are none."""
    lines = {row.method: _line(row) for row in rows if row.detail}
    caption = "They say what so few steps lead to, and nothing of what as many steps as the model's would."
    return replace(_sheet(lines), name="short_controls", title="Controls with fewer steps", caption=caption)


def _line(row: Row) -> Line:
    return Line(row_label(row), {column: row.figure(column) for column in columns()}, row.kind)


def results_sheet_of(run: RunFolder, short: Collection[str]) -> Sheet:
    """The same from the figures of a run folder.

    Args:
        short: controls that had fewer steps than the model.
    """
    lines = {
        method: Line(label_of(method), {column: run.figure(figure_key(column, method)) for column in columns()})
        for method in methods_of(run.metrics)
        if method not in short
    }
    ceiling = {name: found for name in CEILINGS if (found := run.figure(f"ceiling/{name}")) is not None}
    return _sheet(lines, ceiling)


def _ceiling_lines(ceiling: Mapping[str, Figure]) -> list[Line]:
    return [Line(CEILINGS[name], {"joint_accuracy": found}, "ceiling") for name, found in ceiling.items()]


def _sheet(methods: Mapping[str, Line], ceiling: Mapping[str, Figure] = MappingProxyType({})) -> Sheet:
    """Lines by method; what chance reaches stands in the heads of the columns of shares."""
    lines = [*methods.values(), *_ceiling_lines(ceiling)]
    used = {c: heading for c, heading in columns().items() if any(line.cells.get(c) is not None for line in lines)}
    if Chance.name in methods:
        chance = {c: cell for c, cell in methods[Chance.name].cells.items() if isinstance(cell, tuple)}
        used |= {
            c: f"{used[c]} (chance {cell_text(chance[c], c)[0]})"
            for c in used
            if c in chance and c not in NOT_OF_CHANCE
        }
    return Sheet("results", "All methods on the same items", used, lines, "method", RESULTS_CAPTION)


def results_table(rows: Sequence[Row], title: str = "", ceiling: Mapping[str, Figure] = MappingProxyType({})) -> Table:
    """The results for a terminal of 80 columns; of the intervals only that of joint accuracy fits."""
    short = {m.name: m.short or m.heading for m in METRICS.values() if m.heads >= Heads.SCREEN}
    return replace(results_sheet(rows, ceiling), title=title).screen(
        short | {"residual_db": "left\ndB"}, ["joint_accuracy"]
    )
