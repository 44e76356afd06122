"""Simulated raters with known effects; no person's answers, and never to be taken for them.

A rating is drawn from the ordinal model that the analysis fits: on a latent scale of log odds, the effect of the
system, of the rater, of the item, of the advice (a system on an item), of taste (a rater on a system), and logistic
noise; four thresholds cut it into five points. Part of the noise is the rater's view of this advice, which no model can
tell from chance in one answer, and which comes back where the same is asked again. Careless raters answer by chance,
instructed items too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import logistic, norm

from mixlab.study.settings import POINTS, Truth


class Raters:
    """A population of simulated raters: their answers are a function of the seed and of what is asked.

    Args:
        truth: what is planted.
        seed: of every draw.
    """

    def __init__(self, truth: Truth, seed: int) -> None:
        self.truth = truth
        self._seed = seed

    def is_careless(self, rater: str) -> bool:
        return self._draw("careless", rater).random() < self.truth.careless_share

    def rate(self, rater: str, item: str, system: str, criterion: str, again: bool = False) -> int:
        """The point, 1 to 5, that a rater gives; part of the noise is drawn anew when the same is asked again."""
        rng = self._draw("noise", rater, item, system, criterion, str(again))
        if self.is_careless(rater):
            return int(rng.integers(1, len(POINTS) + 1))
        truth = self.truth
        view = self._draw("view", rater, item, system, criterion).standard_normal()
        noise = _noise(np.array(view), np.array(rng.standard_normal()), truth.view_share)
        latent = truth.effects[criterion][system] + float(noise)
        who = {"rater": (rater,), "item": (item,), "advice": (item, system), "taste": (rater, system)}
        for name, of in who.items():
            latent += getattr(truth, f"{name}_sd") * float(self._draw(name, *of, criterion).standard_normal())
        return int(_points(np.array(latent), truth.thresholds))

    def follow(self, rater: str, item: str, criterion: str, asked: int) -> int:
        """The point given where an instructed item asks for one."""
        rng = self._draw("instructed", rater, item, criterion)
        return int(rng.integers(1, len(POINTS) + 1)) if self.is_careless(rater) else asked

    def prefer(self, rater: str, item: str, first: str, second: str) -> str:
        """Which of two systems a rater prefers, by the first criterion."""
        criterion = next(iter(self.truth.effects))
        a, b = (self.rate(rater, item, name, criterion, again=True) for name in (first, second))
        return first if a > b else second if b > a else (first, second)[int(self._draw("tie", rater, item).integers(2))]

    def _draw(self, *names: str) -> np.random.Generator:
        digest = sha256("\0".join(names).encode()).digest()
        return np.random.default_rng([self._seed, *np.frombuffer(digest[:16], dtype=np.uint32).tolist()])


def _noise(view: NDArray[np.float64], fresh: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Logistic noise out of two standard normal parts, of which the first has a share of the variance."""
    mixed = np.sqrt(share) * view + np.sqrt(1.0 - share) * fresh
    return np.asarray(logistic.ppf(norm.cdf(mixed)))


def _points(latent: NDArray[np.float64], thresholds: Sequence[float]) -> NDArray[np.int_]:
    return 1 + np.searchsorted(np.asarray(thresholds), latent)


def latin(raters: int, items: int, systems: int, trials: int) -> Iterator[tuple[int, int, int]]:
    """(rater, item, system) of every trial: a rater meets every item once, all systems equally often.

    Windows of items and turns of systems are those of `study.design.plan`.
    """
    for rater in range(raters):
        for index in range(trials):
            yield rater, (rater // systems * trials + index) % items, (index + rater) % systems


def draw_points(
    truth: Truth, criterion: str, raters: int, items: int, trials: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Ratings of a whole study by one criterion, drawn at once: ``rating``, ``system``, ``participant``, ``item``."""
    systems = truth.systems
    rater, item, system = np.array(list(latin(raters, items, len(systems), trials))).T
    effects = np.array([truth.effects[criterion][name] for name in systems])
    latent = (
        effects[system]
        + truth.rater_sd * rng.standard_normal(raters)[rater]
        + truth.item_sd * rng.standard_normal(items)[item]
        + truth.advice_sd * rng.standard_normal((items, len(systems)))[item, system]
        + truth.taste_sd * rng.standard_normal((raters, len(systems)))[rater, system]
        + rng.logistic(size=len(rater))
    )
    names = {"participant": [f"p{number:03d}" for number in rater], "item": [f"item{number:03d}" for number in item]}
    return pd.DataFrame({"rating": _points(latent, truth.thresholds), "system": np.array(systems)[system], **names})


def draw_repeats(
    truth: Truth, raters: int, repeats: int, criteria: int, rng: np.random.Generator
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and second answers to trials that are shown twice, each of shape (raters, repeats, criteria).

    Systems are drawn by chance, with the effects of the truth's first criterion; criteria are independent.
    """
    effects = np.array(list(next(iter(truth.effects.values())).values()))
    shape = (raters, repeats, criteria)
    latent = rng.choice(effects, (raters, repeats, 1)) + truth.rater_sd * rng.standard_normal((raters, 1, criteria))
    for sd in (truth.item_sd, truth.advice_sd, truth.taste_sd):
        latent = latent + sd * rng.standard_normal(shape)
    view = rng.standard_normal(shape)
    first, again = (
        _points(latent + _noise(view, rng.standard_normal(shape), truth.view_share), truth.thresholds) for _ in range(2)
    )
    return first, again
