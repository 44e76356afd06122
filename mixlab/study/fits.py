"""What a model says of the systems: each against each, with intervals and Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from mixlab.scoring.bootstrap import LEVEL
from mixlab.scoring.paired import holm
from mixlab.study.settings import Kind

KINDS = {
    Kind.CLMM: "cumulative-link mixed model (logit; R, ordinal::clmm)",
    Kind.LINEAR: "FALLBACK: linear mixed model (statsmodels) with permutation within raters and within items",
}
"""How each kind of model is called wherever its figures stand."""

UNITS = {Kind.CLMM: "log odds", Kind.LINEAR: "points"}
"""Units of the estimates."""


@dataclass(frozen=True)
class Contrast:
    """System a minus system b, with its interval; p is two-sided, `p_holm` corrected over all pairs of the fit."""

    a: str
    b: str
    estimate: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Fit:
    """A model of the ratings by one criterion.

    Attributes:
        kind: which model.
        contrasts: every pair of systems.
        p: of the hypothesis that all systems are alike.
        spreads: standard deviations of the random effects, in the units of the estimates.
        ratings: how many went in.
        reason: why it is the fallback; empty where it was not needed, or was asked for.
    """

    kind: Kind
    contrasts: tuple[Contrast, ...]
    p: float
    spreads: Mapping[str, float]
    ratings: int
    reason: str = ""

    def contrast(self, a: str, b: str) -> Contrast:
        """The contrast of two systems in this order.

        Raises:
            KeyError: if one of them was not rated.
        """
        for found in self.contrasts:
            if (found.a, found.b) == (a, b):
                return found
            if (found.a, found.b) == (b, a):
                return replace(found, a=a, b=b, estimate=-found.estimate, low=-found.high, high=-found.low)
        raise KeyError((a, b))


def design(ratings: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    """The columns that models need, sorted so that the first system is the reference.

    ``advice`` is what one system says of one item, so that people who rate the same words do not count as independent;
    ``taste`` is one participant's view of one system.
    """
    table = ratings[["rating", "system", "participant", "item"]].copy()
    table["advice"] = table["item"] + "/" + table["system"]
    table["taste"] = table["participant"] + "/" + table["system"]
    order = {name: number for number, name in enumerate(systems)}
    return table.sort_values("system", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)


def degrees_of_freedom(table: pd.DataFrame) -> int:
    """Those of Student's t for contrasts: the fewer of participants and items, less one.

    With the normal distribution in its place, few raters would make differences clear that are none.
    """
    return max(1, min(table["participant"].nunique(), table["item"].nunique()) - 1)


def wald_f(estimates: NDArray[np.float64], covariance: NDArray[np.float64], freedom: int) -> float:
    """p of the hypothesis that all estimates are zero, by Wald's F with the contrasts' degrees of freedom.

    The likelihood ratio by the chi-squared distribution, usual in its place, finds differences that are none in one of
    ten studies with twelve raters (experiments/study/); this finds fewer than it might.

    Args:
        estimates: of all systems but the reference, shape (systems - 1,).
        covariance: of them.
    """
    size = len(estimates)
    ratio = float(estimates @ np.linalg.pinv(covariance) @ estimates) / size
    return float(f_distribution.sf(ratio, size, freedom))


def contrasts(
    systems: Sequence[str],
    estimates: NDArray[np.float64],
    covariance: NDArray[np.float64],
    freedom: int,
    p_values: Sequence[float] | None = None,
) -> tuple[Contrast, ...]:
    """All pairs of systems from their estimates; p by Wald's test unless given.

    Args:
        estimates: per system, shape (systems,); 0 for the reference.
        covariance: of the estimates, shape (systems, systems); 0 for the reference.
        freedom: degrees of freedom of Student's t.
        p_values: per pair, in the order of `itertools.combinations`.
    """
    pairs = list(combinations(range(len(systems)), 2))
    differences = np.array([estimates[i] - estimates[j] for i, j in pairs])
    variances = np.array([covariance[i, i] + covariance[j, j] - 2 * covariance[i, j] for i, j in pairs])
    errors = np.sqrt(np.maximum(variances, 0.0))
    if p_values is None:
        p_values = (2.0 * student.sf(np.abs(differences) / errors, freedom)).tolist()
    reach = float(student.ppf(0.5 + LEVEL / 2.0, freedom)) * errors
    return tuple(
        Contrast(systems[i], systems[j], float(d), float(d - r), float(d + r), float(p), corrected)
        for (i, j), d, r, p, corrected in zip(pairs, differences, reach, p_values, holm(p_values), strict=True)
    )
