"""who beats whom, by how much: methods or runs compared pair by pair on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        """The name of the better one where the corrected test says that there is one, else an empty text.

        The test changes signs by song and takes seeds as they are; the interval draws seeds too, and has to agree.
        """
        found = self.difference
        if not found.p_holm < ALPHA or found.low <= 0 <= found.high:
            return ""
        a_is_better = (self.difference.difference > 0) != METRICS[self.metric].lower_is_better
        return self.a if a_is_better else self.b

    def to_json(self) -> dict[str, Any]:
        """Flat values, one key a column."""
        names = ("mean_a", "mean_b", "difference", "low", "high", "p", "p_holm", "better", "items", "songs")
        found = {name: self.better if name == "better" else getattr(self.difference, name) for name in names}
        return {"metric": self.metric, "a": self.a, "b": self.b} | found


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
        metrics: names of metrics that are comparable.

    Raises:
        ValueError: if the items differ, or a metric cannot be paired.
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
        pairs = all_pairs(kept, songs[applies].tolist(), resamples, permutations, is_share=is_share)
        comparisons += [Comparison(metric, a, b, found) for (a, b), found in pairs.items()]
    return comparisons


def check_comparable(metrics: Sequence[str]) -> None:
    """Raise ValueError unless methods can be compared in all metrics."""
    METRICS.check(metrics)
    if wrong := [name for name in metrics if not METRICS[name].is_comparable]:
        known = ", ".join(name for name, metric in METRICS.items() if metric.is_comparable)
        raise ValueError(f"cannot compare {wrong[0]!r}; use one of {known}")
