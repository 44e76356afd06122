"""methods compared on the same items: paired differences, tests by song, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.scoring.bootstrap import RESAMPLES, SongBootstrap, edge_interval, mean_outcome, percentile_interval

PERMUTATIONS = 10_000
"""Random sign changes of a test, unless told otherwise."""

EXACT_SONGS = 13
"""With so many songs or fewer all sign changes are tried, 8,192 at most."""

ALPHA = 0.05
"""A difference whose corrected p is below this is called clear in tables."""


@dataclass(frozen=True)
class Difference:
    """The mean of method a, of method b, and a minus b with its interval; the p-values where they were asked for."""

    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    items: int
    songs: int
    p: float = float("nan")
    """Of the permutation test by song, two-sided."""
    p_holm: float = float("nan")
    """The same, corrected for all comparisons that were made together."""


def _rows(outcomes: ArrayLike, songs: Sequence[str]) -> NDArray[np.float64]:
    rows = np.atleast_2d(np.asarray(outcomes, dtype=np.float64))
    if rows.shape[1] != len(songs):
        raise ValueError(
            f"a paired difference needs the same items, got {rows.shape[1]} outcomes and {len(songs)} songs"
        )
    return rows


def _difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    samples_a: NDArray[np.float64],
    samples_b: NDArray[np.float64],
    bootstrap: SongBootstrap,
    is_share: bool,
) -> Difference:
    low, high = percentile_interval(samples_a - samples_b)
    mean_a, mean_b = mean_outcome(a), mean_outcome(b)
    if is_share and {mean_a, mean_b} <= {0.0, 1.0}:
        # Both are at an edge in every song, so that no resample tells how far off it they may be: Newcombe's interval
        # (1998) of a difference from those of the two shares.
        low_a, high_a = edge_interval(mean_a, bootstrap.song_count)
        low_b, high_b = edge_interval(mean_b, bootstrap.song_count)
        low = mean_a - mean_b - math.hypot(mean_a - low_a, high_b - mean_b)
        high = mean_a - mean_b + math.hypot(high_a - mean_a, mean_b - low_b)
    return Difference(mean_a, mean_b, mean_a - mean_b, low, high, a.shape[1], bootstrap.song_count)


def _resampled(outcomes: NDArray[np.float64], bootstrap: SongBootstrap, seed: int) -> NDArray[np.float64]:
    """The mean over drawn songs and drawn seeds of each resample, shape (resamples,)."""
    means = bootstrap.means(outcomes.T)
    seeds = outcomes.shape[0]
    if seeds == 1:
        return means[:, 0]
    rng = np.random.default_rng([seed, 1])
    drawn = rng.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=means.shape[0])
    return (means * drawn).sum(axis=1) / seeds


def permutation_p_values(
    differences: NDArray[np.float64], songs: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0
) -> NDArray[np.float64]:
    """Two-sided p-values of paired differences, under the hypothesis that the sign of a song's difference is chance.

    The sign is changed for whole songs, since items of one song are not independent. With few songs all changes are
    tried; otherwise a random sample, to which the observed signs are counted (Phipson and Smyth 2010), so that no p
    is zero.

    Args:
        differences: per item and comparison, shape (items, comparisons); NaN where an item does not apply.
        songs: the song of each item.

    Returns:
        Shape (comparisons,).
    """
    names, song_of_item = np.unique(np.asarray(songs, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((len(names), differences.shape[1]))
    np.add.at(sums, song_of_item, np.nan_to_num(differences))
    exact = len(names) <= EXACT_SONGS
    if exact:
        bits = np.arange(2 ** len(names))[:, None] >> np.arange(len(names))
        signs = 1.0 - 2.0 * (bits & 1)
    else:
        signs = np.random.default_rng([seed, 2]).choice((-1.0, 1.0), size=(permutations, len(names)))
    observed = np.abs(sums.sum(axis=0))
    # Sums of the same numbers in another order differ by rounding; those are ties.
    slack = 1e-9 * np.maximum(np.abs(sums).sum(axis=0), 1.0)
    extreme = (np.abs(signs @ sums) >= observed - slack).sum(axis=0)
    return np.asarray(extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1), dtype=np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm (1979): a step-down Bonferroni, valid under any dependence."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    corrected = np.empty_like(p)
    corrected[order] = stepped
    return [float(value) for value in corrected]


def all_pairs(
    outcomes: Mapping[str, ArrayLike],
    songs: Sequence[str],
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    is_share: bool = True,
) -> dict[tuple[str, str], Difference]:
    """Every method against every later one, with p-values that are corrected over all these pairs.

    Intervals draw songs for both methods at once. A method that was trained several times has a row of outcomes for
    each seed; then they draw seeds too, for each method on its own, so that they cover what another training would have
    given.

    Args:
        outcomes: method -> outcome per item, shape (items,) or (seeds, items), all for the same items in one order.
        songs: the song of each item.
        is_share: whether outcomes are right or wrong; False for decibels.

    Raises:
        ValueError: if the numbers of items differ, or are zero.
    """
    pairs = list(combinations(outcomes, 2))
    if not pairs:
        return {}
    rows = {name: _rows(values, songs) for name, values in outcomes.items()}
    means = {name: values.mean(axis=0) for name, values in rows.items()}
    bootstrap = SongBootstrap(songs, resamples, seed)
    samples = {name: _resampled(values, bootstrap, seed + i) for i, (name, values) in enumerate(rows.items())}
    differences = np.stack([means[a] - means[b] for a, b in pairs], axis=1)
    p_values = permutation_p_values(differences, songs, permutations, seed)
    return {
        (a, b): replace(
            _difference(rows[a], rows[b], samples[a], samples[b], bootstrap, is_share), p=float(p), p_holm=corrected
        )
        for (a, b), p, corrected in zip(pairs, p_values, holm(p_values.tolist()), strict=True)
    }
