"""methods compared on the same items: paired differences by song or over runs, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.scoring.bootstrap import RESAMPLES, SongBootstrap, edge_interval, mean_outcome, percentile_interval
from mixlab.scoring.over_runs import LEAST_RUNS, t_test, variance_of

PERMUTATIONS = 10_000
"""Random sign changes of a test, unless told otherwise."""

EXACT_SONGS = 13
"""With so many songs or fewer all sign changes are tried, 8,192 at most."""

ALPHA = 0.05
"""A difference whose corrected p is below this is called clear in tables."""


@dataclass(frozen=True)
class Difference:
    """The mean of method a, of method b, and a minus b with its interval; the p-values where they were asked for.

    Attributes:
        p: two-sided; NaN, as the ends of the interval are, where nothing can be said.
        p_holm: the same, corrected for all comparisons that were made together.
        runs_a, runs_b: how many there are of each.
        of_settings: whether settings were compared, over their runs; otherwise two trained models.
    """

    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    items: int
    songs: int
    p: float = float("nan")
    p_holm: float = float("nan")
    runs_a: int = 1
    runs_b: int = 1
    of_settings: bool = False


def _rows(outcomes: ArrayLike, songs: Sequence[str]) -> NDArray[np.float64]:
    rows = np.atleast_2d(np.asarray(outcomes, dtype=np.float64))
    if rows.shape[1] != len(songs):
        raise ValueError(
            f"a paired difference needs the same items, got {rows.shape[1]} outcomes and {len(songs)} songs"
        )
    return rows


def _of_models(
    a: NDArray[np.float64], b: NDArray[np.float64], bootstrap: SongBootstrap, p: float
) -> tuple[float, float, float]:
    """The interval of a difference between two trained models, drawn by song, and its p by song."""
    return *percentile_interval(bootstrap.means(a[0]) - bootstrap.means(b[0])), p


def _of_settings(
    a: NDArray[np.float64], b: NDArray[np.float64], bootstrap: SongBootstrap, p: float
) -> tuple[float, float, float]:
    """The interval of a difference between two settings over their runs, and its p; NaN with too few runs."""
    if min(len(a), len(b)) < LEAST_RUNS:
        return (float("nan"),) * 3
    low, high, p_runs = t_test(mean_outcome(a) - mean_outcome(b), variance_of(a, b, bootstrap))
    # Where runs are all alike, songs alone tell how sure a difference is.
    return low, high, max(p, p_runs)


def _of_edges(mean_a: float, mean_b: float, songs: int) -> tuple[float, float]:
    """Newcombe's interval (1998) of a difference between two shares that are at an edge in every song.

    No resample tells how far off it they may be.
    """
    low_a, high_a = edge_interval(mean_a, songs)
    low_b, high_b = edge_interval(mean_b, songs)
    below, above = math.hypot(mean_a - low_a, high_b - mean_b), math.hypot(high_a - mean_a, mean_b - low_b)
    return mean_a - mean_b - below, mean_a - mean_b + above


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
    of_settings: bool = False,
) -> dict[tuple[str, str], Difference]:
    """Every method against every later one, with p-values that are corrected over all these pairs.

    Of two trained models intervals draw songs, for both at once, and tests change signs by song: they speak of other
    songs. Of two settings runs count beside songs (`over_runs`): they speak of other trainings, too.

    Args:
        outcomes: method -> outcome per item, shape (items,) or (runs, items), all for the same items in one order.
        songs: the song of each item.
        is_share: whether outcomes are right or wrong; False for decibels.
        of_settings: whether methods are settings, with a row a run; otherwise each is one trained model.

    Raises:
        ValueError: if the numbers of items differ, or are zero, or a trained model has several rows.
    """
    pairs = list(combinations(outcomes, 2))
    if not pairs:
        return {}
    rows = {name: _rows(values, songs) for name, values in outcomes.items()}
    if not of_settings and (several := [name for name, values in rows.items() if len(values) > 1]):
        raise ValueError(f"{several[0]!r} has several runs, which are those of a setting and not of one trained model")
    bootstrap = SongBootstrap(songs, resamples, seed)
    means = {name: values.mean(axis=0) for name, values in rows.items()}
    by_song = permutation_p_values(np.stack([means[a] - means[b] for a, b in pairs], axis=1), songs, permutations, seed)
    found = {}
    for (name_a, name_b), p_songs in zip(pairs, by_song, strict=True):
        a, b = rows[name_a], rows[name_b]
        low, high, p = (_of_settings if of_settings else _of_models)(a, b, bootstrap, float(p_songs))
        mean_a, mean_b = mean_outcome(a), mean_outcome(b)
        if is_share and not math.isnan(p) and {mean_a, mean_b} <= {0.0, 1.0}:
            low, high = _of_edges(mean_a, mean_b, bootstrap.song_count)
        found[name_a, name_b] = Difference(
            mean_a, mean_b, mean_a - mean_b, low, high, a.shape[1], bootstrap.song_count, p,
            runs_a=len(a), runs_b=len(b), of_settings=of_settings,
        )  # fmt: skip
    judged = [pair for pair, difference in found.items() if not math.isnan(difference.p)]
    corrected = zip(judged, holm([found[pair].p for pair in judged]), strict=True)
    return found | {pair: replace(found[pair], p_holm=p) for pair, p in corrected}
