"""Room scoring: metrics with intervals, overall and by prompt, stem, anchor, size and category of error, and genre."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixlab.scoring.axes import AXES
from mixlab.scoring.bootstrap import RESAMPLES, SongBootstrap, mean_outcome, percentile_interval, rank_correlation
from mixlab.scoring.categories import Ranges
from mixlab.scoring.derived import DERIVED, RANK_CORRELATION, RANKED_PARTS, Total
from mixlab.scoring.metrics import CLAIM_OUTCOMES, METRICS, outcomes
from mixlab.scoring.paired import Difference, paired_difference
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem

Interval = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """The metrics of some items; a metric that applies to none of them is left out."""

    items: int
    songs: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    """95 % bootstrap interval by song, for each of `values`."""

    def flat(self, prefix: str) -> dict[str, float]:
        """``prefix/metric``, ``prefix/metric_low`` and ``prefix/metric_high``, and how many items and songs."""
        flat = {f"{prefix}/items": float(self.items), f"{prefix}/songs": float(self.songs)}
        for name, value in self.values.items():
            low, high = self.intervals[name]
            flat |= {f"{prefix}/{name}": value, f"{prefix}/{name}_low": low, f"{prefix}/{name}_high": high}
        return flat


@dataclass(frozen=True)
class Scores:
    """What a method scored on a set of items.

    `overall` and all groups but those by prompt category take the metrics of advice from the headline items alone
    (`in_headline`); ``claimed_joint_accuracy`` and ``verdict_balanced_accuracy`` come from the items with a claim.
    """

    overall: Group
    groups: Mapping[str, Mapping[str, Group]]
    """Axis (``prompt_category``, ``faulty_stem``, ``anchor``, ``size_db``, ``error_category``, ``genre``) -> value ->
    group."""

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
        if with_groups:
            for axis, groups in self.groups.items():
                for value, group in groups.items():
                    flat |= group.flat(f"{prefix}/{axis}={value}")
        return flat


def score(
    predictions: Sequence[Prediction],
    resamples: int = RESAMPLES,
    seed: int = 0,
    reads_claims: bool = True,
    ranges_db: Ranges | None = None,
) -> Scores:
    """Score the predictions of one method.

    Args:
        predictions: one per item.
        resamples: of the bootstrap by song; 0 skips it (for validation): both ends of an interval are the value.
        seed: of the bootstrap.
        reads_claims: False for a method that never sees the user's claim; it then has no ``verdict_balanced_accuracy``.
        ranges_db: of the categories of errors; without them there is no ``magnitude_in_range``.

    Raises:
        ValueError: if there are no predictions, or an item occurs twice.
    """
    _check_items(predictions)
    problems = [prediction.problem for prediction in predictions]
    columns = outcomes(predictions, reads_claims, ranges_db)
    songs = np.array([problem.song_id for problem in problems])
    bootstrap = SongBootstrap(songs.tolist(), resamples, seed) if resamples > 0 else None
    headline = in_headline(problems)
    headline_columns = {
        name: column if name in CLAIM_OUTCOMES else np.where(headline, column, np.nan)
        for name, column in columns.items()
    }
    every_item = np.ones_like(headline)

    def groups_of(axis: str) -> dict[str, Group]:
        by_prompt = axis == "prompt_category"
        source, counted = (columns, every_item) if by_prompt else (headline_columns, headline)
        return {
            value: _group(
                {name: np.where(mask, column, np.nan) for name, column in source.items()},
                mask & counted,
                songs,
                bootstrap,
            )
            for value, mask in AXES[axis](problems).items()
            if mask.any()
        }

    return Scores(_group(headline_columns, headline, songs, bootstrap), _Groups(groups_of))


class _Groups(Mapping[str, Mapping[str, Group]]):
    """The groups of each axis, scored when they are asked for: intervals of all take seconds, and tables need few."""

    def __init__(self, groups_of: Callable[[str], Mapping[str, Group]]) -> None:
        self._groups_of = cache(groups_of)

    def __getitem__(self, axis: str) -> Mapping[str, Group]:
        if axis not in AXES:
            raise KeyError(axis)
        return self._groups_of(axis)

    def __iter__(self) -> Iterator[str]:
        return iter(AXES)

    def __len__(self) -> int:
        return len(AXES)


def compare(
    predictions_a: Sequence[Prediction],
    predictions_b: Sequence[Prediction],
    metric: str = "joint_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """A headline metric of method a minus that of method b, with an interval paired by item and drawn by song.

    Raises:
        ValueError: if the two did not answer the same items, or if the metric is not a plain mean of one outcome.
    """
    if len(METRICS.get(metric, ())) != 1:
        plain = sorted(name for name, parts in METRICS.items() if len(parts) == 1)
        raise ValueError(f"cannot compare {metric!r}; use one of {', '.join(plain)}")
    a, b = in_one_order([predictions_a, predictions_b])
    return paired_difference(outcomes(a)[metric], outcomes(b)[metric], [p.problem.song_id for p in a], resamples, seed)


def in_one_order(methods: Sequence[Sequence[Prediction]]) -> list[list[Prediction]]:
    """The headline predictions of several methods, in one order of items.

    Raises:
        ValueError: if the methods did not answer the same items.
    """
    by_item = []
    for predictions in methods:
        _check_items(predictions)
        by_item.append({prediction.problem.item_id: prediction for prediction in predictions})
    first = by_item[0]
    for other in by_item[1:]:
        if different := sorted(first.keys() ^ other.keys()):
            raise ValueError(
                f"the two methods answered different items: {len(different)} differ, such as {different[0]!r}"
            )
        if changed := [item for item in first if first[item].problem.errors != other[item].problem.errors]:
            raise ValueError(
                f"the two methods answered different items: {changed[0]!r} has other errors in one of them"
            )
        if changed := [item for item in first if first[item].problem != other[item].problem]:
            raise ValueError(
                f"the two methods answered different items: {changed[0]!r} has another anchor, claim or level in one "
                "of them"
            )
    shared = [
        prediction.problem.item_id for prediction in headline_predictions([first[item] for item in sorted(first)])
    ]
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
    seen: set[str] = set()
    for prediction in predictions:
        if prediction.problem.item_id in seen:
            raise ValueError(f"item {prediction.problem.item_id!r} was answered twice")
        seen.add(prediction.problem.item_id)


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
    here = (np.where(applies, table, 0.0).sum(axis=0), applies.sum(axis=0).astype(np.float64))
    drawn = here if bootstrap is None else bootstrap.totals(table)
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}

    def enter(metric: str, value: float, samples: NDArray[np.float64]) -> None:
        if np.isfinite(value):
            values[metric] = value
            intervals[metric] = (value, value) if bootstrap is None else percentile_interval(samples)

    for metric, parts in METRICS.items():
        present = [names.index(part) for part in parts if applies[:, names.index(part)].any()]
        if present:
            mean = float(np.mean([mean_outcome(table[:, index]) for index in present]))
            with np.errstate(divide="ignore", invalid="ignore"):
                enter(metric, mean, (drawn[0] / drawn[1])[..., present].mean(axis=-1))
    for metric, derived in DERIVED.items():
        indices = {part: names.index(part) for part in derived.parts}
        if all(applies[:, index].any() for index in indices.values()):
            value, samples = (
                derived.compute({part: Total(sums[..., i], counts[..., i]) for part, i in indices.items()})
                for sums, counts in (here, drawn)
            )
            enter(metric, float(value), samples)
    x, y = (columns[part] for part in RANKED_PARTS)
    kept = np.isfinite(x)
    correlation = float(rank_correlation(x[kept], y[kept], np.ones((1, int(kept.sum()))))[0])
    if np.isfinite(correlation):
        drawn_ranks = np.empty(0) if bootstrap is None else bootstrap.rank_correlations(x, y)
        enter(RANK_CORRELATION, correlation, drawn_ranks)
    return Group(int(counted.sum()), len(set(songs[counted].tolist())), values, intervals)
