"""Intervals by a bootstrap that draws whole songs, because items of one song are not independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
"""Resamples of an interval unless told otherwise."""

LEVEL = 0.95
"""Coverage of an interval."""

Interval = tuple[float, float]

Figure = tuple[float, float, float]
"""A value with the ends of its 95 % interval, which are the value where it has none."""


class SongBootstrap:
    """Percentile bootstrap over songs, for any number of outcomes of the same items.

    A resample draws as many songs as there are, with replacement; its mean weighs each item by how often its song was
    drawn. Only per-song sums and counts are needed, so a resample is a row of a matrix product.

    Args:
        songs: the song of each item, shape (items,).
        resamples: number of resamples.
        seed: of the draw; the same seed and songs give the same resamples.

    Raises:
        ValueError: if there are no items.
    """

    def __init__(self, songs: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> None:
        if len(songs) == 0:
            raise ValueError("a bootstrap needs at least one item, got none")
        names, self._song_of_item = np.unique(np.asarray(songs, dtype=object).astype(str), return_inverse=True)
        self.song_count = len(names)
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(self.song_count, np.full(self.song_count, 1.0 / self.song_count), size=resamples)
        self._weights = draws.astype(np.float64)

    def by_song(self, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sum of the outcomes of each song, and over how many items it goes.

        Args:
            values: outcomes, shape (items,) or (items, outcomes); NaN where one does not apply.

        Returns:
            Two arrays of shape (songs,) or (songs, outcomes).
        """
        array = np.asarray(values, dtype=np.float64)
        if array.shape[:1] != self._song_of_item.shape:
            raise ValueError(f"expected an outcome for each of {self._song_of_item.size} items, got {array.shape}")
        applies = np.isfinite(array)
        sums = np.zeros((self.song_count, *array.shape[1:]))
        counts = np.zeros_like(sums)
        np.add.at(sums, self._song_of_item, np.where(applies, array, 0.0))
        np.add.at(counts, self._song_of_item, applies.astype(np.float64))
        return sums, counts

    def totals(self, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sum of each resample, and over how many items it goes: two arrays of shape (resamples, ...).

        Args are those of `by_song`.
        """
        sums, counts = (
            (self._weights @ found.reshape(self.song_count, -1)).reshape(-1, *found.shape[1:])
            for found in self.by_song(values)
        )
        return sums, counts

    def item_weights(self, resamples: int) -> NDArray[np.float64]:
        """How often each item counts in each of the first `resamples`, shape (resamples, items)."""
        return self._weights[:resamples, self._song_of_item]

    def means(self, values: ArrayLike) -> NDArray[np.float64]:
        """The mean of each resample, NaN where a resample holds no item to which the outcome applies.

        Args and shapes are those of `totals`.
        """
        sums, counts = self.totals(values)
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    def rank_correlations(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Spearman's rank correlation of each resample, ranks drawn anew in each; NaN where one does not vary.

        Args:
            x, y: shape (items,); NaN where they do not apply.

        Returns:
            Shape (resamples,).
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        kept = np.isfinite(x) & np.isfinite(y)
        return rank_correlation(x[kept], y[kept], self._weights[:, self._song_of_item[kept]])

    def interval(self, values: ArrayLike, level: float = LEVEL, is_share: bool = True) -> Interval:
        """The percentile interval of the mean of `values`, shape (items,); NaN where the outcome applies nowhere.

        Args:
            is_share: whether the mean is a share, see `percentile_interval`; False for decibels and differences.
        """
        songs = int((self.by_song(values)[1] > 0).sum())
        return percentile_interval(self.means(values), level, songs if is_share else None)

    def figure(self, values: ArrayLike, is_share: bool = True) -> Figure:
        """The mean of `values` with its interval."""
        return mean_outcome(np.asarray(values, dtype=np.float64)), *self.interval(values, is_share=is_share)


def percentile_interval(
    samples: NDArray[np.float64], level: float = LEVEL, share_of_songs: int | None = None
) -> Interval:
    """The central `level` of `samples`, shape (resamples,); NaNs are left out.

    Where a share is 0 or 1 in every song, so it is in every resample, and the percentiles would promise that it can be
    nothing else. Such a share has the interval of `edge_interval`.

    Args:
        share_of_songs: where the samples are shares, of how many songs.
    """
    kept = samples[np.isfinite(samples)]
    if kept.size == 0:
        return float("nan"), float("nan")
    tail = 100.0 * (1.0 - level) / 2.0
    low, high = np.percentile(kept, [tail, 100.0 - tail])
    if share_of_songs and low == high and low in (0.0, 1.0):
        return edge_interval(float(low), share_of_songs, level)
    return float(low), float(high)


def edge_interval(share: float, songs: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval (Wilson 1927) of a share of 0 or 1 over independent songs.

    A song counts once, however many items it has, since they are not independent; so 0 of 24 songs has 0 to 0.14, about
    what the rule of three says (Hanley and Lippman-Hand 1983). Brown, Cai and DasGupta (2001) recommend Wilson's
    interval for few trials.
    """
    z2 = NormalDist().inv_cdf((1.0 + level) / 2.0) ** 2
    return (0.0, z2 / (songs + z2)) if share == 0 else (songs / (songs + z2), 1.0)


def flat_figures(prefix: str, figures: Mapping[str, Figure]) -> dict[str, float]:
    """``prefix/name``, ``prefix/name_low`` and ``prefix/name_high`` of each figure that applies to any item."""
    return {
        f"{prefix}/{name}{end}": value
        for name, figure in figures.items()
        if np.isfinite(figure[0])
        for end, value in zip(("", "_low", "_high"), figure, strict=True)
    }


def rank_correlation(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's rank correlation where each item counts `weights` times; ties share their mean rank.

    Args:
        x, y: shape (items,).
        weights: whole numbers, shape (resamples, items).

    Returns:
        Shape (resamples,); NaN where x or y does not vary.
    """
    if x.size == 0:
        return np.full(weights.shape[0], np.nan)
    count = weights.sum(axis=1, keepdims=True)
    ranks = [_weighted_ranks(values, weights) for values in (x, y)]
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (rank - (weights * rank).sum(axis=1, keepdims=True) / count for rank in ranks)
        spread = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
        return np.where(spread > 0, (weights * a * b).sum(axis=1) / spread, np.nan)


def _weighted_ranks(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean rank of each item where it stands `weights` times in line, shape (resamples, items)."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    tied = np.add.reduceat(weights[:, order], np.flatnonzero(np.diff(place[order], prepend=-1)), axis=1)
    return (np.cumsum(tied, axis=1) - (tied - 1.0) / 2.0)[:, place]


def mean_outcome(values: NDArray[np.float64]) -> float:
    """The mean over the items where an outcome applies; NaN where it applies nowhere."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")
