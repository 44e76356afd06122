"""Room evaluation: the oracle, the best that anyone can do who knows loudness and genre but not the song's own balance.

For demo songs the balance of a genre and the spread of songs around it are known. Then Bayes' rule gives the most
probable answer; what the oracle misses cannot be heard by anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.evaluation.baselines.base import Baseline, ListenedItem
from mixlab.language.advice import Advice, Direction
from mixlab.synthesis.problem import Problem

GRID_DB = 0.1
"""Step of the grid of possible errors."""

REFERENCE_STEM = "bass"
"""The stem that balances are relative to; songs deviate in every other one."""

ErrorPrior = Sequence[tuple[str, float, float, float]]
"""Categories of errors as (name, probability, low_db, high_db); within a category all values are equally likely."""


class Oracle(Baseline):
    """Bayes' decision on the exact loudness of the whole song, with one error at most.

    The deviation of a stem is d = song loudness + error - genre balance, relative to the anchor. Songs deviate
    independently by N(0, sigma) in every stem but the bass; with another anchor, its own deviation is common to all
    stems, which the covariance takes into account. The answer is the class with the highest posterior probability, by
    the median of the posterior within that class.

    Args:
        balance_db: genre -> stem -> typical loudness relative to the bass in dB.
        sigma_db: standard deviation of a song's stems around the genre's balance.
        error_prior: the categories that errors were drawn from; the stem is uniform over the candidates.
        rounding_db: of the advised gain.

    Raises:
        ValueError: if sigma is not positive, or the prior has no probability or an inverted range.
    """

    name = "oracle"

    def __init__(
        self,
        balance_db: Mapping[str, Mapping[str, float]],
        sigma_db: float,
        error_prior: ErrorPrior,
        rounding_db: float = 1.0,
    ) -> None:
        super().__init__(rounding_db)
        if not sigma_db > 0:
            raise ValueError(f"the oracle needs sigma_db above 0, got {sigma_db}")
        self.balance_db = balance_db
        self.sigma_db = sigma_db
        self._balanced_probability, self._errors_db, self._probabilities = _grid(error_prior)

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        """Nothing to learn: the oracle was told everything."""

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        """One advice per item.

        Raises:
            ValueError: if an item has an unknown genre, lacks a loudness, or has several errors.
        """
        return [self._advise(item) for item in items]

    def _advise(self, item: ListenedItem) -> Advice:
        problem = item.problem
        if len(problem.errors) > 1 or any(error.stem == problem.anchor for error in problem.errors):
            raise ValueError(f"item {problem.item_id!r}: the oracle knows one error at most, not on the anchor")
        stems = problem.candidates
        if not stems:
            return Advice()
        precision = self._precision(problem)
        pull = precision @ self._deviations_db(item)
        # Log likelihood of error e on stem s beside no error at all: e (P d)_s - e^2 P_ss / 2.
        log_likelihood = pull[:, None] * self._errors_db - 0.5 * np.diag(precision)[:, None] * self._errors_db**2
        with np.errstate(divide="ignore"):
            log_joint = log_likelihood + np.log(self._probabilities / len(stems))
            log_balanced = np.log(self._balanced_probability)
        peak = max(float(log_joint.max(initial=-np.inf)), float(log_balanced))
        weights = np.exp(log_joint - peak)
        best_weight, advice = float(np.exp(log_balanced - peak)), Advice()
        for index, stem in enumerate(stems):
            for direction in (Direction.RAISE, Direction.LOWER):
                inside = self._errors_db < 0 if direction is Direction.RAISE else self._errors_db > 0
                weight = float(weights[index, inside].sum())
                if weight > best_weight:
                    error_db = _weighted_median(self._errors_db[inside], weights[index, inside])
                    best_weight, advice = weight, Advice((self.move(stem, -error_db),))
        return advice

    def _deviations_db(self, item: ListenedItem) -> NDArray[np.float64]:
        """How far each candidate is from the genre's balance relative to the anchor, as heard; shape (candidates,)."""
        problem = item.problem
        balance_db = self.balance_db.get(problem.genre or "")
        if balance_db is None:
            raise ValueError(
                f"item {problem.item_id!r} has the genre {problem.genre!r}, whose balance the oracle was not told; "
                f"it knows {sorted(self.balance_db)}"
            )
        missing = [s for s in problem.stems if s not in item.song_lufs or (s not in balance_db and s != REFERENCE_STEM)]
        if missing:
            raise ValueError(f"item {problem.item_id!r}: the oracle lacks loudness or balance of {', '.join(missing)}")

        def deviation_db(stem: str) -> float:
            return item.song_lufs[stem] + problem.error_db(stem) - balance_db.get(stem, 0.0)

        return np.array([deviation_db(stem) - deviation_db(problem.anchor) for stem in problem.candidates])

    def _precision(self, problem: Problem) -> NDArray[np.float64]:
        """Inverse covariance of the deviations of balanced songs, shape (candidates, candidates)."""
        own = np.diag([0.0 if stem == REFERENCE_STEM else 1.0 for stem in problem.candidates])
        shared = 0.0 if problem.anchor == REFERENCE_STEM else 1.0
        return np.asarray(np.linalg.inv(self.sigma_db**2 * (own + shared)), dtype=np.float64)


def _grid(error_prior: ErrorPrior) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Probability of balanced, then errors in dB and their probabilities, each of shape (grid,)."""
    total = sum(probability for _, probability, _, _ in error_prior)
    if not total > 0:
        raise ValueError(f"the oracle's error prior has no probability: {list(error_prior)}")
    balanced, errors, probabilities = 0.0, [], []
    for name, probability, low_db, high_db in error_prior:
        if low_db > high_db or probability < 0:
            raise ValueError(f"error category {name!r} needs a probability and low <= high, got {low_db} to {high_db}")
        cells = max(1, round((high_db - low_db) / GRID_DB))
        for centre in low_db + (np.arange(cells) + 0.5) * (high_db - low_db) / cells:
            if abs(centre) < 1e-9:
                balanced += probability / total / cells
            else:
                errors.append(float(centre))
                probabilities.append(probability / total / cells)
    order = np.argsort(errors)
    return balanced, np.array(errors)[order], np.array(probabilities)[order]


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The median of sorted `values` under `weights`."""
    cumulated = np.cumsum(weights)
    return float(values[int(np.searchsorted(cumulated, cumulated[-1] / 2.0))])
