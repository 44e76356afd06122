"""categories of errors: the range that a gain should lie in, and which category advice amounts to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import GainError

Ranges = Mapping[str, tuple[float, float]]
"""Category of error -> the lowest and highest gain error in dB."""

OTHER_STEM, UNREADABLE = "other_stem", "unreadable"


def implied_category(error_db: float, ranges_db: Ranges) -> str:
    """The category whose range is nearest to an error; of two that share an edge, the one of smaller errors."""

    def rank(name: str) -> tuple[float, float]:
        low_db, high_db = ranges_db[name]
        return max(low_db - error_db, error_db - high_db, 0.0), abs(low_db + high_db)

    return min(ranges_db, key=rank)


def category_confusion(predictions: Sequence[Prediction], ranges_db: Ranges) -> dict[str, dict[str, int]]:
    """How often errors of each category were taken for which one.

    Every faulty stem counts once, by the gain advised for it; where it was left and another stem moved, as
    `OTHER_STEM`. A balanced mix counts once, by its largest move. Errors relative to an anchor that has one of its own
    are of no category and left out.

    Returns:
        True category -> category implied by the advice (or `OTHER_STEM`, `UNREADABLE`) -> count.
    """
    counts: dict[str, dict[str, int]] = {}
    for prediction in predictions:
        problem = prediction.problem
        if any(error.category not in ranges_db or error.stem == problem.anchor for error in problem.errors):
            continue
        faults = [error for error in problem.errors if error.stem in prediction.needed]
        if not faults and problem.error_category not in ranges_db:
            continue
        pairs = [(error.category, _taken_for(prediction, error, ranges_db)) for error in faults]
        for true, taken in pairs or [(problem.error_category, _taken_for(prediction, None, ranges_db))]:
            row = counts.setdefault(true, {})
            row[taken] = row.get(taken, 0) + 1
    order = [*ranges_db, OTHER_STEM, UNREADABLE]
    return {true: {name: counts[true].get(name, 0) for name in order} for true in ranges_db if true in counts}


def _taken_for(prediction: Prediction, error: GainError | None, ranges_db: Ranges) -> str:
    """The category that the advice implies for a faulty stem, or for a balanced mix (None)."""
    advice = prediction.advice
    if advice is None:
        return UNREADABLE
    gains_db = [move.gain_db for move in advice.moves]
    gain_db = max(gains_db, key=abs, default=0.0) if error is None else advice.gain_db(error.stem)
    if gain_db == 0 and gains_db:
        return OTHER_STEM
    # Beyond the spread of several mixers the ranges begin where it ends.
    edge_db = 0.0 if error is None or error.range_db is None else error.range_db[0] - ranges_db[error.category][0]
    return implied_category(-gain_db - edge_db, ranges_db)
