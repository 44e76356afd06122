"""Room baselines: Bayes' decision: the most probable answer under a protocol of errors, whatever the evidence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, ListenedItem, with_verdict
from mixlab.baselines.hypotheses import STEPS_DB, Hypotheses, hypotheses, weighted_median
from mixlab.language.advice import Advice, Claim, State
from mixlab.synthesis.protocol import ErrorProtocol

DRAW = 1e-9
"""Relative difference of two classes' posterior probabilities below which neither is the more probable."""

CHUNK = 64
"""Items that are weighed at once, so that memory stays small."""


class Bayes(Baseline):
    """The class (which stems are raised, which lowered) with the highest posterior probability.

    What a kind of listener hears is its `log_likelihood`. How errors are drawn is the prior, and where the user claims
    something, how probable that claim is under each hypothesis counts as well. Each moved stem gets the median of its
    posterior within the class.

    Args:
        error: how errors were drawn.
        rounding_db: of the advised gain.
        right_claim_share: the probability that a claim is right, where there is one.
    """

    reads_claims = True

    def __init__(self, error: ErrorProtocol, rounding_db: float = 1.0, right_claim_share: float = 0.5) -> None:
        super().__init__(rounding_db)
        self.error = error
        self.right_claim_share = right_claim_share
        self._hypotheses: dict[tuple[str, ...], Hypotheses] = {}

    @abstractmethod
    def log_likelihood(self, items: Sequence[ListenedItem], errors_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """How probable what is heard is under each hypothesis, up to a constant for each item.

        Args:
            items: with the same stems and anchor.
            errors_db: of the candidates relative to the anchor, shape (hypotheses, candidates).

        Returns:
            Natural logarithms, shape (items, hypotheses).
        """

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
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
        stems = items[0].problem.candidates
        if not stems:
            return [Advice()] * len(items)
        known = self._known(stems)
        with np.errstate(divide="ignore"):
            log_joint = self.log_likelihood(items, known.errors_db) + np.log(known.probabilities)
            for row, item in zip(log_joint, items, strict=True):
                if item.problem.claim is not None:
                    row += np.log(self._claim_likelihood(item.problem.claim, stems, known))
        weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        posterior = np.add.reduceat(weights, known.starts, axis=1)
        # What cannot be told apart is equally probable but for rounding; the first class wins such a draw.
        classes = np.argmax(posterior >= posterior.max(axis=1, keepdims=True) * (1.0 - DRAW), axis=1)
        return [
            with_verdict(self._answer(stems, known, members, row[members]), item.problem.claim)
            for item, row, members in zip(items, weights, map(known.members, classes.tolist()), strict=True)
        ]

    def _known(self, stems: tuple[str, ...]) -> Hypotheses:
        """What may be wrong with these candidates."""
        if stems not in self._hypotheses:
            self._hypotheses[stems] = hypotheses_of(self.error, stems)
        return self._hypotheses[stems]

    def _claim_likelihood(self, claim: Claim, stems: Sequence[str], known: Hypotheses) -> NDArray[np.float64]:
        """The probability that a user says this under each hypothesis, shape (hypotheses,).

        A right claim is any one of the right ones, a wrong claim any one of the others.
        """
        signs = known.signs
        right = np.maximum(1, np.count_nonzero(signs, axis=1))
        wrong = 2 * len(stems) + 1 - right
        if claim.stem is None:
            holds = ~signs.any(axis=1)
        elif claim.stem in stems:
            holds = signs[:, stems.index(claim.stem)] == (1.0 if claim.state is State.TOO_LOUD else -1.0)
        else:
            return np.ones(len(signs))
        return np.where(holds, self.right_claim_share / right, (1.0 - self.right_claim_share) / wrong)

    def _answer(self, stems: Sequence[str], known: Hypotheses, members: slice, weights: NDArray[np.float64]) -> Advice:
        """Advice of a class, by the hypotheses in it and their weights, shape (members,)."""
        return Advice(
            tuple(
                self.move(stem, -weighted_median(column, weights))
                for stem, column, sign in zip(
                    stems, known.errors_db[members].T, known.signs[members.start], strict=True
                )
                if sign != 0
            )
        )


def hypotheses_of(error: ErrorProtocol, stems: Sequence[str], steps_db: Sequence[float] = STEPS_DB) -> Hypotheses:
    """What may be wrong with these candidates; nothing with those that are no target of the protocol.

    Args:
        steps_db: as of `hypotheses`.
    """
    targets = error.faultable(stems)
    found = hypotheses(error, len(targets), steps_db)
    columns = [stems.index(stem) for stem in targets]
    errors_db, signs = np.zeros((len(found.signs), len(stems))), np.zeros((len(found.signs), len(stems)), dtype=int)
    errors_db[:, columns], signs[:, columns] = found.errors_db, found.signs
    return replace(found, errors_db=errors_db, signs=signs)


def gaussian_log_likelihood(
    deviations_db: NDArray[np.float64], errors_db: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The logarithm of the normal density of deviations around each hypothesis' errors, up to a common constant.

    Args:
        deviations_db: from what is usual, shape (items, stems).
        errors_db: shape (hypotheses, stems).
        precision: inverse covariance of the deviations of balanced mixes in 1/dB^2, shape (stems, stems).

    Returns:
        Shape (items, hypotheses).
    """
    own = np.einsum("is,st,it->i", deviations_db, precision, deviations_db)
    of_errors = np.einsum("hs,st,ht->h", errors_db, precision, errors_db)
    return np.asarray(deviations_db @ precision @ errors_db.T - 0.5 * own[:, None] - 0.5 * of_errors)
