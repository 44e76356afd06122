"""Metrics with intervals, overall and by prompt, stem, anchor, size and category of error, and genre."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixlab.scoring.axes import AXES
from mixlab.scoring.bootstrap import (
    RESAMPLES,
    Figure,
    Interval,
    SongBootstrap,
    flat_figures,
    mean_outcome,
    percentile_interval,
    rank_correlation,
)
from mixlab.scoring.metrics import METRICS, Metric, Total, Totals, outcomes
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem


@dataclass(frozen=True)
class Group:
    """The metrics of some items; a metric that applies to none of them is left out."""

    items: int
    songs: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    """95 % bootstrap interval by song, for each of `values`."""

    def figure(self, metric: str) -> Figure | None:
        """A metric with the ends of its interval; None where it applies to no item."""
        return (self.values[metric], *self.intervals[metric]) if metric in self.values else None

    def flat(self, prefix: str) -> dict[str, float]:
        """``prefix/metric``, ``prefix/metric_low`` and ``prefix/metric_high``, and how many items and songs."""
        figures = {
            name: (value, *self.intervals[metric])
            for metric, value in self.values.items()
            for name in (metric, METRICS[metric].was)
            if name
        }
        counts = {f"{prefix}/items": float(self.items), f"{prefix}/songs": float(self.songs)}
        return counts | flat_figures(prefix, figures)


@dataclass(frozen=True)
class Scores:
    """What a method scored on a set of items.

    `overall` and all groups but those by prompt category take the metrics of advice from the headline items alone
    (`in_headline`); ``claimed_joint_accuracy`` and ``verdict_balanced_accuracy`` come from the items with a claim.
    """

    overall: Group
    groups: Mapping[str, Mapping[str, Group]]
    """Axis (one of `AXES`) -> value -> group."""

    @property
    def headline(self) -> Mapping[str, float]:
        """The headline metrics, by name."""
        return self.overall.values

    @property
    def intervals(self) -> Mapping[str, Interval]:
        """The intervals of the headline metrics, by name."""
        return self.overall.intervals

    def flat(self, prefix: str, with_groups: bool = True) -> dict[str, float]:
        """All metrics as ``prefix/joint_accuracy``, ``prefix/genre=rock/joint_accuracy``, ... for metrics.json."""
        flat = self.overall.flat(prefix)
        for axis in self.groups if with_groups else ():
            for value, group in self.groups[axis].items():
                flat |= group.flat(f"{prefix}/{axis}={value}")
        return flat


def score(
    predictions: Sequence[Prediction], resamples: int = RESAMPLES, seed: int = 0, reads_claims: bool = True
) -> Scores:
    """Score the predictions of one method.

    Args:
        predictions: one per item.
        resamples: of the bootstrap by song; 0 skips it (for validation): both ends of an interval are the value.
        seed: of the bootstrap.
        reads_claims: False for a method that never sees the user's claim; it then has no ``verdict_balanced_accuracy``.

    Raises:
        ValueError: if there are no predictions, or an item occurs twice.
    """
    _check_items(predictions)
    problems = [prediction.problem for prediction in predictions]
    columns = outcomes(predictions, reads_claims)
    songs = np.array([problem.work_id for problem in problems])
    bootstrap = SongBootstrap(songs.tolist(), resamples, seed) if resamples > 0 else None
    headline = in_headline(problems)
    of_claims = {name for metric in METRICS.values() if metric.of_claims for name in metric.outcomes}
    headline_columns = {
        name: column if name in of_claims else np.where(headline, column, np.nan) for name, column in columns.items()
    }

    def groups_of(axis: str) -> dict[str, Group]:
        by_prompt = axis == "prompt_category"
        source, counted = (columns, np.ones_like(headline)) if by_prompt else (headline_columns, headline)

        def group(mask: NDArray[np.bool_]) -> Group:
            inside = {name: np.where(mask, column, np.nan) for name, column in source.items()}
            return _group(inside, mask & counted, songs, bootstrap)

        return {value: group(mask) for value, mask in AXES[axis](problems).items() if mask.any()}

    return Scores(_group(headline_columns, headline, songs, bootstrap), _Groups(groups_of))


class _Groups(Mapping[str, Mapping[str, Group]]):
    """The groups of each axis, scored when they are asked for: intervals of all take seconds, and tables need few."""

    def __init__(self, groups_of: Callable[[str], Mapping[str, Group]]) -> None:
        self._groups_of = cache(groups_of)

    def __getitem__(self, axis: str) -> Mapping[str, Group]:
        return self._groups_of(axis)

    def __iter__(self) -> Iterator[str]:
        return iter(AXES)

    def __len__(self) -> int:
        return len(AXES)


def in_one_order(methods: Sequence[Sequence[Prediction]]) -> list[list[Prediction]]:
    """The headline predictions of several methods, in one order of items.

    Raises:
        ValueError: if the methods did not answer the same items.
    """
    for predictions in methods:
        _check_items(predictions)
    first, *others = by_item = [{p.problem.item_id: p for p in predictions} for predictions in methods]
    for other in others:
        reason = ""
        if different := sorted(first.keys() ^ other.keys()):
            reason = f"{len(different)} differ, such as {different[0]!r}"
        elif changed := [item for item in first if first[item].problem.errors != other[item].problem.errors]:
            reason = f"{changed[0]!r} has other errors in one of them"
        elif changed := [item for item in first if first[item].problem != other[item].problem]:
            reason = f"{changed[0]!r} has another anchor, claim or level in one of them"
        if reason:
            raise ValueError(f"the two methods answered different items: {reason}")
    shared = [p.problem.item_id for p in headline_predictions([first[item] for item in sorted(first)])]
    return [[found[item] for item in shared] for found in by_item]


def in_headline(problems: Sequence[Problem]) -> NDArray[np.bool_]:
    """Which items count in headline figures: those whose prompt makes no claim, so that no text gives an answer away.

    Where every prompt makes a claim, as on the own items of a run that trains on claims alone, all items count.
    """
    without_claim = np.array([not problem.prompt_category.has_claim for problem in problems], dtype=np.bool_)
    return without_claim if without_claim.any() else np.ones_like(without_claim)


def headline_predictions(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Those that count in headline figures."""
    counted = in_headline([prediction.problem for prediction in predictions])
    return [prediction for prediction, counts in zip(predictions, counted, strict=True) if counts]


