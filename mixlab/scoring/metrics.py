"""Room scoring: the outcome of every single item, as arrays from which each metric is a mean.

An outcome is a number per item, NaN where the metric does not apply to the item; a metric is the mean of its
outcome over the items where it applies. Advice that did not parse is wrong in every metric.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.language.advice import Advice, Direction, Verdict
from mixlab.scoring.categories import Ranges, needed_ranges_db
from mixlab.scoring.derived import CALIBRATION_PARTS, DERIVED
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem

METRICS: dict[str, tuple[str, ...]] = {
    "joint_accuracy": ("joint_accuracy",),
    "direction_accuracy": ("direction_accuracy",),
    "stem_accuracy": ("stem_accuracy",),
    "balanced_accuracy": ("balanced_accuracy",),
    "direction_given_stem": ("direction_given_stem",),
    "false_alarm_rate": ("false_alarm_rate",),
    "missed_error_rate": ("missed_error_rate",),
    "gain_mae_db": ("gain_mae_db",),
    "gain_mae_located_db": ("gain_mae_located_db",),
    "within_1_db": ("within_1_db",),
    "within_3_db": ("within_3_db",),
    "magnitude_in_range": ("magnitude_in_range",),
    "parse_rate": ("parse_rate",),
    "claimed_joint_accuracy": ("claimed_joint_accuracy",),
    "verdict_balanced_accuracy": ("right_claim_confirmed", "wrong_claim_corrected"),
}
"""Each metric with the outcomes whose means it averages (more than one only for a balanced accuracy)."""

CLAIM_OUTCOMES = (*METRICS["claimed_joint_accuracy"], *METRICS["verdict_balanced_accuracy"])
"""The outcomes that exist only where the user made a claim."""

OUTCOMES = tuple(
    dict.fromkeys(
        name for parts in (*METRICS.values(), *(derived.parts for derived in DERIVED.values())) for name in parts
    )
)
"""All outcomes, those of the plain means first."""

TOLERANCE_DB = 1e-9
"""Keeps a gain that is 1 dB away by rounding of floats within 1 dB."""


def outcomes(
    predictions: Sequence[Prediction], reads_claims: bool = True, ranges_db: Ranges | None = None
) -> dict[str, NDArray[np.float64]]:
    """The outcome of each item.

    - ``joint_accuracy``: the advice moves exactly the faulty stems, each in the right direction. Balanced is a
      class: an item without errors is right if the advice parsed and moves nothing.
    - ``direction_accuracy``: the set of directions advised is the needed one, whatever the stems (raise, lower,
      or nothing to move: leave).
    - ``stem_accuracy``: the set of stems advised is the needed one (none for a balanced item).
    - ``balanced_accuracy``: the contract's name for "balanced items right": the share of balanced items that were
      called balanced. Not a mean over classes.
    - ``direction_given_stem``: over items with an error whose faulty stems and no others were named, all directions are
      right.
    - ``false_alarm_rate``: a balanced item was given a move.
    - ``missed_error_rate``: an item with an error was given no move (called balanced, or did not parse).
    - ``gain_mae_db``: over items with an error, the distance in dB between the gain advised for the faulty stem and
      the one needed, which is minus the exact error relative to the anchor, unrounded. Advice that names another stem,
      leaves or does not parse counts as 0 dB on the faulty stem. With several faulty stems, the mean over them.
    - ``gain_mae_located_db``: the same, only over items where stem and direction are right.
    - ``within_1_db``, ``within_3_db``: items with an error where that distance is at most 1 or 3 dB.
    - ``magnitude_in_range``: over items with an error, the share of faulty stems whose advised gain lies within the
      range of the error's category; what is left or moved the other way does not. Needs `ranges_db`.
    - ``parse_rate``: the response could be read as advice.
    - ``claimed_joint_accuracy``: joint accuracy over the items with a claim, which the headline figures leave out.
    - ``right_claim_confirmed``, ``wrong_claim_corrected``: over items with a right, or a wrong, claim; no verdict is
      wrong. Their mean is ``verdict_balanced_accuracy``.
    - ``located_size_db``, ``located_advised_db``: where stems and directions are right, the sizes in dB needed and
      advised, each a mean over the faulty stems; ``_db2`` are the first one's square and the product of both.
    - ``set_right``, ``set_advised``, ``set_needed``: where the items need up to several moves, how many were right,
      advised and needed.

    Args:
        predictions: one per item.
        reads_claims: False for a method that never sees what the user says; verdicts then apply nowhere.
        ranges_db: gain errors in dB of each category of error, where they are known.

    Returns:
        Outcome name -> float64 array of shape (items,), NaN where it does not apply.
    """
    rows = [_item(prediction, reads_claims) for prediction in predictions]
    if any(len(prediction.problem.needed_gains_db) > 1 for prediction in predictions):
        rows = [row | _set_item(prediction) for row, prediction in zip(rows, predictions, strict=True)]
    if ranges_db is not None:
        rows = [row | _range_item(p, ranges_db) for row, p in zip(rows, predictions, strict=True)]
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in OUTCOMES}


def needed_directions(problem: Problem) -> dict[str, Direction]:
    """What has to be done: each stem out of balance with the direction it has to move in; empty where balanced."""
    return {stem: Direction.of(gain_db) for stem, gain_db in problem.needed_gains_db.items()}


def claim_is_right(problem: Problem) -> bool | None:
    """Whether the user's claim holds; None where there is no claim."""
    return None if problem.claim is None else problem.holds(problem.claim)


