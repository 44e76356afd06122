"""Who is left out by rules that were fixed beforehand, and whom they would leave out, told before anybody takes part.

Nobody is left out for disagreeing with the planted wrong advice, or for any opinion on any system: only for missing
what an instructed item says in so many words, or for being as far from their own first answers as chance would be.

The second rule takes its threshold from the scale: two points drawn by chance lie 1.6 apart on average, and the sum
over all repeats and criteria has a known distribution. Whoever lies as far apart as chance does in most cases has given
nothing that can be compared. Few repeats tell gross failure alone: to show that a rater is better than chance, as
ITU-R BS.2300 asks of assessors, takes many more of them, and would drop people who are honest and unsure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from mixlab.study.answers import Answers
from mixlab.study.raters import draw_repeats
from mixlab.study.settings import POINTS, Rules, Truth

DRAWS = 20_000
"""Honest raters that are simulated."""


@dataclass(frozen=True)
class Exclusions:
    """Who is left out: rule -> participants; someone may break both."""

    by_rule: dict[str, list[str]]

    @property
    def participants(self) -> list[str]:
        """All of them, each once."""
        return sorted({name for names in self.by_rule.values() for name in names})


@dataclass(frozen=True)
class Repeats:
    """How a participant's hidden repeats went: `points` is the sum of the distances of `ratings` in `trials`."""

    trials: int
    ratings: int
    points: int


def exclusions(answers: Answers, rules: Rules) -> Exclusions:
    """Apply the rules."""
    most = rules.instructed_most_wrong
    missed = sorted(name for name, count in missed_instructed(answers).items() if count > most)
    by_rule = {f"more than {most} instructed items missed": missed}
    if rules.repeat_chance is not None:
        by_rule[f"hidden repeats farther off than {100 * rules.repeat_chance:g} % of chance"] = sorted(
            name for name, found in repeats(answers).items() if is_as_by_chance(found, rules)
        )
    return Exclusions(by_rule)


def is_as_by_chance(found: Repeats, rules: Rules) -> bool:
    """Whether a participant's repeats are too far away."""
    if rules.repeat_chance is None or found.trials < rules.repeat_fewest:
        return False
    return found.points >= fewest_points(found.ratings, rules.repeat_chance)


def fewest_points(ratings: int, share: float) -> int:
    """The smallest sum of distances of so many ratings below which chance stays with a probability of at least `share`;
    one more than there can be, where there is none.
    """
    below = np.concatenate([[0.0], np.cumsum(chance_distances(ratings))])
    return int(np.searchsorted(below, share - 1e-12))


def chance_distances(ratings: int) -> NDArray[np.float64]:
    """The probability of each sum of distances, from 0, of so many pairs of points drawn by chance."""
    size = len(POINTS)
    single = np.array([size, *(2.0 * (size - distance) for distance in range(1, size))]) / size**2
    total = np.ones(1)
    for _ in range(ratings):
        total = np.convolve(total, single)
    return total


def missed_instructed(answers: Answers) -> dict[str, int]:
    """Participant -> how many instructed items were missed; those who saw none are left out."""
    rows = answers.ratings[answers.ratings["is_instructed"] == 1]
    wrong = rows.assign(wrong=rows["rating"] != rows["instructed_answer"])
    trial = ["participant", "item", "instructed_answer"]
    by_trial = wrong.groupby(trial)["wrong"].any().groupby("participant").sum()
    return {str(name): int(count) for name, count in by_trial.items()}


def repeats(answers: Answers) -> dict[str, Repeats]:
    """Participant -> how far the hidden repeats lie from the first answers."""
    keys = ["participant", "item", "system", "criterion"]
    rows = answers.ratings[answers.ratings["is_instructed"] == 0]
    again = rows[rows["is_repeat"] == 1][[*keys, "rating"]]
    pairs = again.merge(answers.main[[*keys, "rating"]], on=keys, suffixes=("_again", ""))
    pairs["points"] = (pairs["rating_again"] - pairs["rating"]).abs()
    return {
        str(name): Repeats(len(of.drop_duplicates(["item", "system"])), len(of), int(of["points"].sum()))
        for name, of in pairs.groupby("participant")
    }


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
    passes = float(binom.cdf(allowed, instructed, 1.0 - passed))
    honest, unsteady = (
        _left_out(rules, truth.but(view_share=share), repeats, criteria, seed) for share in (truth.view_share, 0.0)
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
