"""Room baselines: the oracle, who knows the whole song: its exact loudness, its genre and what the genre usually does.

For demo songs the balance of a genre and the spread of songs around it are known. Then Bayes' rule gives the most
probable answer of who knows all of a song but its own balance. It is no ceiling of a listener: a clip does not have the
balance of its song (see `evaluation.ceiling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Facts, ListenedItem, NotAvailable
from mixlab.baselines.bayes import Bayes, gaussian_log_likelihood
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import ErrorProtocol

REFERENCE_STEM = "bass"
"""The stem that balances are relative to; songs deviate in every other one."""


class Oracle(Bayes):
    """Bayes' decision on the exact loudness of the whole song.

    The deviation of a stem is d = song loudness + error - genre balance, relative to the anchor. Songs deviate
    independently by N(0, sigma) in every stem but the bass; with another anchor, its own deviation is common to all
    stems, which the covariance takes into account.

    Args:
        balance_db: genre -> stem -> typical loudness relative to the bass in dB.
        sigma_db: standard deviation of a song's stems around the genre's balance.
        error: how errors were drawn.
        right_claim_share: the probability that a claim is right, where there is one.
        rounding_db: of the advised gain.

    Raises:
        ValueError: if sigma is not positive.
    """

    name = "oracle"
    label = "oracle"
    told = "the whole song"

    def __init__(
        self,
        balance_db: Mapping[str, Mapping[str, float]],
        sigma_db: float,
        error: ErrorProtocol,
        rounding_db: float = 1.0,
        right_claim_share: float = 0.5,
    ) -> None:
        super().__init__(error, rounding_db, right_claim_share)
        if not sigma_db > 0:
            raise ValueError(f"the oracle needs sigma_db above 0, got {sigma_db}")
        self.balance_db = balance_db
        self.sigma_db = sigma_db

    @classmethod
    def of(cls, facts: Facts) -> Oracle:
        if facts.balance_db is None or facts.sigma_db is None or facts.error is None:
            raise NotAvailable(
                "There is no oracle: it needs the typical balance of each genre and how far songs deviate from it, "
                "which are known for demo songs only."
            )
        return cls(facts.balance_db, facts.sigma_db, facts.error, facts.rounding_db, facts.right_claim_share)

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        """Nothing to learn: the oracle was told everything."""

    def log_likelihood(self, items: Sequence[ListenedItem], errors_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `Bayes.log_likelihood`.

        Raises:
            ValueError: if an item has an unknown genre, or lacks a loudness.
        """
        deviations_db = np.stack([self._deviations_db(item) for item in items])
        return gaussian_log_likelihood(deviations_db, errors_db, self._precision(items[0].problem))

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
