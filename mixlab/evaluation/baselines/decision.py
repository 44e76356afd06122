"""Room evaluation: from estimated errors to advice; the threshold, scales and slope are tuned on training items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.evaluation.baselines.base import rounded_gain
from mixlab.language.advice import Advice, Move
from mixlab.synthesis.problem import Problem

SCALES = np.array([0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6])
"""Trial values of a stem's scale: how much a deviation of this stem counts beside that of another."""
THRESHOLD_STEPS = 81
SLOPES = np.linspace(0.3, 1.5, 25)
SWEEPS = 2
"""Rounds of coordinate search over the scales."""


class ThresholdDecision:
    """Turns a matrix of estimated errors into advice.

    The stem whose scaled estimate is largest is moved the other way if that exceeds a threshold, else the mix is called
    balanced. Where training items have up to n errors at once, up to n stems are moved. The gain is minus the estimate
    times a slope, kept within the magnitudes seen in training. Threshold and scales maximise joint accuracy, then the
    slope minimises the mean absolute error.
    """

    def __init__(self, stems: Sequence[str], rounding_db: float) -> None:
        self.stems = tuple(stems)
        self.rounding_db = rounding_db
        self.scales = np.ones(len(self.stems))
        self.threshold_db = 0.0
        self.slope = 1.0
        self.magnitudes_db = (0.0, np.inf)
        self.most_moves = 1

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
        return self

    def advise(self, estimates_db: NDArray[np.float64]) -> list[Advice]:
        """Advice for estimates of shape (items, stems)."""
        gains_db = self._gains_db(estimates_db, self._moved(estimates_db), self.slope)
        return [
            Advice(
                tuple(
                    Move.of(stem, rounded_gain(float(gain), self.rounding_db))
                    for stem, gain in zip(self.stems, row, strict=True)
                    if gain != 0
                )
            )
            for row in gains_db
        ]

    def figures(self) -> dict[str, float]:
        """What was tuned, by name."""
        scales = {f"scale_{stem}": float(scale) for stem, scale in zip(self.stems, self.scales, strict=True)}
        return {"threshold_db": self.threshold_db, "slope": self.slope, **scales}

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
        self, estimates_db: NDArray[np.float64], moved: NDArray[np.bool_], slope: float
    ) -> NDArray[np.float64]:
        """Advised gains before rounding, 0 for stems that are left, shape (items, stems)."""
        estimates_db = np.nan_to_num(estimates_db)
        return np.where(moved, -np.sign(estimates_db) * np.clip(slope * np.abs(estimates_db), *self.magnitudes_db), 0.0)


def true_errors_db(problems: Sequence[Problem], stems: Sequence[str]) -> NDArray[np.float64]:
    """The errors relative to the anchor in dB, shape (items, stems); 0 where there is none."""
    needed_db = [problem.needed_gains_db for problem in problems]
    return np.array([[-gains_db.get(stem, 0.0) for stem in stems] for gains_db in needed_db]).reshape(-1, len(stems))


def _sizes(estimates_db: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nan_to_num(np.abs(estimates_db) * scales, nan=0.0)


def _ranks(sizes: NDArray[np.float64]) -> NDArray[np.int_]:
    """0 for the largest of a row, 1 for the next, and so on."""
    return np.argsort(np.argsort(-sizes, axis=1, kind="stable"), axis=1, kind="stable")
