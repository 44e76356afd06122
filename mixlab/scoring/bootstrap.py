"""Room scoring: intervals by a bootstrap that draws whole songs, because items of one song are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
"""Resamples of an interval unless told otherwise."""

LEVEL = 0.95
"""Coverage of an interval."""


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

    def means(self, values: ArrayLike) -> NDArray[np.float64]:
        """The mean of each resample, NaN where a resample holds no item to which the outcome applies.

        Args:
            values: outcomes, shape (items,) or (items, outcomes); NaN where one does not apply.

        Returns:
            Shape (resamples,) or (resamples, outcomes).
        """
        array = np.asarray(values, dtype=np.float64)
        if array.shape[:1] != self._song_of_item.shape:
            raise ValueError(f"expected an outcome for each of {self._song_of_item.size} items, got {array.shape}")
        table = array.reshape(array.shape[0], -1)
        applies = np.isfinite(table)
        sums = np.zeros((self.song_count, table.shape[1]))
        counts = np.zeros_like(sums)
        np.add.at(sums, self._song_of_item, np.where(applies, table, 0.0))
        np.add.at(counts, self._song_of_item, applies.astype(np.float64))
        weighted = self._weights @ counts
        means = np.divide(self._weights @ sums, weighted, out=np.full_like(weighted, np.nan), where=weighted > 0)
        return means.reshape(-1, *array.shape[1:])

    def interval(self, values: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
        """The percentile interval of the mean of `values`, shape (items,); NaN where the outcome applies nowhere."""
        return percentile_interval(self.means(values), level)


def percentile_interval(samples: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The central `level` of `samples`, shape (resamples,); NaNs are left out."""
    kept = samples[np.isfinite(samples)]
    if kept.size == 0:
        return float("nan"), float("nan")
    tail = 100.0 * (1.0 - level) / 2.0
    low, high = np.percentile(kept, [tail, 100.0 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """The mean of method a, of method b, and a minus b with its interval."""

    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    items: int
    songs: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired_difference(
    outcomes_a: ArrayLike,
    outcomes_b: ArrayLike,
    songs: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Difference:
    """The difference of two methods on the same items, with an interval that draws songs for both at once.

    Args:
        outcomes_a: outcome per item of the first method, shape (items,); NaN where it does not apply.
        outcomes_b: the same of the second method, in the same order.
        songs: the song of each item, shape (items,).

    Raises:
        ValueError: if the numbers of items differ, or are zero.
    """
    a, b = np.asarray(outcomes_a, dtype=np.float64), np.asarray(outcomes_b, dtype=np.float64)
    if a.shape != b.shape or a.shape != (len(songs),):
        raise ValueError(f"a paired difference needs the same items, got shapes {a.shape}, {b.shape}, {(len(songs),)}")
    bootstrap = SongBootstrap(songs, resamples, seed)
    samples = bootstrap.means(np.stack([a, b], axis=1))
    low, high = percentile_interval(samples[:, 0] - samples[:, 1], level)
    mean_a, mean_b = mean_outcome(a), mean_outcome(b)
    return Difference(mean_a, mean_b, mean_a - mean_b, low, high, len(songs), bootstrap.song_count)


def mean_outcome(values: NDArray[np.float64]) -> float:
    """The mean over the items where an outcome applies; NaN where it applies nowhere."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")
