"""who beats whom, by how much: methods or runs compared pair by pair on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from mixlab.scoring.bootstrap import RESAMPLES
from mixlab.scoring.metrics import METRICS, outcomes
from mixlab.scoring.paired import ALPHA, PERMUTATIONS, Difference, all_pairs
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import in_one_order


@dataclass(frozen=True)
class Comparison:
    """One pair of methods in one metric; the difference is a minus b."""

    metric: str
    a: str
    b: str
    difference: Difference

    @property
    def better(self) -> str:
        """The name of the better one where corrected test and interval say that there is one, else an empty text."""
        found = self.difference
        if not found.p_holm < ALPHA or found.low <= 0 <= found.high:
            return ""
        a_is_better = (self.difference.difference > 0) != METRICS[self.metric].lower_is_better
        return self.a if a_is_better else self.b

    def to_json(self) -> dict[str, Any]:
        """Flat values, one key a column; None where nothing can be said."""
        names = ("mean_a", "mean_b", "difference", "low", "high", "p", "p_holm", "better", "items", "songs",
                 "runs_a", "runs_b", "of_settings")  # fmt: skip
        values = vars(self.difference) | {"better": self.better}
        found = {name: values[name] for name in names}
        nothing = [name for name, value in found.items() if isinstance(value, float) and isnan(value)]
        return {"metric": self.metric, "a": self.a, "b": self.b} | found | dict.fromkeys(nothing)


def compare_methods(
    methods: Mapping[str, Sequence[Sequence[Prediction]]],
    metrics: Sequence[str],
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    of_settings: bool = False,
) -> list[Comparison]:
    """Every pair of methods in every metric, on the headline items.

    Tests are corrected by Holm over all pairs of one metric. Items to which a metric does not apply (balanced ones, for
    an error in dB) are left out.

    Args:
        methods: name -> the predictions of each of its runs, for the same items in any order.
        metrics: names of metrics that are comparable.
        of_settings: whether methods are settings, judged over their runs; otherwise trained models, judged over songs.

    Raises:
        ValueError: if the items differ, a metric cannot be paired, or a trained model has several runs.
    """
    check_comparable(metrics)
    lined_up = iter(in_one_order([predictions for seeds in methods.values() for predictions in seeds]))
    columns = {name: [outcomes(next(lined_up)) for _ in seeds] for name, seeds in methods.items()}
    first = in_one_order([next(iter(methods.values()))[0]])[0]
    songs = np.array([prediction.problem.work_id for prediction in first])
    comparisons = []
    for metric in metrics:
        values = {name: np.stack([column[metric] for column in seeds]) for name, seeds in columns.items()}
        applies = np.isfinite(next(iter(values.values()))[0])
        if not applies.any():
            continue
        kept = {name: rows[:, applies] for name, rows in values.items()}
        is_share = METRICS[metric].unit == "share"
        pairs = all_pairs(kept, songs[applies].tolist(), resamples, permutations, 0, is_share, of_settings)
        comparisons += [Comparison(metric, a, b, found) for (a, b), found in pairs.items()]
    return comparisons


def check_comparable(metrics: Sequence[str]) -> None:
    """Raise ValueError unless methods can be compared in all metrics."""
    METRICS.check(metrics)
    if wrong := [name for name in metrics if not METRICS[name].is_comparable]:
        known = ", ".join(name for name, metric in METRICS.items() if metric.is_comparable)
        raise ValueError(f"cannot compare {wrong[0]!r}; use one of {known}")
