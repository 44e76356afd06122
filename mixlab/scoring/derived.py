"""Room scoring: figures that are no mean over items, but computed from sums over them: detection, calibration, sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

PRACTICE_SHARE = 0.2
"""The share of faulty mixes that `detection_precision_at_20` assumes: in practice most mixes are right, while four in
five items are not."""


@dataclass(frozen=True)
class Total:
    """The sum of an outcome and the number of items it goes over, of one sample or many: shape () or (samples,)."""

    sum: NDArray[np.float64]
    count: NDArray[np.float64]


Totals = Mapping[str, Total]


@dataclass(frozen=True)
class Derived:
    """A figure from the totals of the outcomes `parts`; NaN where it is not defined."""

    parts: tuple[str, ...]
    compute: Callable[[Totals], NDArray[np.float64]]


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
    # Half a response for both, whatever their numbers, would give who always moves, or never does, a d' of 0.4 where
    # four mixes in five have an error.
    faulty_share = _ratio(missed.count, missed.count + alarms.count)
    hit_rate = _ratio(_hits(totals) + faulty_share, missed.count + 2.0 * faulty_share)
    alarm_rate = _ratio(alarms.sum + 1.0 - faulty_share, alarms.count + 2.0 * (1.0 - faulty_share))
    return np.asarray(ndtri(hit_rate) - ndtri(alarm_rate), dtype=np.float64)


def _slope(totals: Totals) -> NDArray[np.float64]:
    x, y, xx, xy = (totals[name] for name in CALIBRATION_PARTS)
    spread = x.count * xx.sum - x.sum**2
    # What does not vary has no slope; rounding leaves it a spread of about 1e-16 of its square.
    return _ratio(x.count * xy.sum - x.sum * y.sum, np.where(spread > 1e-9 * np.maximum(xx.sum, 1.0), spread, 0.0))


def _intercept(totals: Totals) -> NDArray[np.float64]:
    x, y = totals["located_size_db"], totals["located_advised_db"]
    return _ratio(y.sum - _slope(totals) * x.sum, x.count)


CALIBRATION_PARTS = ("located_size_db", "located_advised_db", "located_size_db2", "located_product_db2")
_DETECTION_PARTS = ("missed_error_rate", "false_alarm_rate")

DERIVED: dict[str, Derived] = {
    "detection_precision": Derived(_DETECTION_PARTS, _precision),
    "detection_recall": Derived(_DETECTION_PARTS, _recall),
    "detection_f1": Derived(_DETECTION_PARTS, _f1),
    "detection_d_prime": Derived(_DETECTION_PARTS, _d_prime),
    "detection_precision_at_20": Derived(_DETECTION_PARTS, _precision_in_practice),
    "calibration_slope": Derived(CALIBRATION_PARTS, _slope),
    "calibration_intercept_db": Derived(CALIBRATION_PARTS, _intercept),
    "set_precision": Derived(("set_right", "set_advised"), lambda t: _ratio(t["set_right"].sum, t["set_advised"].sum)),
    "set_recall": Derived(("set_right", "set_needed"), lambda t: _ratio(t["set_right"].sum, t["set_needed"].sum)),
}
"""Each figure with the outcomes whose totals it needs.

- ``detection_*``: an error counts as detected where anything was moved, whichever stem. Precision is the share of
  mixes given a move that had an error, recall the share of mixes with an error that were given one, F1 their harmonic
  mean.
- ``detection_d_prime``: z(hit rate) - z(false alarm rate), free of the share of faulty items. One response of each kind
  is added, shared among mixes with and without an error in proportion to their numbers (the log-linear rule of Hautus
  1995), so that rates of 0 and 1 have a finite z and who always does the same has a d' of 0.
- ``detection_precision_at_20``: the precision where 20 % of all mixes are faulty, from the same two
  rates by Bayes' rule.
- ``calibration_slope``, ``calibration_intercept_db``: least squares of the size advised on the size needed, in dB
  without sign, where stems and directions are right. 1 and 0 are perfect; always the same size has slope 0.
- ``set_precision``, ``set_recall``: where several stems may be at fault, the share of advised moves that are right in
  stem and direction, and the share of needed moves that were advised, over all items together.
"""

RANK_CORRELATION = "rank_correlation"
"""Spearman's rank correlation of the size advised with the size needed, over the same items as the calibration."""

RANKED_PARTS = CALIBRATION_PARTS[:2]
