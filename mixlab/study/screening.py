"""Room study: whom the rules of exclusion would leave out, before anybody takes part: a clicker, and honest raters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb

import numpy as np

from mixlab.study.exclusions import Repeats, Rules, chance_distances, fewest_points, is_as_by_chance
from mixlab.study.raters import Truth, draw_repeats
from mixlab.study.schema import POINTS

DRAWS = 20_000
"""Honest raters that are simulated."""


@dataclass(frozen=True)
class Screening:
    """What the rules do in sessions of one size; shares are probabilities of being left out.

    Attributes:
        mean_points: the mean distance of the hidden repeats from which on a rater is left out; None: nobody is by them.
        clicker_repeats, clicker: who answers everything by chance: by the repeats alone, and by both rules.
        honest: who answers as `Truth` assumes.
        unsteady: an honest rater of whose view nothing comes back in a repeat, so that all noise is drawn anew.
    """

    mean_points: float | None
    clicker_repeats: float
    clicker: float
    honest: float
    unsteady: float


def screening(rules: Rules, truth: Truth, repeats: int, criteria: int, instructed: int, seed: int) -> Screening:
    """Exact for the clicker, simulated for honest raters, who miss no instructed item.

    Args:
        repeats, criteria, instructed: trials shown again, scales of each, and instructed items of a session.
    """
    ratings = repeats * criteria
    judged = rules.repeat_chance is not None and ratings > 0 and repeats >= rules.repeat_fewest
    fewest = fewest_points(ratings, rules.repeat_chance) if judged and rules.repeat_chance is not None else None
    by_repeats = float(chance_distances(ratings)[fewest:].sum()) if fewest is not None else 0.0
    # An instructed item is passed where every scale has the point that was asked for.
    passed = float(len(POINTS)) ** -criteria
    allowed = min(rules.instructed_most_wrong, instructed)
    passes = sum(
        comb(instructed, wrong) * (1.0 - passed) ** wrong * passed ** (instructed - wrong)
        for wrong in range(allowed + 1)
    )
    honest, unsteady = (
        _left_out(rules, replace(truth, view_share=share), repeats, criteria, seed) for share in (truth.view_share, 0.0)
    )
    mean_points = None if fewest is None else fewest / ratings
    return Screening(mean_points, by_repeats, 1.0 - passes * (1.0 - by_repeats), honest, unsteady)


def _left_out(rules: Rules, truth: Truth, repeats: int, criteria: int, seed: int) -> float:
    """The share of honest raters whose repeats are too far away."""
    if repeats * criteria == 0:
        return 0.0
    first, again = draw_repeats(truth, DRAWS, repeats, criteria, np.random.default_rng(seed))
    points, counts = np.unique(np.abs(first - again).sum(axis=(1, 2)), return_counts=True)
    gone = [is_as_by_chance(Repeats(repeats, repeats * criteria, int(sum_)), rules) for sum_ in points]
    return float(counts[gone].sum() / DRAWS)
