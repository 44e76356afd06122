"""The fallback where R is missing: a linear mixed model, and p-values by permutation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixlab.scoring.paired import PERMUTATIONS, permutation_p_values
from mixlab.study.fits import Fit, contrasts, degrees_of_freedom, design
from mixlab.study.settings import Kind

MOST_SWEEPS = 200
"""Sweeps in which means of raters and items are taken out of each other."""


def fit_linear(
    ratings: pd.DataFrame, systems: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0, reason: str = ""
) -> Fit:
    """Fit points by system with crossed effects of participants, items and advice.

    Estimates and intervals are those of statsmodels' mixed model. Its p-values rest on points being normal, which they
    are not, so p comes from `permutation_p` instead; that of all systems alike is the smallest after Holm's correction.

    Args:
        ratings: rows with ``rating``, ``system``, ``participant`` and ``item``.
        reason: why this is not the ordinal model, for the report.
    """
    table = design(ratings, systems)
    present = [name for name in systems if name in set(table["system"])]
    estimates, covariance, spreads = _mixed_model(table, present)
    p_values = permutation_p(table, present, permutations, seed)
    freedom = degrees_of_freedom(table)
    found = contrasts(present, estimates, covariance, freedom, p_values)
    return Fit(Kind.LINEAR, found, min(c.p_holm for c in found), spreads, len(table), reason)


def permutation_p(
    table: pd.DataFrame, systems: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0
) -> list[float]:
    """Two-sided p of each pair of systems, in the order of `itertools.combinations`.

    Two tests (Clark 1973: by raters and by items): the labels of two systems are exchanged for whole raters, which
    holds raters' taste fixed, and for whole items, which holds fixed how good one piece of advice happens to be. Means
    of raters and items are taken out before. The larger p counts, so that a difference has to hold over both.

    Args:
        table: rows with ``rating``, ``system``, ``participant`` and ``item``.
    """
    rating = table["rating"].to_numpy(np.float64)
    system = np.array([systems.index(name) for name in table["system"]])
    groups = [pd.factorize(table[column])[0] for column in ("participant", "item")]
    residual = _residual(rating, system, groups)
    worst = np.zeros(len(systems) * (len(systems) - 1) // 2)
    for group in groups:
        means = _means(residual, group, system, len(systems))
        differences = np.stack([means[:, i] - means[:, j] for i, j in combinations(range(len(systems)), 2)], axis=1)
        names = [str(number) for number in range(len(means))]
        worst = np.maximum(worst, permutation_p_values(differences, names, permutations, seed))
    return [float(p) for p in worst]


def _means(
    values: NDArray[np.float64], group: NDArray[np.int_], system: NDArray[np.int_], systems: int
) -> NDArray[np.float64]:
    """The mean of each group and system, shape (groups, systems); NaN where a group has none of a system."""
    place = group * systems + system
    size = (int(group.max()) + 1) * systems
    count = np.bincount(place, minlength=size)
    total = np.bincount(place, weights=values, minlength=size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0).reshape(-1, systems)


def _residual(
    rating: NDArray[np.float64], system: NDArray[np.int_], groups: Sequence[NDArray[np.int_]]
) -> NDArray[np.float64]:
    """Ratings without the means of raters and items, by least squares beside the systems, which stay in."""
    effects = [np.zeros(int(index.max()) + 1) for index in (system, *groups)]
    indices = [system, *groups]
    for _ in range(MOST_SWEEPS):
        change = 0.0
        for effect, index in zip(effects, indices, strict=True):
            others = sum(e[i] for e, i in zip(effects, indices, strict=True) if e is not effect)
            new = np.bincount(index, weights=rating - others) / np.bincount(index)
            change = max(change, float(np.abs(new - effect).max()))
            effect[:] = new
        if change < 1e-9:
            break
    return rating - sum(e[i] for e, i in zip(effects[1:], indices[1:], strict=True))


def _mixed_model(
    table: pd.DataFrame, systems: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Estimates per system (the first is 0), their covariance, and the random effects' standard deviations."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    fixed = np.column_stack([np.ones(len(table)), *((table["system"] == name).to_numpy(float) for name in systems[1:])])
    several = [n for n in ("participant", "item", "advice", "taste") if 2 < table[n].nunique() < len(table)]
    formulas = {name: f"0 + C({name})" for name in several}
    with warnings.catch_warnings():
        # A variance that is estimated as zero is an answer here, and no fault.
        warnings.simplefilter("ignore")
        names = ["intercept", *(f"system_{number}" for number in range(1, len(systems)))]
        frame = table.assign(**dict(zip(names, fixed.T, strict=True)), everyone=1)
        rhs = "rating ~ 0 + " + " + ".join(names)
        model = MixedLM.from_formula(rhs, frame, groups="everyone", vc_formula=formulas, re_formula="0")
        result = model.fit(reml=True)
    count = len(systems)
    covariance = np.zeros((count, count))
    covariance[1:, 1:] = np.asarray(result.cov_params())[1:count, 1:count]
    estimates = np.concatenate([[0.0], np.asarray(result.fe_params)[1:]])
    spreads = dict(zip(model.exog_vc.names, np.sqrt(np.maximum(np.asarray(result.vcomp), 0.0)).tolist(), strict=True))
    return estimates, covariance, spreads
