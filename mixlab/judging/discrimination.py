"""How well scores tell right texts from wrong ones: the area under the ROC curve, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mixlab.scoring.bootstrap import RESAMPLES, SongBootstrap, mean_outcome, percentile_interval


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval by song and the number of items that it comes from; NaN where there are none."""

    value: float
    low: float
    high: float
    items: int

    @property
    def cell(self) -> tuple[float, float, float]:
        """Value and interval, for a table."""
        return self.value, self.low, self.high

    def flat(self, name: str) -> dict[str, float]:
        """``name``, ``name_low``, ``name_high`` and ``name_items``, or nothing where there is no value."""
        if not np.isfinite(self.value):
            return {}
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high, f"{name}_items": self.items}


NOTHING = Figure(np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Figures:
    """Figures of items with intervals that draw the items' songs.

    Attributes:
        songs: the song of each item.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    songs: Sequence[str]
    resamples: int = RESAMPLES
    seed: int = 0

    def mean(self, values: ArrayLike) -> Figure:
        """The mean over items where `values`, shape (items,), is not NaN."""
        array = np.asarray(values, dtype=np.float64)
        items = int(np.isfinite(array).sum())
        if not items:
            return NOTHING
        return Figure(mean_outcome(array), *self._bootstrap(self.songs).interval(array), items)

    def auc(self, right: ArrayLike, wrong: ArrayLike) -> Figure:
        """How often a right text, of any item, scores above a wrong one, of any item; ties count half (0.5 is chance).

        Args:
            right, wrong: scores of both texts of each item, shape (items,); an item counts where neither is NaN.
        """
        a, b = np.asarray(right, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
        kept = np.isfinite(a) & np.isfinite(b)
        if not kept.any():
            return NOTHING
        a, b = a[kept], b[kept]
        names, song = np.unique(np.asarray(self.songs, dtype=object)[kept].astype(str), return_inverse=True)
        wins = _wins_by_song(a, b, song, len(names))
        counts = np.bincount(song, minlength=len(names)).astype(np.float64)
        # The share of a song's items in a resample, over its number of items: how often it was drawn, up to a factor.
        drawn = self._bootstrap(names[song].tolist()).means(np.eye(len(names))[song]) / counts
        samples = np.einsum("rs,st,rt->r", drawn, wins, drawn, optimize=True) / (drawn @ counts) ** 2
        return Figure(auc(a, b), *percentile_interval(samples), int(kept.sum()))

    def _bootstrap(self, songs: Sequence[str]) -> SongBootstrap:
        return SongBootstrap(songs, self.resamples, self.seed)


def auc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The Mann-Whitney statistic as a share: P(right > wrong) + P(right = wrong) / 2."""
    ranks = rankdata(np.concatenate([right, wrong]))[: right.size]
    return float((ranks.sum() - right.size * (right.size + 1) / 2) / (right.size * wrong.size))


def _wins_by_song(
    right: NDArray[np.float64], wrong: NDArray[np.float64], song_of_item: NDArray[np.intp], songs: int
) -> NDArray[np.float64]:
    """Wins of right over wrong, summed over the items of each pair of songs, shape (songs, songs)."""
    wins = np.zeros((songs, songs))
    for song, score in zip(song_of_item, right, strict=True):
        won = (score > wrong) + 0.5 * (score == wrong)
        wins[song] += np.bincount(song_of_item, weights=won, minlength=songs)
    return wins