def gain_distance_db(prediction: Prediction) -> float:
    """Mean distance in dB between advised and needed gain over the faulty stems; NaN for a balanced item."""
    needed_db = prediction.problem.needed_gains_db
    if not needed_db:
        return float("nan")
    advice = prediction.advice or Advice()
    return float(np.mean([abs(advice.gain_db(stem) - gain_db) for stem, gain_db in needed_db.items()]))


def is_joint_right(prediction: Prediction) -> bool:
    """Whether the advice moves exactly the faulty stems, each in the right direction (nothing where balanced)."""
    return prediction.advice is not None and _advised(prediction) == needed_directions(prediction.problem)


def _advised(prediction: Prediction) -> dict[str, Direction]:
    return {} if prediction.advice is None else {move.stem: move.direction for move in prediction.advice.moves}


def _item(prediction: Prediction, reads_claims: bool) -> dict[str, float]:
    """The outcomes that apply to one item."""
    parsed = prediction.advice is not None
    needed, advised = needed_directions(prediction.problem), _advised(prediction)
    row = {
        "parse_rate": float(parsed),
        "joint_accuracy": float(parsed and advised == needed),
        "direction_accuracy": float(parsed and set(advised.values()) == set(needed.values())),
        "stem_accuracy": float(parsed and set(advised) == set(needed)),
    }
    if needed:
        distance_db = gain_distance_db(prediction)
        row["missed_error_rate"] = float(not advised)
        row["gain_mae_db"] = distance_db
        row["within_1_db"] = float(distance_db <= 1.0 + TOLERANCE_DB)
        row["within_3_db"] = float(distance_db <= 3.0 + TOLERANCE_DB)
        if row["stem_accuracy"]:
            row["direction_given_stem"] = row["joint_accuracy"]
        if row["joint_accuracy"]:
            row["gain_mae_located_db"] = distance_db
            row |= _sizes(prediction)
    else:
        row["balanced_accuracy"] = float(parsed and not advised)
        row["false_alarm_rate"] = float(bool(advised))
    right = claim_is_right(prediction.problem)
    if right is not None:
        row["claimed_joint_accuracy"] = row["joint_accuracy"]
    if reads_claims and right is not None:
        verdict = None if prediction.advice is None else prediction.advice.verdict
        if right:
            row["right_claim_confirmed"] = float(verdict is Verdict.CONFIRMED)
        else:
            row["wrong_claim_corrected"] = float(verdict is Verdict.CORRECTED)
    return row


def _sizes(prediction: Prediction) -> dict[str, float]:
    """Sizes needed and advised of an item whose stems and directions are right."""
    needed_db = prediction.problem.needed_gains_db
    assert prediction.advice is not None
    size_db = float(np.mean(np.abs(list(needed_db.values()))))
    advised_db = float(np.mean([abs(prediction.advice.gain_db(stem)) for stem in needed_db]))
    values = (size_db, advised_db, size_db**2, size_db * advised_db)
    return dict(zip(CALIBRATION_PARTS, values, strict=True))


def _set_item(prediction: Prediction) -> dict[str, float]:
    needed, advised = needed_directions(prediction.problem), _advised(prediction)
    right = float(len(needed.items() & advised.items()))
    return {"set_right": right, "set_advised": float(len(advised)), "set_needed": float(len(needed))}


def _range_item(prediction: Prediction, ranges_db: Ranges) -> dict[str, float]:
    ranges = needed_ranges_db(prediction.problem, ranges_db)
    if not ranges:
        return {}
    advice = prediction.advice or Advice()
    inside = [
        low_db - TOLERANCE_DB <= advice.gain_db(stem) <= high_db + TOLERANCE_DB
        for stem, (low_db, high_db) in ranges.items()
    ]
    return {"magnitude_in_range": float(np.mean(inside))}
