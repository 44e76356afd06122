"""Room evaluation: who beats whom, by how much: methods or runs compared pair by pair on the same items."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.evaluation.sheets import Cell, Line, Sheet
from mixlab.evaluation.table import COLUMNS, label_of
from mixlab.scoring.bootstrap import RESAMPLES
from mixlab.scoring.metrics import METRICS, outcomes
from mixlab.scoring.paired import ALPHA, PERMUTATIONS, Difference, all_pairs
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import in_one_order
from mixlab.storage import write_whole

LOWER_IS_BETTER = ("gain_mae_db", "gain_mae_located_db", "false_alarm_rate", "missed_error_rate")
"""Metrics of which less is better; of all others more is."""

COMPARABLE = tuple(
    name
    for name, parts in METRICS.items()
    if len(parts) == 1 and name not in ("gain_mae_located_db", "direction_given_stem")
)
"""Metrics whose items are the same whatever a method answers, so that it can be paired with another."""


@dataclass(frozen=True)
class Comparison:
    """One pair of methods in one metric; the difference is a minus b."""

    metric: str
    a: str
    b: str
    difference: Difference

    @property
    def better(self) -> str:
        """The name of the better one where the corrected test says that there is one, else an empty text.

        The test changes signs by song and takes seeds as they are; the interval draws seeds too, and has to agree.
        """
        found = self.difference
        if not found.p_holm < ALPHA or found.low <= 0 <= found.high:
            return ""
        a_is_better = (self.difference.difference > 0) != (self.metric in LOWER_IS_BETTER)
        return self.a if a_is_better else self.b

    def to_json(self) -> dict[str, Any]:
        """Flat values, one key a column."""
        found = self.difference
        return {
            "metric": self.metric,
            "a": self.a,
            "b": self.b,
            "mean_a": found.mean_a,
            "mean_b": found.mean_b,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p": found.p,
            "p_holm": found.p_holm,
            "better": self.better,
            "items": found.items,
            "songs": found.songs,
        }


def compare_methods(
    methods: Mapping[str, Sequence[Sequence[Prediction]]],
    metrics: Sequence[str],
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> list[Comparison]:
    """Every pair of methods in every metric, on the headline items.

    Tests change signs by song and are corrected by Holm over all pairs of one metric. Items to which a metric does not
    apply (balanced ones, for an error in dB) are left out.

    Args:
        methods: name -> the predictions of each of its seeds, for the same items in any order.
        metrics: names in `COMPARABLE`.

    Raises:
        ValueError: if the items differ, or a metric cannot be paired.
    """
    if unknown := [metric for metric in metrics if metric not in COMPARABLE]:
        raise ValueError(f"cannot compare {unknown[0]!r}; use one of {', '.join(COMPARABLE)}")
    lined_up = iter(in_one_order([predictions for seeds in methods.values() for predictions in seeds]))
    columns = {name: [outcomes(next(lined_up)) for _ in seeds] for name, seeds in methods.items()}
    first = in_one_order([next(iter(methods.values()))[0]])[0]
    songs = np.array([prediction.problem.song_id for prediction in first])
    comparisons = []
    for metric in metrics:
        values = {name: np.stack([column[metric] for column in seeds]) for name, seeds in columns.items()}
        applies = np.isfinite(next(iter(values.values()))[0])
        if not applies.any():
            continue
        kept = {name: rows[:, applies] for name, rows in values.items()}
        pairs = all_pairs(kept, songs[applies].tolist(), resamples, permutations)
        comparisons += [Comparison(metric, a, b, found) for (a, b), found in pairs.items()]
    return comparisons


def matrix_sheets(comparisons: Sequence[Comparison]) -> list[Sheet]:
    """Who beats whom, a sheet a metric: the row's method minus the column's, marked where one is better."""
    metrics = dict.fromkeys(entry.metric for entry in comparisons)
    return [_matrix(metric, [entry for entry in comparisons if entry.metric == metric]) for metric in metrics]


def _matrix(metric: str, pairs: Sequence[Comparison]) -> Sheet:
    # The name of a column says how its figures are written.
    unit = "_db" if metric.endswith("_db") else ""
    means = {name: mean for e in pairs for name, mean in ((e.a, e.difference.mean_a), (e.b, e.difference.mean_b))}
    columns = {name: f"{name}/difference{unit}" for name in means}
    cells: dict[str, dict[str, Cell]] = {
        name: {f"mean{unit}": (mean,) * 3, columns[name]: ""} for name, mean in means.items()
    }
    marked: dict[str, list[str]] = {name: [] for name in means}
    for pair in pairs:
        for row, column, sign in ((pair.a, pair.b, 1.0), (pair.b, pair.a, -1.0)):
            # Added to zero, so that no difference is minus nothing.
            cells[row][columns[column]] = (0.0 + sign * pair.difference.difference,) * 3
            if pair.better:
                marked[row].append(columns[column])
    return Sheet(
        f"against_{metric}",
        f"Who beats whom: {COLUMNS.get(metric, metric.replace('_', ' '))}",
        {f"mean{unit}": "mean"} | {column: label_of(name) for name, column in columns.items()},
        [Line(label_of(name), cells[name], marked=marked[name]) for name in means],
        "row minus column",
        f"{pairs[0].difference.items} items of {pairs[0].difference.songs} songs. {CAPTION}",
    )


def write_comparisons(folder: Path, comparisons: Sequence[Comparison], as_json: bool = False) -> None:
    """Write ``comparisons.md`` and ``comparisons.csv`` (and ``.json``) into a folder."""
    rows = [entry.to_json() for entry in comparisons]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["metric"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "comparisons.csv", text.getvalue())
    if as_json:
        write_whole(folder / "comparisons.json", json.dumps(rows, indent=1) + "\n")
    parts = ["# Who beats whom", ""]
    for sheet in matrix_sheets(comparisons):
        parts += [f"## {sheet.title}", "", sheet.markdown(), sheet.caption, ""]
    write_whole(folder / "comparisons.md", "\n".join(parts))


CAPTION = (
    "Row minus column, on the same items with prompts that make no claim. Bold: an interval without zero, and p below "
    "0.05 in a permutation test that changes signs by song, corrected by Holm over all pairs of the table. Intervals "
    "(bootstrap by song, 95 %) are in comparisons.csv. Of errors in dB and of alarms and misses, less is better."
)
