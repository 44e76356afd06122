"""The psychometric curve: how the share of errors that are found grows with their size, by stem.

After Wichmann and Hill (2001, Perception & Psychophysics 63, 1293-1313): share(x) = g + (1 - g - l) F(x), where g is
the share that chance finds, l the share that is missed however large the error is, and F here the logistic function of
the logarithm of x, which is 0 for no error. The share of chance is measured on balanced mixes; the rest is fitted by
maximum likelihood. The share that is missed may be large, other than in people: a model may never name a stem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from mixlab.scoring.bootstrap import RESAMPLES, Figure, SongBootstrap, flat_figures, percentile_interval
from mixlab.scoring.derived import d_prime
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions

SMALL_DB = 1.0
"""Only where smaller errors than this are asked is there a curve: it has to begin where nobody hears anything."""

ALL = "all"
"""Name of the curve of all errors, whatever their stem."""

FITS = 200
"""Resamples in which a curve is fitted anew for the interval of its threshold."""

LEAST_ITEMS = 40
"""Fewer errors give no threshold: of 60 simulated ones each, the intervals from 15, 30, 60 and 120 errors held
81, 84, 95 and 97 %."""

BOUNDS = ((math.log(0.05), math.log(100.0)), (0.5, 10.0))
"""Of the logarithm of the middle of a curve in dB, and of its steepness."""

LEVEL = 0.95


@dataclass(frozen=True)
class Size:
    """What was found of the errors in a range of sizes.

    `found` is the share that is jointly right. `d_prime` tells how well the stem at fault (in the curve of all, any
    error) is told from balanced mixes by whether it is moved.
    """

    low_db: float
    high_db: float
    items: int
    found: Figure
    d_prime: Figure

    @property
    def name(self) -> str:
        """``0.5-1``."""
        return f"{self.low_db:g}-{self.high_db:g}"


@dataclass(frozen=True)
class Curve:
    """How the share found of one stem's errors grows with their size.

    Attributes:
        items: with such an error.
        sizes: in doublings of the size.
        chance: the share of balanced mixes in which chance would have found an error of this stem.
        missed: the fitted share that is missed however large the error is.
        middle_db, steepness: of the logistic function of the logarithm of the size.
        threshold_db: the size of which half of what chance does not find is found, with its 95 % interval by song. Its
            value is NaN where the interval leaves the sizes that were asked; an end that does is infinite.
        slope: by how much the share grows in a doubling of the size where it is steepest; NaN like the threshold.
    """

    items: int
    sizes: tuple[Size, ...]
    chance: float
    missed: float
    middle_db: float
    steepness: float
    threshold_db: Figure
    slope: Figure

    def share(self, sizes_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """The fitted share found of errors of these sizes in dB."""
        rise = expit(self.steepness * np.log(sizes_db / self.middle_db))
        return np.asarray(self.chance + (1.0 - self.chance - self.missed) * rise)

    @property
    def threshold_words(self) -> str:
        """What the items say of a threshold that they do not fix; empty where they do."""
        value_db, low_db, high_db = self.threshold_db
        if math.isfinite(value_db):
            return ""
        if not math.isfinite(low_db) and not math.isfinite(high_db):
            return "not fixed by these items"
        return f"above {low_db:.1f} dB" if math.isfinite(low_db) else f"below {high_db:.1f} dB"

    def flat(self, prefix: str) -> dict[str, float]:
        """``prefix/threshold_db`` and so on; of a threshold that is not fixed only the end that is."""
        flat = {f"{prefix}/items": float(self.items), f"{prefix}/chance": self.chance, f"{prefix}/missed": self.missed}
        flat |= flat_figures(prefix, {"threshold_db": self.threshold_db, "slope": self.slope})
        ends = zip(("low", "high"), self.threshold_db[1:], strict=True)
        flat |= {f"{prefix}/threshold_db_{end}": value for end, value in ends if math.isfinite(value)}
        for size in self.sizes:
            flat |= flat_figures(f"{prefix}/size_db={size.name}", {"found": size.found, "d_prime": size.d_prime})
        return flat


def psychometric_curves(
    predictions: Sequence[Prediction], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Curve]:
    """The curve of all errors, then of each stem's, from the headline items that are balanced or have one fault.

    Returns:
        `ALL` or the stem -> curve; empty where no error is below `SMALL_DB`, or no mix balanced.
    """
    kept = [prediction for prediction in headline_predictions(predictions) if len(prediction.needed) <= 1]
    sizes_db = np.array([abs(sum(prediction.problem.needed_gains_db.values())) for prediction in kept])
    faulty = sizes_db > 0
    if faulty.all() or not (sizes_db[faulty] < SMALL_DB).any():
        return {}
    bootstrap = SongBootstrap([prediction.problem.work_id for prediction in kept], resamples, seed)
    stems = sorted({stem for prediction in kept for stem in prediction.needed})
    return {
        name: _curve(kept, sizes_db, stems if name == ALL else [name], bootstrap) for name in (ALL, *stems)
    }  # fmt: skip


def _curve(
    predictions: Sequence[Prediction], sizes_db: NDArray[np.float64], stems: Sequence[str], bootstrap: SongBootstrap
) -> Curve:
    """The curve of the errors of some stems."""

    def column(outcome: Callable[[Prediction], float], chosen: Sequence[bool]) -> NDArray[np.float64]:
        pairs = zip(predictions, chosen, strict=True)
        return np.array([float(outcome(prediction)) if is_chosen else np.nan for prediction, is_chosen in pairs])

    asked = [bool(prediction.needed.keys() & set(stems)) for prediction in predictions]
    balanced = [not p.needed and bool(set(p.problem.candidates) & set(stems)) for p in predictions]
    found = column(lambda p: p.is_right, asked)
    moved, alarms = (column(lambda p: bool(p.advised.keys() & set(stems)), chosen) for chosen in (asked, balanced))
    by_chance = column(lambda p: _found_by_chance(p, stems), balanced)
    sizes = tuple(
        Size(low_db, high_db, int(inside.sum()), bootstrap.figure(np.where(inside, found, np.nan)),
             _d_prime(np.where(inside, moved, np.nan), alarms, bootstrap))
        for low_db, high_db in _doublings(sizes_db[asked])
        if (inside := (sizes_db >= low_db) & (sizes_db < high_db) & np.array(asked)).any()
    )  # fmt: skip
    rows = np.flatnonzero(asked)
    weights = bootstrap.item_weights(FITS)
    chances = np.nan_to_num(bootstrap.means(by_chance)[:FITS], nan=float(np.nanmean(by_chance)))
    fit = _fit(sizes_db[rows], found[rows], np.ones(len(rows)), float(np.nanmean(by_chance)))
    fits = [
        _fit(sizes_db[rows], found[rows], drawn[rows], float(chance), fit)
        for drawn, chance in zip(weights, chances, strict=True)
        if drawn[rows].any()
    ]
    threshold_db = _within(fit.threshold_db, [other.threshold_db for other in fits], sizes_db[asked])
    slopes = percentile_interval(np.array([other.slope for other in fits]))
    slope = fit.slope if math.isfinite(threshold_db[0]) else math.nan
    return Curve(len(rows), sizes, fit.chance, fit.missed, math.exp(fit.log_middle), fit.steepness, threshold_db,
                 (slope, *slopes))  # fmt: skip


def _found_by_chance(prediction: Prediction, stems: Sequence[str]) -> float:
    """How probably advice on a balanced mix would have been right, had one of the stems an error that nobody hears.

    Any of them is as likely, and either direction.
    """
    possible = [stem for stem in prediction.problem.candidates if stem in stems]
    return 0.5 * (len(prediction.advised) == 1 and prediction.advised.keys() <= set(possible)) / len(possible)


def _doublings(sizes_db: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Ranges of sizes from one power of 2 to the next that hold them all."""
    first, last = math.floor(math.log2(sizes_db.min())), math.floor(math.log2(sizes_db.max()))
    return [(2.0**power, 2.0 ** (power + 1)) for power in range(first, last + 1)]


