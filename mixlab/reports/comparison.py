"""Comparisons as sheets and files: who beats whom, pair by pair."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.escaping import csv_text
from mixlab.reports.sheets import Cell, Line, Sheet, alone, document
from mixlab.reports.table import label_of
from mixlab.scoring.comparison import Comparison
from mixlab.scoring.metrics import METRICS
from mixlab.scoring.over_runs import LEAST_RUNS
from mixlab.storage import write_whole

CAPTION = (
    "Row minus column, on the same items with prompts that make no claim. Bold: a 95 % interval without zero, and p "
    "below 0.05, corrected by Holm over all pairs of the table. Intervals are in comparisons.csv. Of errors in dB and "
    "of alarms and misses, less is better."
)
OF_MODELS = (
    "Trained models are compared: intervals draw songs, and p is of a permutation test that changes signs by song. "
    "They say nothing of settings, with which another seed may give another model."
)
OF_SETTINGS = (
    "Settings are compared, over their runs: intervals and p are of a t test whose variance is that between runs, and "
    "what songs add to it. It holds at the number of steps that these runs had."
)


def how_judged(pairs: Sequence[Mapping[str, Any]]) -> str:
    """What pairs speak of, which of them cannot be judged, and which runs they share; empty without pairs.

    Args:
        pairs: flat rows such as those of ``comparisons.json``.
    """
    if not pairs:
        return ""
    runs = {pair[side]: pair.get(f"runs_{side}", 1) for pair in pairs for side in ("a", "b")}
    of_settings = any(pair.get("of_settings") for pair in pairs)
    said = [OF_SETTINGS if of_settings else OF_MODELS]
    for few in sorted({count for count in runs.values() if of_settings and count < LEAST_RUNS}):
        counted = "1 run" if few == 1 else f"{few} runs"
        said.append(f"With {counted} of a setting nothing can be said about settings; run at least {LEAST_RUNS} seeds.")
    if len(runs) > 2:
        what, first = "runs" if of_settings else "answers", label_of(next(iter(runs)))
        said.append(
            f"Of the {math.comb(len(runs), 2)} pairs {len(runs) - 1} share the {what} of {first}, and as many those of "
            "each other one, so that they are not independent; Holm's correction holds all the same."
        )
    return " ".join(said)


def matrix_sheets(comparisons: Sequence[Comparison]) -> list[Sheet]:
    """Who beats whom, a sheet a metric: the row's method minus the column's, marked where one is better."""
    metrics = dict.fromkeys(entry.metric for entry in comparisons)
    return [_matrix(metric, [entry for entry in comparisons if entry.metric == metric]) for metric in metrics]


def _unit(metric: str) -> str:
    """The end of a column's name, which says how its figures are written."""
    return "_db" if METRICS[metric].unit == "dB" else ""


def _matrix(metric: str, pairs: Sequence[Comparison]) -> Sheet:
    unit = _unit(metric)
    means = {name: mean for e in pairs for name, mean in ((e.a, e.difference.mean_a), (e.b, e.difference.mean_b))}
    columns = {name: f"{name}/difference{unit}" for name in means}
    cells: dict[str, dict[str, Cell]] = {
        name: {f"mean{unit}": alone(mean), columns[name]: ""} for name, mean in means.items()
    }
    marked: dict[str, list[str]] = {name: [] for name in means}
    for pair in pairs:
        for row, column, sign in ((pair.a, pair.b, 1.0), (pair.b, pair.a, -1.0)):
            # Added to zero, so that no difference is minus nothing.
            cells[row][columns[column]] = alone(0.0 + sign * pair.difference.difference)
            if pair.better:
                marked[row].append(columns[column])
    return Sheet(
        f"against_{metric}",
        f"Who beats whom: {METRICS[metric].heading}",
        {f"mean{unit}": "mean"} | {column: label_of(name) for name, column in columns.items()},
        [Line(label_of(name), cells[name], marked=marked[name]) for name in means],
        "row minus column",
        f"{pairs[0].difference.items} items of {pairs[0].difference.songs} songs. {CAPTION} "
        + how_judged([pair.to_json() for pair in pairs]),
    )


def pairs_sheet(pairs: Sequence[Mapping[str, Any]], name: str = "pairs") -> Sheet:
    """Paired differences, one line a pair.

    Args:
        pairs: flat rows such as those of ``comparisons.json``; ``better`` is the better one's name, or nothing.
    """
    lines = [
        Line(
            f"{label_of(pair['a'])} \N{MINUS SIGN} {label_of(pair['b'])}",
            {
                "metric": str(pair["metric"]).replace("_", " "),
                f"difference{_unit(pair['metric'])}": _figure(*(pair[key] for key in ("difference", "low", "high"))),
                "p": _figure(pair["p"]),
                "p_holm": _figure(pair["p_holm"]),
                "better": label_of(pair["better"]) if pair["better"] else "",
            },
        )
        for pair in pairs
    ]
    columns = {"metric": "metric", "difference": "difference", "difference_db": "difference dB", "p": "p",
               "p_holm": "p, Holm", "better": "better"}  # fmt: skip
    return Sheet(
        name,
        "Paired differences on the same items",
        {column: heading for column, heading in columns.items() if any(column in line.cells for line in lines)},
        lines,
        "pair",
        "Mean difference of the outcomes with its 95 % interval, p, and p corrected for all pairs of the metric; below "
        f"0.05 the better one is named. {how_judged(pairs)}",
    )


def _figure(*figure: float | None) -> Cell:
    """A value with the ends of its interval, alone where they are not known, or nothing where it is not either."""
    match [value for value in figure if value is not None]:
        case [value, low, high]:
            return value, low, high
        case [value]:
            return alone(value)
    return None


def write_comparisons(folder: Path, comparisons: Sequence[Comparison], as_json: bool = False) -> None:
    """Write ``comparisons.md`` and ``comparisons.csv`` (and ``.json``) into a folder."""
    rows = [entry.to_json() for entry in comparisons]
    names = list(rows[0]) if rows else ["metric"]
    write_whole(folder / "comparisons.csv", csv_text([names, *(list(row.values()) for row in rows)]))
    if as_json:
        write_whole(folder / "comparisons.json", json.dumps(rows, indent=1) + "\n")
    write_whole(folder / "comparisons.md", f"# Who beats whom\n\n{document(matrix_sheets(comparisons))}")
