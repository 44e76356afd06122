"""Room tracking: the dashboard of local run folders, as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mixlab.errors import InputFileError
from mixlab.evaluation.comparison_page import METRICS_FILE, RunFigures, read_run
from mixlab.evaluation.report import DEMO_STATEMENT, pages
from mixlab.evaluation.sheets import Figure, Line, Sheet, write_sheets
from mixlab.storage import write_whole
from mixlab.tracking.axes import axes_of
from mixlab.tracking.panels import AXES, GROUPS, METRICS, group_key

PAGE = "dashboard.html"
SPREAD = (
    "Mean over the runs, with the smallest and the largest of them below; of a single run its 95 % interval by song. "
    "Runs may differ in more than what a line names."
)


@dataclass(frozen=True)
class TrackedRun:
    """A run with its figures and its place on the axes."""

    figures: RunFigures
    axes: Mapping[str, str | int | None]
    is_demo: bool


def find_runs(folders: Sequence[Path]) -> list[TrackedRun]:
    """The evaluated runs that the folders are or hold.

    Raises:
        InputFileError: naming a folder without any, or a file that cannot be read.
    """
    found: dict[Path, TrackedRun] = {}
    for folder in folders:
        paths = sorted(path.parent for path in folder.rglob(METRICS_FILE) if (path.parent / "config.yaml").is_file())
        if not paths:
            raise InputFileError(
                f"{folder} holds no evaluated run ({METRICS_FILE} beside config.yaml); give folders that hold some."
            )
        for path in paths:
            name = str(path.relative_to(folder)) if path != folder else path.resolve().name
            config = _config(path / "config.yaml")
            is_demo = "demo" in str(config["dataset"]["_target_"])
            found.setdefault(path.resolve(), TrackedRun(read_run(path, name), axes_of(config), is_demo))
    return list(found.values())


def dashboard_sheets(runs: Sequence[TrackedRun]) -> list[Sheet]:
    """All runs, then the runs along each axis, and the test items along theirs."""
    columns = {**{axis: axis.replace("_", " ") for axis in AXES}, **METRICS}
    lines = [
        Line(
            run.figures.name,
            {axis: _word(run.axes[axis]) for axis in AXES}
            | {metric: run.figures.figure(f"test/{metric}") for metric in METRICS},
        )
        for run in runs
    ]
    sheets = [
        Sheet("runs", "All runs", columns, lines, "run", "With 95 % intervals by song, on the items of each run.")
    ]
    headings = {"items": "runs", **METRICS}
    for axis, heading in AXES.items():
        values = dict.fromkeys(sorted((run.axes[axis] for run in runs), key=_order))
        found = {value: [run.figures for run in runs if run.axes[axis] == value] for value in values}
        shared = [
            Line(_word(value), _cells(members, {metric: f"test/{metric}" for metric in METRICS}))
            for value, members in found.items()
        ]
        sheets.append(Sheet(axis, heading, headings, shared, axis.replace("_", " "), SPREAD))
    figures = [run.figures for run in runs]
    for axis, (heading, groups) in GROUPS.items():
        cells = {g: _cells(figures, {metric: group_key(axis, g, metric) for metric in METRICS}) for g in groups}
        kept = [Line(group.replace("_", " "), found) for group, found in cells.items() if found["items"][0]]
        sheets.append(Sheet(axis, heading, headings, kept, axis.replace("_", " "), SPREAD))
    return [sheet for sheet in sheets if sheet.lines]


def write_dashboard(runs: Sequence[TrackedRun], folder: Path) -> Path:
    """Write ``dashboard.html`` and its tables into a folder; returns the page.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    from markupsafe import Markup

    from mixlab.evaluation.figures import lines_figure

    sheets = dashboard_sheets(runs)
    drawn = {sheet.name: Markup(lines_figure(sheet, METRICS)) for sheet in sheets if sheet.name != "runs"}
    page = pages().get_template("dashboard.html.j2").render(
        title=f"{len(runs)} runs",
        demo_statement=DEMO_STATEMENT if any(run.is_demo for run in runs) else "",
        sheets=sheets,
        figures=drawn,
    )  # fmt: skip
    write_sheets(folder / "tables", sheets)
    write_whole(folder / PAGE, page)
    return folder / PAGE


def _cells(runs: Sequence[RunFigures], keys: Mapping[str, str]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    counted = 0
    for column, key in keys.items():
        found = [figure for run in runs if (figure := run.figure(key)) is not None]
        counted = max(counted, len(found))
        cells[column] = _spread(found)
    return {"items": (float(counted),) * 3, **cells}


def _spread(found: Sequence[Figure]) -> Figure | None:
    values = [value for value, _, _ in found]
    if len(found) < 2:
        return found[0] if found else None
    return sum(values) / len(values), min(values), max(values)


def _word(value: str | int | None) -> str:
    return "none" if value is None else str(value)


def _order(value: str | int | None) -> tuple[bool, int, str]:
    return isinstance(value, str), value if isinstance(value, int) else -1, str(value)


def _config(path: Path) -> Any:
    try:
        config: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        axes_of(config)
        config["dataset"]["_target_"]
    except (OSError, YAMLError, OmegaConfBaseException, KeyError, TypeError, AttributeError) as error:
        raise InputFileError(
            f"{path} cannot be read as the configuration of a run ({type(error).__name__}); leave its folder out."
        ) from error
    return config
