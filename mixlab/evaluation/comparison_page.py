"""Room evaluation: several runs side by side, as one HTML page, Markdown and CSV, from their metrics.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab.errors import InputFileError
from mixlab.evaluation.report import pages
from mixlab.evaluation.run_sheets import AXES, LINE_LABELS
from mixlab.evaluation.sheets import Figure, Line, Sheet, write_sheets
from mixlab.evaluation.table import COLUMNS, LABELS, label_of
from mixlab.scoring.axes import BALANCED
from mixlab.storage import write_whole

METRICS_FILE = "metrics.json"
BESIDE = "joint_accuracy"
"""The metric by which runs are put beside their baselines and along the axes."""


@dataclass(frozen=True)
class RunFigures:
    """A run by its name, with the flat figures of its metrics.json."""

    name: str
    figures: Mapping[str, float]

    def figure(self, key: str) -> Figure | None:
        """A figure with the ends of its interval, or None where the run does not have it."""
        if key not in self.figures:
            return None
        value = self.figures[key]
        return value, self.figures.get(f"{key}_low", value), self.figures.get(f"{key}_high", value)


def read_run(folder: Path, name: str | None = None) -> RunFigures:
    """The figures of a run folder; its name is the folder's unless given.

    Raises:
        InputFileError: naming the file, if it is missing or holds no flat figures.
    """
    path = folder / METRICS_FILE
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputFileError(
            f"{path} cannot be read ({error}); give the folder of a run that was evaluated."
        ) from error
    if not isinstance(figures, dict) or not all(isinstance(value, int | float) for value in figures.values()):
        raise InputFileError(f"{path} is no object of numbers by name; give the folder of a run that was evaluated.")
    return RunFigures(name or folder.resolve().name, {key: float(value) for key, value in figures.items()})


def comparison_sheets(
    runs: Sequence[RunFigures], pairs: Sequence[Mapping[str, Any]] = (), split: str = "test"
) -> list[Sheet]:
    """The runs' figures, the runs beside their baselines and along each axis, and paired differences.

    Args:
        runs: in the order to show them.
        pairs: paired results as flat rows with ``metric``, ``a``, ``b``, ``difference``, ``low``, ``high``, ``p``,
            ``p_holm`` and ``better`` (the better one's name, or nothing), such as those of ``comparisons.json``.
        split: the split that is shown.
    """
    lead = "" if split == "test" else f"{split}/"
    sheets = [_headline(runs, split, lead), _beside_baselines(runs, split, lead)]
    for axis, heading in AXES.items():
        sheets.append(_along(runs, split, axis, heading))
    if pairs:
        sheets.append(pairs_sheet(pairs))
    return [sheet for sheet in sheets if sheet.lines and sheet.columns]


def write_comparison(
    runs: Sequence[RunFigures], folder: Path, pairs: Sequence[Mapping[str, Any]] = (), split: str = "test"
) -> Path:
    """Write ``comparison.html`` and its tables (``tables.md``, a CSV file each) into a folder.

    Args and errors are those of `comparison_sheets`.

    Returns:
        The page.

    Raises:
        ValueError: if there are no runs, or two have one name.
        StorageError: naming the folder, where nothing can be written.
    """
    from markupsafe import Markup

    from mixlab.evaluation.figures import runs_figure

    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a comparison needs runs of different names, got {names}")
    sheets = comparison_sheets(runs, pairs, split)
    headline, *others = sheets
    write_sheets(folder / "tables", sheets)
    page = pages().get_template("comparison.html.j2").render(
        title=f"{len(runs)} runs, split '{split}'",
        headline=headline,
        figure=Markup(runs_figure({run.name: run.figure(f"{split}/{BESIDE}") for run in runs})),
        sheets=others,
        contents={sheet.name: sheet.title for sheet in sheets},
    )  # fmt: skip
    write_whole(folder / "comparison.html", page)
    return folder / "comparison.html"


def _headline(runs: Sequence[RunFigures], split: str, lead: str) -> Sheet:
    keys = {column: f"{split}/{column}" for column in ("items", "songs", *COLUMNS)}
    keys |= {column: f"{lead}closed_loop/{column}" for column in ("residual_db", "harm_db")}
    keys |= {"closer_lu": f"{lead}conventions/closer_lu"}
    headings = {"items": "items", "songs": "songs", **COLUMNS, "closer_lu": "closer to genre LU"}
    used = [column for column, key in keys.items() if any(key in run.figures for run in runs)]
    return Sheet(
        "runs",
        "All runs",
        {column: headings[column] for column in used},
        [Line(run.name, {column: run.figure(keys[column]) for column in used}) for run in runs],
        "run",
        "Figures of the model of each run on prompts without a claim, with 95 % intervals by song; columns as in the "
        "runs' own reports. Intervals of two runs that overlap say little: what counts is the paired difference.",
    )


def _beside_baselines(runs: Sequence[RunFigures], split: str, lead: str) -> Sheet:
    prefix, suffix = f"{lead}baselines/", f"/{BESIDE}"
    found = [key.removeprefix(prefix).removesuffix(suffix) for run in runs for key in run.figures
             if key.startswith(prefix) and key.endswith(suffix)]  # fmt: skip
    methods = dict.fromkeys(name for name in found if "/" not in name)
    known = list(LABELS)
    order = sorted(methods, key=lambda method: known.index(method) if method in known else len(known))
    keys = {"model": f"{split}{suffix}"} | {method: f"{prefix}{method}{suffix}" for method in order}
    # A run's name may be any text, and a column's name says how its figures are written.
    columns = {f"run_{number}": run for number, run in enumerate(runs, start=1)}
    return Sheet(
        "baselines",
        "Beside controls and baselines: joint accuracy",
        {column: run.name for column, run in columns.items()},
        [
            Line(label_of(method), {column: run.figure(key) for column, run in columns.items()})
            for method, key in keys.items()
        ],
        "method",
        "Baselines differ between runs where their items or inputs do; such runs cannot be compared item by item.",
    )


def _along(runs: Sequence[RunFigures], split: str, axis: str, heading: str) -> Sheet:
    """Joint accuracy of the runs (lines) in each group of an axis (columns)."""
    prefix, suffix = f"{split}/{axis}=", f"/{BESIDE}"
    found = {
        key.removeprefix(prefix).removesuffix(suffix)
        for run in runs
        for key in run.figures
        if key.startswith(prefix) and key.endswith(suffix)
    }
    groups = sorted(found, key=lambda group: (group != BALANCED, group))
    return Sheet(
        axis,
        heading.replace("The model", "Joint accuracy"),
        {group: group.replace("_", " ") for group in groups},
        [Line(run.name, {group: run.figure(f"{prefix}{group}{suffix}") for group in groups}) for run in runs],
        f"run, {LINE_LABELS.get(axis, axis.replace('_', ' '))}",
    )


def pairs_sheet(pairs: Sequence[Mapping[str, Any]]) -> Sheet:
    """Paired differences, one line a pair (see `comparison_sheets`)."""
    lines = []
    for pair in pairs:
        label = f"{label_of(pair['a'])} \N{MINUS SIGN} {label_of(pair['b'])}"
        ends = (pair["difference"], pair["low"], pair["high"])
        is_db = str(pair["metric"]).endswith("_db")
        lines.append(
            Line(
                label,
                {
                    "metric": str(pair["metric"]).replace("_", " "),
                    "difference_db" if is_db else "difference": ends,
                    "p": (pair["p"],) * 3,
                    "p_holm": (pair["p_holm"],) * 3,
                    "better": label_of(pair["better"]) if pair["better"] else "",
                },
            )
        )
    columns = {"metric": "metric", "difference": "difference", "difference_db": "difference dB", "p": "p",
               "p_holm": "p, Holm", "better": "better"}  # fmt: skip
    used = {column: heading for column, heading in columns.items() if any(column in line.cells for line in lines)}
    return Sheet(
        "pairs",
        "Paired differences on the same items",
        used,
        lines,
        "pair",
        "Mean difference of the two runs' outcomes with its 95 % interval by song; p of a permutation test by "
        "song, and the same corrected for all pairs of the metric. Where a better one is named, the corrected p is "
        "below 0.05.",
    )