def _check_items(predictions: Sequence[Prediction]) -> None:
    if not predictions:
        raise ValueError("there is nothing to score: no predictions")
    counts = Counter(prediction.problem.item_id for prediction in predictions)
    if twice := [item for item, count in counts.items() if count > 1]:
        raise ValueError(f"item {twice[0]!r} was answered twice")


def _group(
    columns: Mapping[str, NDArray[np.float64]],
    counted: NDArray[np.bool_],
    songs: NDArray[np.str_],
    bootstrap: SongBootstrap | None,
) -> Group:
    """Metrics of the items where `columns` are not NaN; `counted` marks the items of the group."""
    names = list(columns)
    table = np.stack([columns[name] for name in names], axis=1)
    applies = np.isfinite(table)
    here = _totals(names, (np.where(applies, table, 0.0).sum(axis=0), applies.sum(axis=0).astype(np.float64)))
    drawn = here if bootstrap is None else _totals(names, bootstrap.totals(table))
    by_song = here if bootstrap is None else _totals(names, bootstrap.by_song(table))
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for metric in METRICS.values():
        value = _value(metric, columns, here)
        if not np.isfinite(value):
            continue
        values[metric.name], intervals[metric.name] = value, (value, value)
        if bootstrap is not None and metric.is_ranked:
            drawn_ranks = bootstrap.rank_correlations(*(columns[name] for name in metric.outcomes))
            intervals[metric.name] = percentile_interval(drawn_ranks)
        elif bootstrap is not None:
            share_of = _songs(metric, by_song, here) if metric.unit == "share" else None
            intervals[metric.name] = percentile_interval(_of(metric, drawn, here), share_of_songs=share_of)
    return Group(int(counted.sum()), len(set(songs[counted].tolist())), values, intervals)


def _totals(names: Sequence[str], found: tuple[NDArray[np.float64], NDArray[np.float64]]) -> dict[str, Total]:
    """Sums and counts of shape (..., outcomes) by outcome."""
    return {name: Total(found[0][..., index], found[1][..., index]) for index, name in enumerate(names)}


def _value(metric: Metric, columns: Mapping[str, NDArray[np.float64]], here: Totals) -> float:
    """The figure of a group; NaN where it is not defined."""
    known = [name for name in metric.outcomes if here[name].count > 0]
    if not known or (len(known) < len(metric.outcomes) and (metric.compute or metric.is_ranked)):
        return float("nan")
    if metric.is_ranked:
        x, y = (columns[name][np.isfinite(columns[name])] for name in metric.outcomes)
        return float(rank_correlation(x, y, np.ones((1, x.size)))[0])
    if metric.compute is not None:
        return float(metric.compute({name: here[name] for name in known}))
    return float(np.mean([mean_outcome(columns[name]) for name in known]))


def _of(metric: Metric, totals: Totals, here: Totals) -> NDArray[np.float64]:
    """The figure of every sample; outcomes that apply to no item of the group are left out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric.compute is not None:
            return metric.compute(totals)
        means = [totals[name].sum / totals[name].count for name in metric.outcomes if here[name].count > 0]
        return np.asarray(np.mean(means, axis=0), dtype=np.float64)


def _songs(metric: Metric, by_song: Totals, here: Totals) -> int:
    """Over how many songs a figure goes: those that have one of their own, or all that a part of it applies to."""
    parts = [int((by_song[name].count > 0).sum()) for name in metric.outcomes if here[name].count > 0]
    return int(np.isfinite(_of(metric, by_song, here)).sum()) or min(parts)
