"""How often a study of a given size finds an effect of a given size, by simulating it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binom, binomtest

from mixlab.reports.sheets import Figure, Line, Sheet, alone
from mixlab.scoring.bootstrap import LEVEL
from mixlab.scoring.paired import ALPHA
from mixlab.study.fits import Fit, design
from mixlab.study.linear import permutation_p
from mixlab.study.ordinal import NoOrdinalModel, fit_ordinal
from mixlab.study.raters import draw_points
from mixlab.study.settings import Kind, Truth

PERMUTATIONS = 2000
"""Of each simulated study with the fallback's test."""

BATCH = 10
"""Studies that one process of R fits."""

Size = tuple[int, int, int]
"""Raters, items, and trials of each rater."""


@dataclass(frozen=True)
class Outcome:
    """What came of one simulated study: p of the pair, and its estimate with interval (NaN for the fallback)."""

    p: float
    estimate: float
    low: float
    high: float
    points: float
    """Difference of the two systems' mean points."""


@dataclass(frozen=True)
class Cell:
    """What came of all simulated studies of one size.

    Attributes:
        found: share of studies with p below 0.05, with its exact binomial interval.
        covered: share of intervals that hold the planted effect, likewise; None where there are none.
        failed: studies that could not be fitted; they count as not found.
        points: the planted effect as a mean difference in points.
    """

    raters: int
    items: int
    studies: int
    found: Figure
    covered: Figure | None
    failed: int
    points: float


def simulate(
    truth: Truth, pair: tuple[str, str], size: Size, studies: int, model: Kind, seed: int, timeout_s: float = 600.0
) -> list[Outcome | None]:
    """Simulate studies by the truth's first criterion and test one pair of systems in each.

    Args:
        truth: what is planted; careless raters are left out, as exclusions would.
        model: ``clmm`` fits the ordinal model, ``linear`` makes the fallback's permutation test without the model.
        timeout_s: for a batch of `BATCH` fits.

    Returns:
        One a study, None where it could not be fitted.

    Raises:
        NoOrdinalModel: if R or its package is missing.
    """
    systems = truth.systems
    tables = simulated_tables(truth, size, studies, seed)
    means = [table.groupby("system")["rating"].mean() for table in tables]
    points = [float(mean[pair[0]] - mean[pair[1]]) for mean in means]
    if model is Kind.LINEAR:
        place = list(combinations(systems, 2)).index(pair)
        p_values = [permutation_p(design(table, systems), systems, PERMUTATIONS)[place] for table in tables]
        return [Outcome(p, np.nan, np.nan, np.nan, d) for p, d in zip(p_values, points, strict=True)]
    fits = ordinal_fits(tables, systems, timeout_s)
    return [_outcome(fit, pair, d) for fit, d in zip(fits, points, strict=True)]


def simulated_tables(truth: Truth, size: Size, studies: int, seed: int) -> list[pd.DataFrame]:
    """The ratings of simulated studies by the truth's first criterion; a study is the same in any number of them."""
    criterion, (raters, items, trials) = next(iter(truth.effects)), size
    return [
        draw_points(truth, criterion, raters, items, trials, np.random.default_rng([seed, raters, items, number]))
        for number in range(studies)
    ]


def ordinal_fits(
    tables: Sequence[pd.DataFrame], systems: Sequence[str], timeout_s: float
) -> Iterator[Fit | NoOrdinalModel]:
    """The ordinal model of each table, or why there is none; `BATCH` of them in a process of R.

    Args:
        timeout_s: for a batch.

    Raises:
        NoOrdinalModel: if R or its package is missing.
    """
    for start in range(0, len(tables), BATCH):
        batch = {str(number): table for number, table in enumerate(tables[start : start + BATCH])}
        yield from fit_ordinal(batch, systems, timeout_s).values()


def _outcome(fit: Fit | NoOrdinalModel, pair: tuple[str, str], points: float) -> Outcome | None:
    if isinstance(fit, NoOrdinalModel):
        return None
    found = fit.contrast(*pair)
    return Outcome(found.p, found.estimate, found.low, found.high, points)


def sum_up(outcomes: Sequence[Outcome | None], raters: int, items: int, planted: float) -> Cell:
    """The shares of found and of covered effects.

    Args:
        planted: the difference of the two systems on the latent scale.
    """
    fitted = [outcome for outcome in outcomes if outcome is not None]
    hits = sum(outcome.p < ALPHA for outcome in fitted)
    with_interval = [outcome for outcome in fitted if np.isfinite(outcome.low)]
    held = sum(outcome.low <= planted <= outcome.high for outcome in with_interval)
    covered = _share(held, len(with_interval)) if with_interval else None
    points = float(np.mean([outcome.points for outcome in fitted])) if fitted else np.nan
    found, failed = _share(hits, len(outcomes)), len(outcomes) - len(fitted)
    return Cell(raters, items, len(outcomes), found, covered, failed, points)


def null_range(studies: int) -> tuple[int, int]:
    """How many of so many studies without an effect may have p below 0.05: the central 95 % of the binomial."""
    low, high = binom.interval(LEVEL, studies, ALPHA)
    return int(low), int(high)


def raters_needed(cells: Sequence[Cell], aim: float) -> dict[int, int | None]:
    """Number of items -> the fewest raters of those tried whose power reaches `aim`; None where none does."""
    needed: dict[int, int | None] = {}
    for cell in sorted(cells, key=lambda c: (c.items, c.raters)):
        needed.setdefault(cell.items, None)
        if needed[cell.items] is None and cell.found[0] >= aim:
            needed[cell.items] = cell.raters
    return needed


def power_sheet(cells: Sequence[Cell], caption: str) -> Sheet:
    """The cells as a table."""
    columns = {"items": "items", "count": "studies", "power": "found", "difference": "difference in points"}
    if any(cell.covered for cell in cells):
        columns["covered"] = "interval holds the effect"
    if any(cell.failed for cell in cells):
        columns["failed"] = "not fitted"
    lines = [
        Line(
            str(cell.raters),
            {"items": alone(cell.items), "count": alone(cell.studies), "power": cell.found,
             "difference": alone(cell.points), "covered": cell.covered, "failed": str(cell.failed)},
        )
        for cell in cells
    ]  # fmt: skip
    return Sheet("power", "Power by number of raters", columns, lines, "raters", caption)


def _share(hits: int, count: int) -> Figure:
    ends = binomtest(hits, count).proportion_ci(LEVEL)
    return hits / count, float(ends.low), float(ends.high)
