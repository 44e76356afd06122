"""two settings, each with several runs: whether another training on other songs would show the same difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from mixlab.scoring.bootstrap import LEVEL, SongBootstrap

LEAST_RUNS = 3
"""With fewer runs of a setting the spread between them is not known well enough to say anything."""

Part = tuple[float, float]
"""A part of the variance of a difference, and on how many degrees of freedom it was estimated."""


def t_test(difference: float, parts: Sequence[Part]) -> tuple[float, float, float]:
    """The ends of the 95 % interval of a difference and its two-sided p, degrees of freedom by Satterthwaite (1946).

    Args:
        parts: of its variance. With those of two samples it is Welch's test (1947).
    """
    variance = sum(part for part, _ in parts)
    if not variance > 0:
        return difference, difference, float(difference == 0)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    error = math.sqrt(variance)
    half = float(student.ppf((1.0 + LEVEL) / 2.0, freedom)) * error
    return difference - half, difference + half, float(2.0 * student.sf(abs(difference) / error, freedom))


def variance_of(a: NDArray[np.float64], b: NDArray[np.float64], bootstrap: SongBootstrap) -> list[Part]:
    """The variance of the difference between two settings' means: runs of the one, runs of the other, songs.

    Runs are drawn for each setting, songs for both. How a run happens to answer a song is in the spread between runs
    already and is taken out of that between songs, as where readers and cases are drawn (Obuchowski and Rockette 1995).

    Args:
        a, b: outcomes, shape (runs, items); at least two runs of each.
        bootstrap: over the songs of the items.
    """
    sums, counts = bootstrap.by_song(np.concatenate([a, b]).T)
    songs = len(sums)
    # How far each song pulls the mean of a run from where it is, shape (runs, songs); the mean of a row is zero.
    pulls = (songs * (sums - counts * (sums.sum(axis=0) / counts.sum(axis=0))) / counts.sum(axis=0)).T
    parts: list[Part] = []
    chance = 0.0
    for runs, own in ((a, pulls[: len(a)]), (b, pulls[len(a) :])):
        parts.append((float(runs.mean(axis=1).var(ddof=1)) / len(runs), len(runs) - 1.0))
        chance += float(own.var(axis=0, ddof=1).sum()) / max(songs - 1, 1) / (songs * len(runs))
    between = pulls[: len(a)].mean(axis=0) - pulls[len(a) :].mean(axis=0)
    by_song = float((between**2).sum()) / max(songs - 1, 1) / songs
    return [*parts, (max(by_song - chance, 0.0), max(songs - 1.0, 1.0))]
