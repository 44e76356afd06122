"""Metrics that are no mean over items, but computed from sums over them: detection, calibration, sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mixlab.scoring.metrics import METRICS, NAN, Metric, Outcome, Totals, false_alarm, missed_error
from mixlab.scoring.prediction import Prediction

PRACTICE_SHARE = 0.2
"""The share of faulty mixes that `detection_precision_at_20` assumes: in practice most mixes are right, while four in
five items are not."""


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def _hits(totals: Totals) -> NDArray[np.float64]:
    missed = totals["missed_error_rate"]
    return missed.count - missed.sum


def _precision(totals: Totals) -> NDArray[np.float64]:
    hits = _hits(totals)
    return _ratio(hits, hits + totals["false_alarm_rate"].sum)


def _recall(totals: Totals) -> NDArray[np.float64]:
    return _ratio(_hits(totals), totals["missed_error_rate"].count)


def _f1(totals: Totals) -> NDArray[np.float64]:
    missed, alarms, hits = totals["missed_error_rate"], totals["false_alarm_rate"], _hits(totals)
    return _ratio(2.0 * hits, 2.0 * hits + alarms.sum + missed.sum)


def _precision_in_practice(totals: Totals) -> NDArray[np.float64]:
    alarms = totals["false_alarm_rate"]
    found = PRACTICE_SHARE * _recall(totals)
    return _ratio(found, found + (1.0 - PRACTICE_SHARE) * _ratio(alarms.sum, alarms.count))


def _d_prime(totals: Totals) -> NDArray[np.float64]:
    missed, alarms = totals["missed_error_rate"], totals["false_alarm_rate"]
    return d_prime(_hits(totals), missed.count, alarms.sum, alarms.count)


def d_prime(
    hits: NDArray[np.float64], faulty: NDArray[np.float64], alarms: NDArray[np.float64], balanced: NDArray[np.float64]
) -> NDArray[np.float64]:
    """z(hit rate) - z(false alarm rate) of so many hits among faulty and alarms among balanced items.

    One response of each kind is added, shared among both in proportion to their numbers (the log-linear rule of Hautus
    1995), so that rates of 0 and 1 have a finite z and who always does the same has a d' of 0.
    """
    # Half a response for both, whatever their numbers, would give who always moves, or never does, a d' of 0.4 where
    # four mixes in five have an error.
    faulty_share = _ratio(faulty, faulty + balanced)
    hit_rate = _ratio(hits + faulty_share, faulty + 2.0 * faulty_share)
    alarm_rate = _ratio(alarms + 1.0 - faulty_share, balanced + 2.0 * (1.0 - faulty_share))
    return np.asarray(ndtri(hit_rate) - ndtri(alarm_rate), dtype=np.float64)


def _slope(totals: Totals) -> NDArray[np.float64]:
    x, y, xx, xy = (totals[name] for name in CALIBRATION_PARTS)
    spread = x.count * xx.sum - x.sum**2
    # What does not vary has no slope; rounding leaves it a spread of about 1e-16 of its square.
    return _ratio(x.count * xy.sum - x.sum * y.sum, np.where(spread > 1e-9 * np.maximum(xx.sum, 1.0), spread, 0.0))


def _intercept(totals: Totals) -> NDArray[np.float64]:
    x, y = totals["located_size_db"], totals["located_advised_db"]
    return _ratio(y.sum - _slope(totals) * x.sum, x.count)


def _sizes_db(prediction: Prediction) -> tuple[float, float]:
    """Sizes needed and advised, each a mean over the faulty stems; NaN unless stems and directions are right."""
    needed_db, advice = prediction.problem.needed_gains_db, prediction.advice
    if advice is None or not needed_db or not prediction.is_right:
        return NAN, NAN
    advised_db = float(np.mean([abs(advice.gain_db(stem)) for stem in needed_db]))
    return float(np.mean(np.abs(list(needed_db.values())))), advised_db


def _several_at_fault(predictions: Sequence[Prediction]) -> bool:
    return any(len(prediction.needed) > 1 for prediction in predictions)


CALIBRATION_PARTS = ("located_size_db", "located_advised_db", "located_size_db2", "located_product_db2")
_DETECTION: dict[str, Outcome] = {"missed_error_rate": missed_error, "false_alarm_rate": false_alarm}
_SIZES: dict[str, Outcome] = {
    "located_size_db": lambda p: _sizes_db(p)[0],
    "located_advised_db": lambda p: _sizes_db(p)[1],
}
_CALIBRATION = _SIZES | {
    "located_size_db2": lambda p: _sizes_db(p)[0] ** 2,
    "located_product_db2": lambda p: float(np.prod(_sizes_db(p))),
}
_RIGHT: dict[str, Outcome] = {"set_right": lambda p: float(len(p.needed.items() & p.advised.items()))}
_PRECISION = _RIGHT | {"set_advised": lambda p: float(len(p.advised))}
_RECALL = _RIGHT | {"set_needed": lambda p: float(len(p.needed))}

for _metric in (
    # An error counts as detected where anything was moved, whichever stem. Precision is the share of mixes given a move
    # that had an error, recall the share of mixes with an error that were given one, F1 their harmonic mean.
    Metric("detection_precision", _DETECTION, compute=_precision),
    Metric("detection_recall", _DETECTION, compute=_recall),
    Metric("detection_f1", _DETECTION, compute=_f1),
    # Free of the share of faulty items.
    Metric("detection_d_prime", _DETECTION, unit="", compute=_d_prime),
    # The precision where 20 % of all mixes are faulty, from the same two rates by Bayes' rule.
    Metric("detection_precision_at_20", _DETECTION, compute=_precision_in_practice),
    # Least squares of the size advised on the size needed, in dB without sign, where stems and directions are right.
    # 1 and 0 are perfect; always the same size has slope 0.
    Metric("calibration_slope", _CALIBRATION, unit="", compute=_slope),
    Metric("calibration_intercept_db", _CALIBRATION, unit="dB", compute=_intercept),
    # Where several stems may be at fault, the share of advised moves that are right in stem and direction, and the
    # share of needed moves that were advised, over all items together.
    Metric("set_precision", _PRECISION, compute=lambda t: _ratio(t["set_right"].sum, t["set_advised"].sum),
           applies=_several_at_fault),
    Metric("set_recall", _RECALL, compute=lambda t: _ratio(t["set_right"].sum, t["set_needed"].sum),
           applies=_several_at_fault),
    # Spearman's rank correlation of the size advised with the size needed, over the same items as the calibration.
    Metric("rank_correlation", _SIZES, unit="", is_ranked=True),
):  # fmt: skip
    METRICS.add(_metric)
