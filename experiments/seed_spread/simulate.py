"""How often two settings are called different: identical ones, and ones that are 5 or 10 points apart.

    python experiments/seed_spread/simulate.py

Simulates runs whose accuracy varies between seeds, on songs that are hard or easy for all of them, and judges each pair
of settings over its runs, as mixlab does, and in two ways that take seeds as they are. Writes results/simulated.csv.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from mixlab.scoring.bootstrap import SongBootstrap, percentile_interval
from mixlab.scoring.paired import ALPHA, all_pairs, permutation_p_values

RESULTS = Path(__file__).parent / "results"
SONGS, RUNS = (24, 309), (3, 4, 5)
ITEMS = 2
"""Of a song, as in the sweeps."""
SPREADS = {"0.015": 0.015, "0.05": 0.05, "0.1": 0.1, "some fail": None}
"""Standard deviation between seeds; None: runs fail or not, as the three of prompt_category without claims."""
SOME_FAIL = (0.361, 0.728, 0.738)
GAPS, MIDDLE = (0.0, 0.05, 0.1), 0.6
SONG_DEVIATIONS, OWN_DEVIATIONS = 1.0, 0.5
"""How far songs differ for all runs, and for each run in its own way, where an item's own luck is 1 (probit)."""
PERMUTATIONS, RESAMPLES = 499, 300


def accuracies(rng: np.random.Generator, spread: float | None, runs: int, middle: float) -> NDArray[np.float64]:
    """The true accuracy of each run of a setting."""
    if spread is None:
        return rng.choice(SOME_FAIL, runs) + middle - MIDDLE
    return middle + rng.normal(0.0, spread, runs)


def answers(rng: np.random.Generator, true: NDArray[np.float64], hardness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whether each item is answered rightly, shape (runs, items), by runs that are right with accuracies `true`."""
    scale = np.sqrt(1.0 + SONG_DEVIATIONS**2 + OWN_DEVIATIONS**2)
    own = rng.normal(0.0, OWN_DEVIATIONS, (len(true), len(hardness)))
    right = norm.cdf(scale * norm.ppf(true.clip(0.01, 0.99))[:, None] - hardness + own)
    return (rng.random((len(true), len(hardness), ITEMS)) < right[..., None]).reshape(len(true), -1).astype(float)


def verdicts(a: NDArray[np.float64], b: NDArray[np.float64], songs: list[str], seed: int) -> tuple[bool, bool, bool]:
    """Whether settings are called different: over runs; by the rule that mixlab had before; by songs alone.

    The rule before: the test by song of the means over seeds, and an interval over drawn songs and seeds that agrees.
    """
    over_runs = all_pairs({"a": a, "b": b}, songs, 1, PERMUTATIONS, seed, of_settings=True)["a", "b"].p < ALPHA
    by_song = permutation_p_values((a.mean(axis=0) - b.mean(axis=0))[:, None], songs, PERMUTATIONS, seed)[0] < ALPHA
    bootstrap, rng = SongBootstrap(songs, RESAMPLES, seed), np.random.default_rng([seed, 1])
    drawn = [
        (bootstrap.means(rows.T) * rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLES)).sum(axis=1)
        / len(rows)
        for rows in (a, b)
    ]
    low, high = percentile_interval(drawn[0] - drawn[1])
    return over_runs, by_song and not low <= 0 <= high, by_song


def main() -> None:
    """Simulate, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows = []
    for songs, runs, (name, spread), gap in product(SONGS, RUNS, SPREADS.items(), GAPS):
        rng = np.random.default_rng(0)
        names = [f"song{number}" for number in range(songs) for _ in range(ITEMS)]
        found = []
        for trial in range(given.trials):
            hardness = rng.normal(0.0, SONG_DEVIATIONS, songs)
            a, b = (
                answers(rng, accuracies(rng, spread, runs, middle), hardness)
                for middle in (MIDDLE + gap / 2, MIDDLE - gap / 2)
            )
            found.append(verdicts(a, b, names, trial))
        over_runs, before, by_song = np.mean(found, axis=0).tolist()
        rows.append({"songs": songs, "runs": runs, "spread": name, "gap": gap, "over_runs": over_runs,
                     "before": before, "songs_alone": by_song})  # fmt: skip
        print(rows[-1], flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(given.out / "simulated.csv", index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
