"""Room baselines: from estimated errors to advice; thresholds, slope and trust in claims are tuned in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import rounded_gain, with_verdict
from mixlab.language.advice import Advice, Move, State
from mixlab.synthesis.problem import Problem

SCALES = np.array([0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6])
"""Trial values of a stem's scale: how much a deviation of this stem counts beside that of another."""
THRESHOLD_STEPS = 81
SLOPES = np.linspace(0.3, 1.5, 25)
CLAIM_SHIFTS_DB = np.linspace(-6.0, 6.0, 49)
"""Trial values of what a claim adds to an estimate; one that is mostly wrong takes away."""
SWEEPS = 2
"""Rounds of coordinate search over the scales."""


class ThresholdDecision:
    """Turns a matrix of estimated errors into advice.

    The stem whose scaled estimate is largest is moved the other way if that exceeds a threshold, else the mix is called
    balanced. Where training items have up to n errors at once, up to n stems are moved. The gain is minus the estimate
    times a slope, kept within the magnitudes seen in training. Threshold and scales maximise joint accuracy, then the
    slope minimises the mean absolute error.

    What the user claims is a prior: as a likelihood ratio adds to the logarithm of the odds, which grow with the
    estimate, a claim about a stem adds so many dB to what its estimate says for the claimed direction, and a claim that
    all is balanced moves all estimates towards 0. Both shifts maximise joint accuracy over the training items with
    such a claim.
    """

    def __init__(self, stems: Sequence[str], rounding_db: float) -> None:
        self.stems = tuple(stems)
        self.rounding_db = rounding_db
        self.scales = np.ones(len(self.stems))
        self.threshold_db = 0.0
        self.slope = 1.0
        self.magnitudes_db = (0.0, np.inf)
        self.most_moves = 1
        self.stem_claim_db = 0.0
        self.balance_claim_db = 0.0

    def fit(self, estimates_db: NDArray[np.float64], problems: Sequence[Problem]) -> ThresholdDecision:
        """Tune on training items.

        Args:
            estimates_db: shape (items, stems), the estimated error of each stem; NaN where it is no candidate.
            problems: the items' problems, with their true errors.
        """
        true_db = true_errors_db(problems, self.stems)
        # A miniature without a candidate stem still has to advise: "balanced".
        if true_db.size == 0:
            return self
        counts = (true_db != 0).sum(axis=1)
        self.most_moves = max(1, int(counts.max()))
        sizes = np.abs(true_db[true_db != 0])
        if sizes.size:
            self.magnitudes_db = (float(sizes.min()), float(sizes.max()))
        scales, best = np.ones(len(self.stems)), self._best_threshold(estimates_db, true_db, np.ones(len(self.stems)))
        for _ in range(SWEEPS):
            # The first stem keeps scale 1: a common factor of all scales is the threshold's.
            for index in range(1, len(self.stems)):
                for value in SCALES:
                    trial = scales.copy()
                    trial[index] = value
                    found = self._best_threshold(estimates_db, true_db, trial)
                    if found[0] > best[0]:
                        scales, best = trial, found
        self.scales, self.threshold_db = scales, best[1]
        moved = self._moved(estimates_db)
        faulty = true_db != 0
        if faulty.any():
            losses = [np.abs(self._gains_db(estimates_db, moved, slope) + true_db)[faulty].mean() for slope in SLOPES]
            self.slope = float(SLOPES[int(np.argmin(losses))])
        self._fit_claims(estimates_db, problems, np.sign(true_db))
        return self

    def advise(self, estimates_db: NDArray[np.float64], problems: Sequence[Problem]) -> list[Advice]:
        """Advice for estimates of shape (items, stems), with a verdict where a problem has a claim."""
        believed_db = self._believing(estimates_db, problems, self.stem_claim_db, self.balance_claim_db)
        # A claim says nothing of the size, which stays the estimate's own.
        signs = np.sign(np.nan_to_num(believed_db))
        gains_db = self._gains_db(estimates_db, self._moved(believed_db), self.slope, signs)
        return [
            with_verdict(
                Advice(
                    tuple(
                        Move.of(stem, rounded_gain(float(gain), self.rounding_db))
                        for stem, gain in zip(self.stems, row, strict=True)
                        if gain != 0
                    )
                ),
                problem.claim,
            )
            for row, problem in zip(gains_db, problems, strict=True)
        ]

    def figures(self) -> dict[str, float]:
        """What was tuned, by name."""
        scales = {f"scale_{stem}": float(scale) for stem, scale in zip(self.stems, self.scales, strict=True)}
        claims = {"stem_claim_db": self.stem_claim_db, "balance_claim_db": self.balance_claim_db}
        return {"threshold_db": self.threshold_db, "slope": self.slope, **claims, **scales}

    def to_json(self) -> dict[str, Any]:
        """Everything that was tuned, as JSON values, for `from_json`."""
        return {
            "stems": list(self.stems),
            "rounding_db": self.rounding_db,
            "scales": [float(scale) for scale in self.scales],
            "threshold_db": self.threshold_db,
            "slope": self.slope,
            "magnitudes_db": [float(size_db) for size_db in self.magnitudes_db],
            "most_moves": self.most_moves,
            "stem_claim_db": self.stem_claim_db,
            "balance_claim_db": self.balance_claim_db,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ThresholdDecision:
        """The tuned decision that `to_json` described."""
        decision = cls(state["stems"], state["rounding_db"])
        decision.scales = np.array(state["scales"])
        decision.threshold_db, decision.slope = state["threshold_db"], state["slope"]
        low_db, high_db = state["magnitudes_db"]
        decision.magnitudes_db, decision.most_moves = (low_db, high_db), state["most_moves"]
        decision.stem_claim_db, decision.balance_claim_db = state["stem_claim_db"], state["balance_claim_db"]
        return decision

    def _fit_claims(
        self, estimates_db: NDArray[np.float64], problems: Sequence[Problem], signs: NDArray[np.float64]
    ) -> None:
        """Tune both shifts on the items that each concerns; of equally good ones the smallest is taken."""
        shifts_db = sorted(CLAIM_SHIFTS_DB.tolist(), key=abs)
        about_stem = np.array([p.claim is not None and p.claim.stem is not None for p in problems])
        about_balance = np.array([p.claim is not None and p.claim.stem is None for p in problems])

        def joint(rows: NDArray[np.bool_], stem_claim_db: float, balance_claim_db: float) -> float:
            chosen = [problem for problem, is_chosen in zip(problems, rows, strict=True) if is_chosen]
            believed_db = self._believing(estimates_db[rows], chosen, stem_claim_db, balance_claim_db)
            answers = np.where(self._moved(believed_db), np.sign(np.nan_to_num(believed_db)), 0.0)
            return float((answers == signs[rows]).all(axis=1).mean())

        if about_stem.any():
            self.stem_claim_db = max(shifts_db, key=lambda shift_db: joint(about_stem, shift_db, 0.0))
        if about_balance.any():
            self.balance_claim_db = max(shifts_db, key=lambda shift_db: joint(about_balance, 0.0, shift_db))

    def _believing(
        self,
        estimates_db: NDArray[np.float64],
        problems: Sequence[Problem],
        stem_claim_db: float,
        balance_claim_db: float,
    ) -> NDArray[np.float64]:
        """The estimates as far as the claims are believed, shape (items, stems)."""
        believed_db = estimates_db.copy()
        for row, problem in zip(believed_db, problems, strict=True):
            claim = problem.claim
            if claim is None:
                continue
            if claim.stem is None:
                row[:] = np.sign(row) * np.maximum(np.abs(row) - balance_claim_db, 0.0)
            elif claim.stem in self.stems:
                column, sign = self.stems.index(claim.stem), 1.0 if claim.state is State.TOO_LOUD else -1.0
                # What speaks for the claimed direction grows; what speaks for the other one stays.
                claimed_db = sign * row[column] + stem_claim_db
                if claimed_db >= -sign * row[column]:
                    row[column] = sign * max(claimed_db, 0.0)
        return believed_db

    def _moved(self, estimates_db: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which stems are moved, shape (items, stems)."""
        sizes = _sizes(estimates_db, self.scales)
        return (sizes > self.threshold_db) & (_ranks(sizes) < self.most_moves)

    def _best_threshold(
        self, estimates_db: NDArray[np.float64], true_db: NDArray[np.float64], scales: NDArray[np.float64]
    ) -> tuple[float, float]:
        """The highest joint accuracy over thresholds, and the middle of the thresholds that reach it."""
        sizes = _sizes(estimates_db, scales)
        allowed = _ranks(sizes) < self.most_moves
        signs = np.sign(np.nan_to_num(estimates_db))
        highest = max(1e-6, float(np.quantile(sizes.max(axis=1), 0.99)))
        thresholds = np.linspace(0.0, highest, THRESHOLD_STEPS)
        joint = np.array(
            [(np.where(allowed & (sizes > t), signs, 0.0) == np.sign(true_db)).all(axis=1).mean() for t in thresholds]
        )
        return float(joint.max()), float(np.median(thresholds[joint >= joint.max()]))

    def _gains_db(
        self,
        estimates_db: NDArray[np.float64],
        moved: NDArray[np.bool_],
        slope: float,
        signs: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Advised gains before rounding, 0 for stems that are left, shape (items, stems).

        Args:
            signs: of the errors, where a claim may have turned that of the estimate; the size is then the least one.
        """
        estimates_db = np.nan_to_num(estimates_db)
        own = np.sign(estimates_db)
        signs = own if signs is None else signs
        sizes_db = np.clip(slope * np.where(own == signs, np.abs(estimates_db), 0.0), *self.magnitudes_db)
        return np.where(moved, -signs * sizes_db, 0.0)


def true_errors_db(problems: Sequence[Problem], stems: Sequence[str]) -> NDArray[np.float64]:
    """The errors relative to the anchor in dB, shape (items, stems); 0 where there is none."""
    needed_db = [problem.needed_gains_db for problem in problems]
    return np.array([[-gains_db.get(stem, 0.0) for stem in stems] for gains_db in needed_db]).reshape(-1, len(stems))


def _sizes(estimates_db: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nan_to_num(np.abs(estimates_db) * scales, nan=0.0)


def _ranks(sizes: NDArray[np.float64]) -> NDArray[np.int_]:
    """0 for the largest of a row, 1 for the next, and so on."""
    return np.argsort(np.argsort(-sizes, axis=1, kind="stable"), axis=1, kind="stable")
