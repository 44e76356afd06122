"""Room baselines: the oracle, the best that anyone can do who knows loudness and genre but not the song's own balance.

For demo songs the balance of a genre and the spread of songs around it are known. Then Bayes' rule gives the most
probable answer; what the oracle misses cannot be heard by anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, Facts, ListenedItem, NotAvailable, with_verdict
from mixlab.baselines.hypotheses import Hypotheses, hypotheses, weighted_median
from mixlab.language.advice import Advice, Claim, State
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import ErrorProtocol

REFERENCE_STEM = "bass"
"""The stem that balances are relative to; songs deviate in every other one."""

CHUNK = 64
"""Items that are weighed at once, so that memory stays small."""


class Oracle(Baseline):
    """Bayes' decision on the exact loudness of the whole song.

    The deviation of a stem is d = song loudness + error - genre balance, relative to the anchor. Songs deviate
    independently by N(0, sigma) in every stem but the bass; with another anchor, its own deviation is common to all
    stems, which the covariance takes into account. The answer is the class (which stems are raised, which lowered)
    with the highest posterior probability; each moved stem by the median of its posterior within that class. Where the
    user claims something, how probable that claim is under each hypothesis counts as well.

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
    reads_claims = True

    def __init__(
        self,
        balance_db: Mapping[str, Mapping[str, float]],
        sigma_db: float,
        error: ErrorProtocol,
        rounding_db: float = 1.0,
        right_claim_share: float = 0.5,
    ) -> None:
        super().__init__(rounding_db)
        if not sigma_db > 0:
            raise ValueError(f"the oracle needs sigma_db above 0, got {sigma_db}")
        self.balance_db = balance_db
        self.sigma_db = sigma_db
        self.error = error
        self.right_claim_share = right_claim_share
        self._hypotheses: dict[tuple[str, ...], Hypotheses] = {}

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

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        """One advice per item.

        Raises:
            ValueError: if an item has an unknown genre, or lacks a loudness.
        """
        alike: dict[tuple[str, ...], list[int]] = {}
        for index, item in enumerate(items):
            alike.setdefault(item.problem.stems, []).append(index)
        advice: dict[int, Advice] = {}
        for indices in alike.values():
            for start in range(0, len(indices), CHUNK):
                chosen = indices[start : start + CHUNK]
                advice |= zip(chosen, self._advise([items[index] for index in chosen]), strict=True)
        return [advice[index] for index in range(len(items))]

    def _advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        """Advice on items with the same stems and anchor."""
        problem = items[0].problem
        stems = problem.candidates
        if not stems:
            return [Advice()] * len(items)
        known = self._known(stems)
        precision = self._precision(problem)
        pull = np.stack([self._deviations_db(item) for item in items]) @ precision
        # Log likelihood of the errors e beside no error at all: e P d - e P e / 2.
        quadratic = np.einsum("hs,st,ht->h", known.errors_db, precision, known.errors_db)
        with np.errstate(divide="ignore"):
            log_joint = pull @ known.errors_db.T - 0.5 * quadratic + np.log(known.probabilities)
            for row, item in zip(log_joint, items, strict=True):
                if item.problem.claim is not None:
                    row += np.log(self._claim_likelihood(item.problem.claim, stems, known))
        weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        classes = np.argmax(np.add.reduceat(weights, known.starts, axis=1), axis=1)
        return [
            with_verdict(self._answer(stems, known.errors_db[members], row[members]), item.problem.claim)
            for item, row, members in zip(items, weights, map(known.members, classes.tolist()), strict=True)
        ]

    def _known(self, stems: tuple[str, ...]) -> Hypotheses:
        """What may be wrong with these candidates; nothing with those that are no target of the protocol."""
        if stems not in self._hypotheses:
            targets = self.error.faultable(stems)
            found = hypotheses(self.error, len(targets))
            errors_db = np.zeros((len(found.errors_db), len(stems)))
            errors_db[:, [stems.index(stem) for stem in targets]] = found.errors_db
            self._hypotheses[stems] = replace(found, errors_db=errors_db)
        return self._hypotheses[stems]

    def _claim_likelihood(self, claim: Claim, stems: Sequence[str], known: Hypotheses) -> NDArray[np.float64]:
        """The probability that a user says this under each hypothesis, shape (hypotheses,).

        A right claim is any one of the right ones, a wrong claim any one of the others.
        """
        signs = np.sign(known.errors_db)
        right = np.maximum(1, np.count_nonzero(signs, axis=1))
        wrong = 2 * len(stems) + 1 - right
        if claim.stem is None:
            holds = ~signs.any(axis=1)
        elif claim.stem in stems:
            holds = signs[:, stems.index(claim.stem)] == (1.0 if claim.state is State.TOO_LOUD else -1.0)
        else:
            return np.ones(len(signs))
        return np.where(holds, self.right_claim_share / right, (1.0 - self.right_claim_share) / wrong)

    def _answer(self, stems: Sequence[str], errors_db: NDArray[np.float64], weights: NDArray[np.float64]) -> Advice:
        """Advice of a class, by the hypotheses in it: shapes (hypotheses, stems) and (hypotheses,)."""
        return Advice(
            tuple(
                self.move(stem, -weighted_median(column, weights))
                for stem, column in zip(stems, errors_db.T, strict=True)
                if column[0] != 0
            )
        )

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
