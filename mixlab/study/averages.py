"""Mean ratings, preferences and agreement, with intervals that draw participants and items anew."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixlab.reports.sheets import Figure
from mixlab.scoring.bootstrap import RESAMPLES, percentile_interval
from mixlab.study.settings import POINTS

ALPHA_RESAMPLES = 300
"""Resamples of Krippendorff's alpha, each of which counts all units anew."""


class TwoWayBootstrap:
    """Percentile bootstrap that draws participants and items at once (Owen 2007), since ratings share both.

    A rating weighs as often as its participant was drawn times as often as its item was. The same draws serve all
    means, so that differences of means are paired.

    Args:
        participants, items: of each rating, shape (ratings,).
        resamples: number of resamples.
        seed: of the draws.
    """

    def __init__(
        self, participants: Sequence[str], items: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
    ) -> None:
        self._person, people = pd.factorize(np.asarray(participants, dtype=object), sort=True)
        self._item, things = pd.factorize(np.asarray(items, dtype=object), sort=True)
        self._shape = len(people), len(things)
        rng = np.random.default_rng(seed)
        self._of_person, self._of_item = (
            rng.multinomial(size, np.full(size, 1.0 / size), size=resamples).astype(np.float64) for size in self._shape
        )

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of each resample over ratings where `values`, shape (ratings,), is not NaN; shape (resamples,)."""
        applies = np.isfinite(values)
        sums, counts = (self._totals(np.where(applies, part, 0.0)) for part in (values, applies.astype(np.float64)))
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    def figure(self, values: NDArray[np.float64]) -> Figure | None:
        """The mean with its interval; None where nothing applies."""
        kept = values[np.isfinite(values)]
        return (float(kept.mean()), *percentile_interval(self.means(values))) if kept.size else None

    def _totals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        table = np.zeros(self._shape)
        np.add.at(table, (self._person, self._item), values)
        return np.asarray(((self._of_person @ table) * self._of_item).sum(axis=1))


def system_means(
    main: pd.DataFrame, systems: Sequence[str], criteria: Sequence[str], resamples: int, seed: int
) -> dict[str, dict[str, Figure | None]]:
    """System -> criterion -> mean rating with its interval."""
    if main.empty:
        return {}
    draws = TwoWayBootstrap(main["participant"].tolist(), main["item"].tolist(), resamples, seed)
    rating = main["rating"].to_numpy(np.float64)

    def mean(system: str, criterion: str) -> Figure | None:
        return draws.figure(np.where((main["system"] == system) & (main["criterion"] == criterion), rating, np.nan))

    return {system: {criterion: mean(system, criterion) for criterion in criteria} for system in systems}


def preference_shares(
    preferences: pd.DataFrame, resamples: int, seed: int
) -> dict[tuple[str, str], tuple[Figure, int]]:
    """Pair of systems -> the share that prefers the first, with its interval, and how often they were compared.

    Either of the two may have been shown first; preferring neither counts half.
    """
    found: dict[tuple[str, str], tuple[Figure, int]] = {}
    if preferences.empty:
        return found
    shown = zip(preferences["system_a"], preferences["system_b"], strict=True)
    pairs = pd.Series([tuple(sorted(pair)) for pair in shown])
    for pair in sorted(set(pairs)):
        rows = preferences[(pairs == pair).to_numpy()]
        wins = np.where(rows["preferred"] == pair[0], 1.0, np.where(rows["preferred"] == pair[1], 0.0, 0.5))
        figure = TwoWayBootstrap(rows["participant"].tolist(), rows["item"].tolist(), resamples, seed).figure(wins)
        if figure is not None:
            found[pair] = figure, len(rows)
    return found


def krippendorff_alpha(ratings: pd.DataFrame, seed: int = 0, resamples: int = ALPHA_RESAMPLES) -> Figure | None:
    """Krippendorff's alpha for ordinal data over pieces of advice (an item under a system), which raters rate.

    The interval draws pieces of advice. None where no piece was rated twice, or all ratings are the same.

    Args:
        ratings: rows of one criterion with ``rating``, ``item`` and ``system``.
    """
    from krippendorff import alpha

    units = pd.crosstab([ratings["item"], ratings["system"]], ratings["rating"]).reindex(columns=POINTS, fill_value=0)
    counts = units.to_numpy()
    counts = counts[counts.sum(axis=1) > 1]

    def value(table: NDArray[np.int_]) -> float:
        if len(table) == 0 or (table.sum(axis=0) > 0).sum() < 2:
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(alpha(value_counts=table, value_domain=POINTS, level_of_measurement="ordinal"))

    observed = value(counts)
    if not np.isfinite(observed):
        return None
    rng = np.random.default_rng(seed)
    drawn = [value(counts[rng.integers(len(counts), size=len(counts))]) for _ in range(resamples)]
    return (observed, *percentile_interval(np.array(drawn)))