def _d_prime(hits: NDArray[np.float64], alarms: NDArray[np.float64], bootstrap: SongBootstrap) -> Figure:
    pair = np.stack([hits, alarms], axis=1)

    def of(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return d_prime(sums[..., 0], counts[..., 0], sums[..., 1], counts[..., 1])

    value = of(np.nansum(pair, axis=0), np.isfinite(pair).sum(axis=0).astype(np.float64))
    return float(value), *percentile_interval(of(*bootstrap.totals(pair)))


@dataclass(frozen=True)
class _Fit:
    """The parameters of a curve."""

    chance: float
    missed: float
    log_middle: float
    steepness: float

    @property
    def threshold_db(self) -> float:
        """Where half of what chance does not find is found; infinite where so much never is."""
        rise = 0.5 * (1.0 - self.chance) / (1.0 - self.chance - self.missed)
        return math.exp(self.log_middle + math.log(rise / (1.0 - rise)) / self.steepness) if rise < 1.0 else math.inf

    @property
    def slope(self) -> float:
        return (1.0 - self.chance - self.missed) * self.steepness * math.log(2.0) / 4.0


def _fit(
    sizes_db: NDArray[np.float64],
    found: NDArray[np.float64],
    weights: NDArray[np.float64],
    chance: float,
    start: _Fit | None = None,
) -> _Fit:
    """The most likely curve of items that count `weights` times each; arrays of shape (items,)."""
    logs, most = np.log(sizes_db), 0.99 * (1.0 - chance)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_middle, steepness, missed = parameters
        rise, scale = expit(steepness * (logs - log_middle)), 1.0 - chance - missed
        share = np.clip(chance + scale * rise, 1e-6, 1.0 - 1e-6)
        by_share = weights * (found / share - (1.0 - found) / (1.0 - share))
        bent = scale * rise * (1.0 - rise)
        gradient = [-bent * steepness, bent * (logs - log_middle), -rise]
        value = float(weights @ (found * np.log(share) + (1.0 - found) * np.log(1.0 - share)))
        return -value, -np.array([by_share @ part for part in gradient])

    # A likelihood of few items has several tops.
    starts = [(middle, 2.0, 0.05 * most) for middle in np.log([1.0, 3.0, 8.0])]
    if start is not None:
        starts = [(start.log_middle, start.steepness, min(start.missed, most))]
    bounds = (*BOUNDS, (0.0, most))
    best = min((minimize(loss, first, jac=True, bounds=bounds, method="L-BFGS-B") for first in starts),
               key=lambda result: float(result.fun))  # fmt: skip
    log_middle, steepness, missed = (float(value) for value in best.x)
    return _Fit(chance, missed, log_middle, steepness)


def _within(value_db: float, others_db: Sequence[float], sizes_db: NDArray[np.float64]) -> Figure:
    """A threshold with its interval as far as the sizes that were asked reach; open at both ends from few items."""
    if len(sizes_db) < LEAST_ITEMS:
        return math.nan, -math.inf, math.inf
    tail = (1.0 - LEVEL) / 2.0
    low_db, high_db = np.quantile([value_db, *others_db], [tail, 1.0 - tail], method="inverted_cdf")
    low_db = float(low_db) if low_db >= sizes_db.min() else -math.inf
    high_db = float(high_db) if high_db <= sizes_db.max() else math.inf
    if low_db > sizes_db.max():
        low_db = float(sizes_db.max())
    if high_db < sizes_db.min():
        high_db = float(sizes_db.min())
    return value_db if math.isfinite(low_db) and math.isfinite(high_db) else math.nan, low_db, high_db
