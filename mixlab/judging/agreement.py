"""How far scores agree: a judge's draws with each other, a judge with people, people with each other."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from mixlab.judging.annotations import Rating

POINTS = [1, 2, 3, 4, 5]

Text = tuple[str, str]
"""An item and whose text on it."""


@dataclass(frozen=True)
class Agreement:
    """How far two scores of the same texts agree; NaN where that cannot be told.

    Attributes:
        kappa: Cohen's kappa with quadratic weights (Cohen 1968): 1 for the same scores, 0 for chance.
        same: the share of pairs with the same score.
        spearman: rank correlation.
        pairs: pairs of scores.
    """

    kappa: float
    same: float
    spearman: float
    pairs: int

    def flat(self, name: str) -> dict[str, float]:
        """``name/kappa``, ... without what could not be told."""
        values = {"kappa": self.kappa, "same": self.same, "spearman": self.spearman, "pairs": float(self.pairs)}
        return {f"{name}/{key}": value for key, value in values.items() if np.isfinite(value)}


def agreement(pairs: Iterable[tuple[float, float]]) -> Agreement:
    """The agreement of pairs of scores from 1 to 5; kappa and share take them to the nearest point."""
    array = np.array(list(pairs), dtype=np.float64).reshape(-1, 2)
    array = array[np.isfinite(array).all(axis=1)]
    if not len(array):
        return Agreement(float("nan"), float("nan"), float("nan"), 0)
    points = np.clip(np.floor(array + 0.5), 1, 5).astype(int)
    same = float((points[:, 0] == points[:, 1]).mean())
    kappa = spearman = float("nan")
    with warnings.catch_warnings():
        # Where one side gives always the same score nothing can be told, which NaN says already.
        warnings.simplefilter("ignore")
        if len(np.unique(points)) > 1:
            kappa = float(cohen_kappa_score(points[:, 0], points[:, 1], labels=POINTS, weights="quadratic"))
        if len(array) > 2 and all(len(np.unique(column)) > 1 for column in array.T):
            spearman = float(spearmanr(array[:, 0], array[:, 1]).statistic)
    return Agreement(kappa, same, spearman, len(array))


def between_draws(scores: NDArray[np.float64]) -> Agreement:
    """The agreement of draws with each other, over all pairs of them.

    Args:
        scores: shape (texts, draws), NaN where missing.
    """
    return agreement(
        (float(text[a]), float(text[b])) for text in scores for a, b in combinations(range(scores.shape[1]), 2)
    )


def with_people(judged: Mapping[Text, float], ratings: Sequence[Rating], criterion: str) -> tuple[Agreement, Agreement]:
    """The judge against each person, and person against person, on the texts that were rated by a criterion.

    Both compare single people's scores, so that the second says what can be expected of the first.

    Args:
        judged: the judge's score of each text.
    """
    people: dict[Text, list[int]] = defaultdict(list)
    for rating in ratings:
        if rating.criterion == criterion:
            people[rating.item, rating.subject].append(rating.score)
    against = agreement(
        (judged[text], float(score)) for text, scores in people.items() if text in judged for score in scores
    )
    # Either of two people may stand first: both orders, so that the raters' order in the file changes nothing.
    among = agreement(pair for scores in people.values() for pair in permutations(map(float, scores), 2))
    return against, Agreement(among.kappa, among.same, among.spearman, among.pairs // 2)
