"""Comparisons as sheets and files: who beats whom, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.escaping import csv_text
from mixlab.reports.sheets import Cell, Line, Sheet, alone, document
from mixlab.reports.table import label_of
from mixlab.scoring.comparison import Comparison
from mixlab.scoring.metrics import METRICS
from mixlab.storage import write_whole

CAPTION = (
    "Row minus column, on the same items with prompts that make no claim. Bold: an interval without zero, and p below "
    "0.05 in a permutation test that changes signs by song, corrected by Holm over all pairs of the table. Intervals "
    "(bootstrap by song, 95 %) are in comparisons.csv. Of errors in dB and of alarms and misses, less is better."
)


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
        f"{pairs[0].difference.items} items of {pairs[0].difference.songs} songs. {CAPTION}",
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
                f"difference{_unit(pair['metric'])}": (pair["difference"], pair["low"], pair["high"]),
                "p": alone(pair["p"]),
                "p_holm": alone(pair["p_holm"]),
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
        "Mean difference of the two runs' outcomes with its 95 % interval by song; p of a permutation test by "
        "song, and the same corrected for all pairs of the metric. Where a better one is named, the corrected p is "
        "below 0.05.",
    )


def write_comparisons(folder: Path, comparisons: Sequence[Comparison], as_json: bool = False) -> None:
    """Write ``comparisons.md`` and ``comparisons.csv`` (and ``.json``) into a folder."""
    rows = [entry.to_json() for entry in comparisons]
    names = list(rows[0]) if rows else ["metric"]
    write_whole(folder / "comparisons.csv", csv_text([names, *(list(row.values()) for row in rows)]))
    if as_json:
        write_whole(folder / "comparisons.json", json.dumps(rows, indent=1) + "\n")
    write_whole(folder / "comparisons.md", f"# Who beats whom\n\n{document(matrix_sheets(comparisons))}")
