"""The dashboard of local run folders, as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mixlab.errors import InputFileError
from mixlab.reports.pages import DEMO_STATEMENT, write_sheets_page
from mixlab.reports.panels import AXES, GROUPS, METRICS, group_key
from mixlab.reports.sheets import Cell, Line, Sheet, alone, spread
from mixlab.reports.sweep_table import in_order
from mixlab.runs.folder import RunFolder, find_runs

SPREAD = (
    "Mean over the runs, with the smallest and the largest of them below; of a single run its 95 % interval by song. "
    "Runs may differ in more than what a line names."
)

TrackedRun = tuple[str, RunFolder]
"""A run with what the page calls it."""


def tracked_runs(folders: Sequence[Path]) -> list[TrackedRun]:
    """The evaluated runs that the folders are or hold, each once.

    Raises:
        InputFileError: naming a folder without any.
    """
    found: dict[Path, TrackedRun] = {}
    for folder in folders:
        runs = [run for run in find_runs(folder) if run.is_evaluated]
        if not runs:
            raise InputFileError(
                f"{folder} holds no evaluated run (metrics.json beside config.yaml); give folders that hold some."
            )
        for run in runs:
            name = str(run.path.relative_to(folder)) if run.path != folder else run.path.resolve().name
            found.setdefault(run.path.resolve(), (name, run))
    return list(found.values())


def dashboard_sheets(runs: Sequence[TrackedRun]) -> list[Sheet]:
    """All runs, then the runs along each axis, and the test items along theirs.

    Raises:
        MixlabError: naming a file of a run that cannot be read.
    """
    places = [(run, run.axes) for _, run in runs]
    keys = {metric: f"test/{metric}" for metric in METRICS}
    headings = {"items": "runs", **METRICS}
    lines = [
        Line(
            name,
            {axis: _word(found[axis]) for axis in AXES} | {metric: run.figure(key) for metric, key in keys.items()},
        )
        for (name, run), (_, found) in zip(runs, places, strict=True)
    ]
    shown = {**{axis: axis.replace("_", " ") for axis in AXES}, **METRICS}
    sheets = [Sheet("runs", "All runs", shown, lines, "run", "With 95 % intervals by song, on the items of each run.")]
    for axis, heading in AXES.items():
        shared = [
            Line(value, _cells([run for run, found in places if _word(found[axis]) == value], keys))
            for value in sorted({_word(found[axis]) for _, found in places}, key=in_order)
        ]
        sheets.append(Sheet(axis, heading, headings, shared, axis.replace("_", " "), SPREAD))
    for axis, (heading, groups) in GROUPS.items():
        cells = {
            g: _cells([run for _, run in runs], {metric: group_key(axis, g, metric) for metric in METRICS})
            for g in groups
        }
        kept = [Line(group.replace("_", " "), found) for group, found in cells.items() if found["items"] != alone(0)]
        sheets.append(Sheet(axis, heading, headings, kept, axis.replace("_", " "), SPREAD))
    return [sheet for sheet in sheets if sheet.lines]


def write_dashboard(runs: Sequence[TrackedRun], folder: Path) -> Path:
    """Write ``dashboard.html`` and its tables into a folder; returns the page.

    Raises:
        MixlabError: as `dashboard_sheets`; naming the folder, where nothing can be written.
    """
    from mixlab.reports.figures import lines_figure

    sheets = dashboard_sheets(runs)
    drawn = {sheet.name: lines_figure(sheet, METRICS) for sheet in sheets if sheet.name != "runs"}
    statements = [DEMO_STATEMENT] if any(run.is_demo for _, run in runs) else []
    return write_sheets_page(folder / "dashboard.html", f"{len(runs)} runs", sheets, drawn, statements)


def _cells(runs: Sequence[RunFolder], keys: Mapping[str, str]) -> dict[str, Cell]:
    found = {
        column: [figure for run in runs if (figure := run.figure(key)) is not None] for column, key in keys.items()
    }
    return {"items": alone(max(map(len, found.values()))), **{column: spread(many) for column, many in found.items()}}


def _word(value: str | int | None) -> str:
    return "none" if value is None else str(value)
