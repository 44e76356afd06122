"""Whether a judge's scores say more than the truth that the judge was given.

A judge who is told what is wrong with a mix can score by that alone. What follows from the truth is known without a
judge: whether the parser reads the text as the right advice. A score that differs by hardly anything else adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.judging.discrimination import auc
from mixlab.judging.questions import Case
from mixlab.language.parse import parse
from mixlab.reports.sheets import Line, Sheet, alone, words
from mixlab.scoring.prediction import Prediction

REPEATS = 0.8
"""Share of the variance of scores from which on they are called a repetition of the given truth."""

CLOSE_DB = 1.0
"""Up to which distance from the needed gain advice is exact, as the rubric has it."""

LABEL = "repeats the given truth"


@dataclass(frozen=True)
class Truth:
    """How far scores follow from what the parser reads; NaN where that cannot be told.

    Attributes:
        explained: share of the variance of scores that goes with how right the text is (unreadable, wrong, the right
            move, exact), corrected for chance (epsilon squared, Kelley 1935).
        auc: how often a text that is right scores above one that is not.
        texts: that have a score.
    """

    explained: float
    auc: float
    texts: int

    @property
    def repeats(self) -> bool:
        """Whether the scores only repeat the given truth."""
        return bool(self.explained >= REPEATS)

    def flat(self, name: str) -> dict[str, float]:
        """``name/explained``, ``name/auc``, ``name/repeats`` without what could not be told."""
        values = {"explained": self.explained, "auc": self.auc}
        if np.isfinite(self.explained):
            values["repeats"] = float(self.repeats)
        return {f"{name}/{key}": value for key, value in values.items() if np.isfinite(value)}


def against_truth(cases: Sequence[Case], scores: Mapping[str, ArrayLike]) -> Truth:
    """Scores of texts against how right the parser reads them.

    Args:
        scores: by subject, more is better, shape (items,), NaN where missing or where the item lacks the subject.
    """
    values: list[float] = []
    classes: list[str] = []
    for subject, of_subject in scores.items():
        for case, score in zip(cases, np.asarray(of_subject, dtype=np.float64).tolist(), strict=True):
            if np.isfinite(score):
                values.append(score)
                classes.append(how_right(case.prediction, case.texts[subject]))
    array, kinds = np.array(values), np.array(classes)
    right = np.isin(kinds, ("right", "exact"))
    area = auc(array[right], array[~right]) if 0 < right.sum() < right.size else np.nan
    return Truth(_explained(array, kinds), area, array.size)


def how_right(item: Prediction, text: str) -> str:
    """What the truth says of a text on an item: unreadable, wrong, right (stem and direction) or exact."""
    said = Prediction(item.problem, text, parse(text, item.problem.stems).advice)
    if said.advice is None:
        return "unreadable"
    if not said.is_right:
        return "wrong"
    return "right" if said.needed and said.distance_db > CLOSE_DB else "exact"


def truth_sheet(scores: Mapping[str, Truth], ranks: Mapping[str, Truth]) -> Sheet:
    """Which scores and ranks are worth a look beside the parser's figures, and which repeat the truth."""
    named = {**scores, **{f"rank by {name}": found for name, found in ranks.items()}}
    lines = [
        Line(
            words(name),
            {"explained": alone(found.explained), "auc": alone(found.auc), "label": LABEL if found.repeats else "-"},
        )
        for name, found in named.items()
    ]
    columns = {"explained": "explained", "auc": "AUC", "label": "label"}
    caption = (
        "The judge is told the truth. Explained: share of the scores' variance that goes with what the parser alone "
        f"reads (unreadable, wrong, right, exact to {CLOSE_DB:g} dB); from {REPEATS:g} on the scores say nothing new. "
        "AUC: how often a right text scores above one that is not."
    )
    return Sheet("truth", "Do scores say more than the given truth?", columns, lines, caption=caption)


def _explained(values: NDArray[np.float64], classes: NDArray[np.str_]) -> float:
    kinds = np.unique(classes)
    if values.size <= len(kinds) or np.ptp(values) == 0.0:
        return float("nan")
    within = sum(float(np.square(values[classes == kind] - values[classes == kind].mean()).sum()) for kind in kinds)
    total = float(np.square(values - values.mean()).sum())
    return 1.0 - (within / (values.size - len(kinds))) / (total / (values.size - 1))
