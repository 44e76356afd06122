"""Room scoring: metrics with intervals, overall and by prompt, stem, size of error, error category and genre."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.scoring.bootstrap import (
    RESAMPLES,
    Difference,
    SongBootstrap,
    mean_outcome,
    paired_difference,
    percentile_interval,
)
from mixlab.scoring.metrics import METRICS, VERDICT_OUTCOMES, outcomes
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem, PromptCategory

HEADLINE_CATEGORIES = (PromptCategory.AUDIO_ONLY, PromptCategory.ADVICE_SEEKING)
"""Prompts without a claim: only these count in headline figures, so that no text gives an answer away."""

SIZE_STEP_DB = 3.0
"""Width of the bins of the size of an error."""

BALANCED = "balanced"
"""Name of the group of items without an error."""

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

    `overall` and all groups but those by prompt category take the metrics of advice from the headline items alone;
    ``verdict_balanced_accuracy`` comes from the items with a claim, which are never headline items.
    """

    overall: Group
    groups: Mapping[str, Mapping[str, Group]]
    """Axis (``prompt_category``, ``faulty_stem``, ``size_db``, ``error_category``, ``genre``) -> value -> group."""

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
    songs = np.array([problem.song_id for problem in problems])
    bootstrap = SongBootstrap(songs.tolist(), resamples, seed) if resamples > 0 else None
    headline = np.array([problem.prompt_category in HEADLINE_CATEGORIES for problem in problems])
    headline_columns = {
        name: column if name in VERDICT_OUTCOMES else np.where(headline, column, np.nan)
        for name, column in columns.items()
    }
    groups: dict[str, dict[str, Group]] = {}
    for axis, members in _axes(problems).items():
        by_prompt = axis == "prompt_category"
        source, counted = (columns, np.ones_like(headline)) if by_prompt else (headline_columns, headline)
        groups[axis] = {
            value: _group(
                {name: np.where(mask, column, np.nan) for name, column in source.items()},
                mask & counted,
                songs,
                bootstrap,
            )
            for value, mask in members.items()
        }
    return Scores(_group(headline_columns, headline, songs, bootstrap), groups)


def compare(
    predictions_a: Sequence[Prediction],
    predictions_b: Sequence[Prediction],
    metric: str = "joint_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """A headline metric of method a minus that of method b, with an interval paired by item and drawn by song.

    Raises:
        ValueError: if the two did not answer the same items, if none of them is a headline item, or if the metric is
            not a plain mean of one outcome.
    """
    if len(METRICS.get(metric, ())) != 1:
        plain = sorted(name for name, parts in METRICS.items() if len(parts) == 1)
        raise ValueError(f"cannot compare {metric!r}; use one of {', '.join(plain)}")
    a, b = ({p.problem.item_id: p for p in predictions} for predictions in (predictions_a, predictions_b))
    _check_items(predictions_a)
    _check_items(predictions_b)
    different = sorted(a.keys() ^ b.keys())
    if different:
        raise ValueError(f"the two methods answered different items: {len(different)} differ, such as {different[0]!r}")
    changed = [item for item in a if a[item].problem.errors != b[item].problem.errors]
    if changed:
        raise ValueError(f"the two methods answered different items: {changed[0]!r} has other errors in one of them")
    shared = [item for item in sorted(a) if a[item].problem.prompt_category in HEADLINE_CATEGORIES]
    if not shared:
        raise ValueError("no item has a headline prompt (audio_only, advice_seeking), so there is nothing to compare")
    return paired_difference(
        outcomes([a[item] for item in shared])[metric],
        outcomes([b[item] for item in shared])[metric],
        [a[item].problem.song_id for item in shared],
        resamples,
        seed,
    )


def headline_predictions(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Those whose prompt makes no claim."""
    return [p for p in predictions if p.problem.prompt_category in HEADLINE_CATEGORIES]


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
    samples = None if bootstrap is None else bootstrap.means(np.stack([columns[name] for name in names], axis=1))
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for metric, parts in METRICS.items():
        parts = tuple(part for part in parts if np.isfinite(columns[part]).any())
        if not parts:
            continue
        values[metric] = float(np.mean([mean_outcome(columns[part]) for part in parts]))
        if samples is None:
            intervals[metric] = (values[metric], values[metric])
        else:
            indices = [names.index(part) for part in parts]
            intervals[metric] = percentile_interval(samples[:, indices].mean(axis=1))
    return Group(int(counted.sum()), len(set(songs[counted].tolist())), values, intervals)


def _axes(problems: Sequence[Problem]) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Axis -> value -> which items belong to it, shape (items,); values in a stable order.

    An item with several errors belongs to the group of each faulty stem and of each category.
    """
    needed = [problem.needed_gains_db for problem in problems]
    sizes_db = [max((abs(gain_db) for gain_db in gains_db.values()), default=0.0) for gains_db in needed]
    faulty = sorted({stem for stems in needed for stem in stems})
    categories = [problem.error_category.split("+") for problem in problems]
    axes = {
        "prompt_category": {
            str(category): np.array([problem.prompt_category is category for problem in problems])
            for category in PromptCategory
        },
        "faulty_stem": {stem: np.array([stem in stems for stems in needed]) for stem in faulty}
        | {BALANCED: np.array([not stems for stems in needed])},
        "size_db": _size_groups(sizes_db),
        "error_category": {
            name: np.array([name in named for named in categories])
            for name in sorted({name for named in categories for name in named})
        },
        "genre": {
            name: np.array([(problem.genre or "unknown") == name for problem in problems])
            for name in sorted({problem.genre or "unknown" for problem in problems})
        },
    }
    return {axis: {value: mask for value, mask in members.items() if mask.any()} for axis, members in axes.items()}


def _size_groups(sizes_db: Sequence[float]) -> dict[str, NDArray[np.bool_]]:
    """Bins of `SIZE_STEP_DB` that cover the errors in the data; a bin holds its lower edge, the last one both."""
    sizes = np.asarray(sizes_db, dtype=np.float64)
    groups = {BALANCED: sizes == 0}
    faulty = sizes[sizes > 0]
    if faulty.size == 0:
        return groups
    first = math.floor(faulty.min() / SIZE_STEP_DB)
    last = max(first + 1, math.ceil(faulty.max() / SIZE_STEP_DB))
    for index in range(first, last):
        low, high = index * SIZE_STEP_DB, (index + 1) * SIZE_STEP_DB
        inside = (sizes >= low) & ((sizes <= high) if index == last - 1 else (sizes < high)) & (sizes > 0)
        groups[f"{low:g}-{high:g}"] = inside
    return groups
