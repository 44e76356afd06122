"""Room evaluation: the ceiling of a listener: what nobody can pass who hears a clip, or several of one song.

A clip does not have the balance of its genre: songs depart from it, and clips from their songs. How far is estimated
from the training songs, and Bayes' decision simulated for a listener who measures loudness without error and knows what
is usual in the genre. It stands on two assumptions: that departures are normal, and alike in all genres.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import invwishart

from mixlab.baselines.bayes import gaussian_log_likelihood, hypotheses_of
from mixlab.baselines.hypotheses import Hypotheses
from mixlab.baselines.levels import Levels, UsualLevels, usual_levels
from mixlab.multitrack.segments import Segment, group_by_song, heard_together
from mixlab.scoring.bootstrap import Figure, percentile_interval
from mixlab.scoring.results import HEARD
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import ErrorProtocol

STEPS_DB = (0.25, 1.0, 2.0)
"""Steps of the grid of gains where 1, 2, 3 or more are unknown at once."""

CLIPS = 8000
"""Simulated clips of a ceiling."""

CLIPS_OF_INTERVAL = 600
"""Simulated clips of each of the ceilings that an interval is made of, the same ones for all of them."""

COVARIANCES = 100
"""How many covariances that the training songs allow an interval is made of."""

TOO_FEW = (
    "There is no ceiling of a listener: it is estimated from how far training songs depart from their genre, and no "
    "genre has two of them in which the asked stems can be heard."
)

SEVERAL_MIXES = (
    "There is no ceiling of a listener, nor a best Bayes: these songs have several mixes, an error "
    "begins beyond what their mixers did, and how far that is in a song nobody was told."
)


def ceilings(segments: Sequence[Segment], problems: Sequence[Problem], error: ErrorProtocol) -> dict[str, Figure]:
    """The joint accuracy that the best listener reaches, by how many segments of a song are heard (see `HEARD`).

    Args:
        segments: of training songs, unmodified.
        problems: that are asked; of them, only which stems can be heard beside which anchor.
        error: how errors are drawn.

    Returns:
        Figures whose 95 % intervals hold how uncertain the spread of songs is from so many of them; empty where there
        are too few: none where no genre has two songs. Empty as well where songs have several mixes, whose spread moves
        the errors of each song.
    """
    if any(problem.work for problem in problems):
        return {}
    anchors = {problem.anchor for problem in problems}
    usual = {anchor: usual_levels(_levels(segments, 1), anchor) for anchor in anchors}
    # A stem that no training song has beside the anchor is left out: nobody knows how loud it should be.
    there = [(p.anchor, tuple(sorted({*p.candidates}.intersection(usual[p.anchor].stems)))) for p in problems]
    asked = Counter((anchor, stems) for anchor, stems in there if stems)
    if not asked or any(found.spare < 1 for found in usual.values()):
        return {}
    found = {"joint_accuracy": _ceiling(asked, usual, error)}
    for name, heard in HEARD.items():
        if heard is None:
            found[name] = _ceiling(asked, usual, error, within=False)
        elif heard > 1:
            levels = _levels(segments, heard)
            found[name] = _ceiling(asked, {anchor: usual_levels(levels, anchor) for anchor in anchors}, error)
    return found


def _levels(segments: Sequence[Segment], heard: int) -> list[Levels]:
    """What is measured of a song at so many segments, for every one of them with those that are heard with it."""
    found = []
    for song_id, own in group_by_song(segments).items():
        for first in own:
            chosen = heard_together(first, own, heard)
            lufs = {stem: float(np.mean([segment.lufs[stem] for segment in chosen])) for stem in first.lufs}
            found.append(Levels(song_id, first.genre or "", lufs))
    return found


def best_joint_accuracy(covariance: NDArray[np.float64], known: Hypotheses, clips: int = CLIPS, seed: int = 0) -> float:
    """The joint accuracy of Bayes' decision on deviations that are normal around the errors.

    Args:
        covariance: of the stems of a balanced mix in dB^2, shape (stems, stems).
        known: what may be wrong with them.
        clips: how many are simulated.
        seed: the same one gives the same clips but for the covariance, so that ceilings can be compared.

    Returns:
        The mean over clips of the posterior probability of the most probable class.
    """
    rng = np.random.default_rng(seed)
    # Evenly spaced quantiles have every hypothesis as often as it should be.
    quantiles = (np.arange(clips) + rng.uniform()) / clips
    drawn = np.minimum(np.searchsorted(np.cumsum(known.probabilities), quantiles), len(known.probabilities) - 1)
    noise = rng.standard_normal((clips, len(covariance))) @ np.linalg.cholesky(covariance).T
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    with np.errstate(divide="ignore"):
        prior = np.log(known.probabilities)
    best = []
    for part in np.array_split(known.errors_db[drawn] + noise, max(1, clips * len(prior) // 2_000_000)):
        log_joint = gaussian_log_likelihood(part, known.errors_db, precision)
        log_joint += prior
        log_joint -= log_joint.max(axis=1, keepdims=True)
        weights = np.exp(log_joint.astype(np.float32))  # four times as fast as in double precision
        best.append(np.add.reduceat(weights, known.starts, axis=1).max(axis=1) / weights.sum(axis=1))
    return float(np.concatenate(best).mean())


def _ceiling(
    asked: Counter[tuple[str, tuple[str, ...]]],
    usual: dict[str, UsualLevels],
    error: ErrorProtocol,
    within: bool = True,
) -> Figure:
    value, trials = 0.0, np.zeros(COVARIANCES)
    for (anchor, stems), count in asked.items():
        known = hypotheses_of(error, stems, STEPS_DB)
        covariance, share = usual[anchor].covariance(stems, within), count / asked.total()
        found = best_joint_accuracy(covariance, known)
        value += share * found
        first = best_joint_accuracy(covariance, known, CLIPS_OF_INTERVAL)
        others = [
            best_joint_accuracy(other, known, CLIPS_OF_INTERVAL)
            for other in possible_covariances(covariance, usual[anchor].spare)
        ]
        trials += share * (found + np.array(others) - first)
    low, high = percentile_interval(trials)
    return value, min(low, value), max(high, value)


def possible_covariances(covariance: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """Covariances that an estimate with so many degrees of freedom allows, shape (COVARIANCES, stems, stems).

    They are drawn from an inverse Wishart distribution whose variances are those of the classical interval: the
    estimate times the degrees of freedom over a chi-square variable.
    """
    stems, root = len(covariance), np.linalg.cholesky(covariance)
    drawn = invwishart.rvs(freedom + stems - 1, freedom * np.eye(stems), size=COVARIANCES, random_state=0)
    return np.asarray(root @ drawn.reshape(COVARIANCES, stems, stems) @ root.T)
