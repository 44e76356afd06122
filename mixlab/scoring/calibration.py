"""Room scoring: whether answers are right as often as the model says: reliability, and accuracy against coverage.

Reliability after Murphy and Winkler (1977) and the expected calibration error as Guo et al. (2017) have it, but in bins
of equally many items, so that no bin stands on a handful. Coverage after El-Yaniv and Wiener (2010): who answers only
where he is surest is right more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixlab.scoring.bootstrap import RESAMPLES, Figure, SongBootstrap, flat_figures
from mixlab.scoring.prediction import Prediction

BINS = 8
COVERAGES = (0.25, 0.5, 0.75, 0.9, 1.0)
LEAST_ITEMS = 40
"""Fewer say nothing about a share."""


@dataclass(frozen=True)
class Bin:
    """Items of like probability: their mean probability, and the share that is right with its interval."""

    items: int
    said: float
    right: Figure


@dataclass(frozen=True)
class Calibration:
    """How far probabilities of answers are true.

    Attributes:
        items: answers with a probability.
        said: its mean.
        right: the share that is jointly right.
        error: expected calibration error: mean distance between what is said and what is right, over `bins`.
        bins: from the least sure to the surest.
        coverage: share of answers kept, the surest first -> the lowest probability among them, and their joint
            accuracy.
    """

    items: int
    said: Figure
    right: Figure
    error: float
    bins: tuple[Bin, ...]
    coverage: dict[float, tuple[float, Figure]]

    def flat(self, prefix: str) -> dict[str, float]:
        """Flat figures under ``<prefix>/``."""
        figures = {"said": self.said, "right": self.right}
        figures |= {f"accuracy_at_{100 * share:g}": found for share, (_, found) in self.coverage.items()}
        return {
            f"{prefix}/items": float(self.items),
            f"{prefix}/expected_error": self.error,
            **flat_figures(prefix, figures),
        }


def calibration(predictions: Sequence[Prediction], resamples: int = RESAMPLES) -> Calibration | None:
    """How far the probabilities of predictions are true; None where too few have one."""
    told = [prediction for prediction in predictions if prediction.probability is not None]
    if len(told) < LEAST_ITEMS:
        return None
    told.sort(key=lambda prediction: prediction.probability or 0.0)
    said = np.array([prediction.probability for prediction in told], dtype=np.float64)
    right = np.array([prediction.is_right for prediction in told], dtype=np.float64)
    songs = SongBootstrap([prediction.problem.work_id for prediction in told], resamples)
    places = np.arange(len(told))
    bins = []
    for part in np.array_split(places, BINS):
        share = songs.figure(np.where(np.isin(places, part), right, np.nan))
        bins.append(Bin(part.size, float(said[part].mean()), share))
    error = sum(part.items * abs(part.said - part.right[0]) for part in bins) / len(told)
    coverage = {}
    for kept in COVERAGES:
        first = len(told) - max(1, round(kept * len(told)))
        coverage[kept] = (float(said[first]), songs.figure(np.where(places >= first, right, np.nan)))
    return Calibration(len(told), songs.figure(said), songs.figure(right), error, tuple(bins), coverage)
