"""Several runs side by side, as one HTML page, Markdown and CSV, from their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.reports.comparison import pairs_sheet
from mixlab.reports.pages import write_sheets_page
from mixlab.reports.run_sheets import AXES, LINE_LABELS
from mixlab.reports.sheets import Line, Sheet
from mixlab.reports.table import CEILINGS, columns, figure_key, label_of, methods_of
from mixlab.runs.folder import RunFolder
from mixlab.scoring.axes import BALANCED

BESIDE = "joint_accuracy"
"""The metric by which runs are put beside their baselines and along the axes."""

Runs = Mapping[str, RunFolder]
"""Runs in the order to show them, by what the page calls them."""


def comparison_sheets(runs: Runs, pairs: Sequence[Mapping[str, Any]] = (), split: str = "test") -> list[Sheet]:
    """The runs' figures, the runs beside their baselines and along each axis, and paired differences.

    Args:
        pairs: paired results as flat rows, such as those of ``comparisons.json``.
        split: the split that is shown.

    Raises:
        InputFileError: naming a run without figures.
    """
    sheets = [_headline(runs, split), _beside_baselines(runs, split)]
    sheets += [_along(runs, split, axis, heading) for axis, heading in AXES.items()]
    sheets += [pairs_sheet(pairs)] if pairs else []
    return [sheet for sheet in sheets if sheet.lines and sheet.columns]


def write_comparison(runs: Runs, folder: Path, pairs: Sequence[Mapping[str, Any]] = (), split: str = "test") -> Path:
    """Write ``comparison.html`` and its tables (``tables.md``, a CSV file each) into a folder; returns the page.

    Args and errors are those of `comparison_sheets`.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    from mixlab.reports.figures import runs_figure

    drawn = runs_figure({name: run.figure(figure_key(BESIDE, split=split)) for name, run in runs.items()})
    title = f"{len(runs)} runs, split '{split}'"
    return write_sheets_page(folder / "comparison.html", title, comparison_sheets(runs, pairs, split), {"runs": drawn})


def _headline(runs: Runs, split: str) -> Sheet:
    shown = {"items": "items", "songs": "songs", **columns(), "closer_lu": "closer to genre LU"}
    shown.pop("model_lead")
    lines = [
        Line(name, {column: run.figure(figure_key(column, split=split)) for column in shown})
        for name, run in runs.items()
    ]
    return Sheet(
        "runs",
        "All runs",
        {column: heading for column, heading in shown.items() if any(line.cells[column] for line in lines)},
        lines,
        "run",
        "Figures of the model of each run on prompts without a claim, with 95 % intervals by song; columns as in the "
        "runs' own reports. Intervals of two runs that overlap say little: what counts is the paired difference.",
    )


def _beside_baselines(runs: Runs, split: str) -> Sheet:
    methods = methods_of({key: 0.0 for run in runs.values() for key in run.metrics}, split)
    # A run's name may be any text, and a column's name says how its figures are written.
    numbered = {f"run_{number}": run for number, run in enumerate(runs.values(), start=1)}
    keys = {label_of(method): figure_key(BESIDE, method, split) for method in methods}
    place = "" if split == "test" else f"{split}/"
    keys |= {label: f"{place}ceiling/{name}" for name, label in CEILINGS.items()}
    lines = [
        Line(label, {column: run.figure(key) for column, run in numbered.items()})
        for label, key in keys.items()
        if any(key in run.metrics for run in numbered.values())
    ]
    return Sheet(
        "baselines",
        "Beside controls and baselines: joint accuracy",
        dict(zip(numbered, runs, strict=True)),
        lines,
        "method",
        "Baselines differ between runs where their items or inputs do; such runs cannot be compared item by item.",
    )


def groups_of(figures: Mapping[str, float], axis: str, split: str = "test") -> list[str]:
    """The groups of an axis that metrics.json has figures of, balanced mixes last."""
    prefix, suffix = f"{split}/{axis}=", f"/{BESIDE}"
    found = {
        key.removeprefix(prefix).removesuffix(suffix)
        for key in figures
        if key.startswith(prefix) and key.endswith(suffix)
    }
    return sorted(found, key=lambda group: (group == BALANCED, group))


def _along(runs: Runs, split: str, axis: str, heading: str) -> Sheet:
    """Joint accuracy of the runs (lines) in each group of an axis (columns)."""
    groups = groups_of({key: 0.0 for run in runs.values() for key in run.metrics}, axis, split)
    return Sheet(
        axis,
        heading.replace("The model", "Joint accuracy"),
        {group: group.replace("_", " ") for group in groups},
        [
            Line(name, {group: run.figure(f"{split}/{axis}={group}/{BESIDE}") for group in groups})
            for name, run in runs.items()
        ],
        f"run, {LINE_LABELS.get(axis, axis.replace('_', ' '))}",
    )
