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

from mixlab.evaluation.sheets import number
from mixlab.evaluation.table import LABELS
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


def matrix(comparisons: Sequence[Comparison], metric: str) -> str:
    """A metric's comparisons as a Markdown table: row minus column, bold where the corrected p is below 5 %."""
    chosen = [entry for entry in comparisons if entry.metric == metric]
    names = list(dict.fromkeys(name for entry in chosen for name in (entry.a, entry.b)))
    by_pair = {(entry.a, entry.b): entry for entry in chosen}
    means = {name: mean for e in chosen for name, mean in ((e.a, e.difference.mean_a), (e.b, e.difference.mean_b))}

    def text(row: str, column: str) -> str:
        if row == column:
            return ""
        entry = by_pair.get((row, column)) or by_pair[column, row]
        value = entry.difference.difference if entry.a == row else 0.0 - entry.difference.difference
        shown = f"{value:+.2f}" if metric.endswith("_db") else f"{value:+.3f}"
        return f"**{shown}**" if entry.better else shown

    headings = [LABELS.get(name, name).replace("|", "/") for name in names]
    lines = [f"| {metric} | mean | " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(names) + 1)]
    for name, heading in zip(names, headings, strict=True):
        cells = " | ".join(text(name, column) for column in names)
        lines.append(f"| {heading} | {number(means[name], metric)} | {cells} |")
    return "\n".join(lines) + "\n"


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
    metrics = list(dict.fromkeys(entry.metric for entry in comparisons))
    items = {entry.metric: entry.difference for entry in comparisons}
    parts = ["# Who beats whom", "", CAPTION, ""]
    for metric in metrics:
        counted = f"{items[metric].items} items of {items[metric].songs} songs."
        parts += [matrix(comparisons, metric), counted, ""]
    write_whole(folder / "comparisons.md", "\n".join(parts))


CAPTION = (
    "Row minus column, on the same items with prompts that make no claim. Bold: p below 0.05 in a permutation test "
    "that changes signs by song, corrected by Holm over all pairs of the table. Intervals (bootstrap by song, 95 %) "
    "are in comparisons.csv. Of errors in dB and of alarms and misses, less is better."
)
