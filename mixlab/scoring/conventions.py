"""conventions: does the advice bring a mix closer to what training songs of its genre do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.language.advice import Advice
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import UNKNOWN_GENRE, UsualBalance
from mixlab.scoring.bootstrap import RESAMPLES, Figure, SongBootstrap, flat_figures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions
from mixlab.synthesis.problem import Problem

STATES = ("original", "before", "after")
"""The mix as its makers left it, with the injected errors, and with the advice followed."""


@dataclass(frozen=True)
class Conventions:
    """Figures of conventions, each with its 95 % interval by song; NaN where one applies to no item.

    - ``original_lu``, ``before_lu``, ``after_lu``: over the stems beside the anchor, the RMS
      distance of their loudness above the anchor from the mean of the genre's training songs. Songs differ, so that
      not even the original is at zero; an advice that beats it has made the song more ordinary than it was.
    - ``original_deviations``, ...: the same in standard deviations of the genre's songs.
    - ``closer_lu``: ``before_lu`` minus ``after_lu``; above zero the advice brings the mix closer.
    - ``closer_share``: the share of items with advice to move something that it brings closer.
    """

    items: int
    figures: Mapping[str, Figure]
    genres: Mapping[str, Conventions]
    """The same for the items of each genre; empty within a genre, or where they were not asked for."""

    def flat(self, prefix: str = "conventions") -> dict[str, float]:
        """``prefix/closer_lu``, ``prefix/genre=rock/closer_lu`` and so on, with ``_low`` and ``_high``."""
        flat = {f"{prefix}/items": float(self.items)} | flat_figures(prefix, self.figures)
        for genre, found in self.genres.items():
            flat |= found.flat(f"{prefix}/genre={genre}")
        return flat


def conventions(
    predictions: Sequence[Prediction],
    segment_of: Callable[[Problem], Segment],
    usual: UsualBalance,
    resamples: int = RESAMPLES,
    seed: int = 0,
    by_genre: bool = True,
) -> Conventions | None:
    """How close the headline items are to what is usual, before and after their advice.

    Args:
        segment_of: tells the segment of an item, with the loudness of its unmodified stems.
        usual: the balance of the training songs.
        by_genre: whether each genre gets figures of its own.

    Returns:
        None where nothing usual is known of any item.
    """
    kept, rows = [], []
    for prediction in headline_predictions(predictions):
        problem = prediction.problem
        found = _distances(prediction, segment_of(problem), usual)
        if found is not None:
            kept.append(prediction)
            rows.append(found)
    if not kept:
        return None
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    songs = [prediction.problem.work_id for prediction in kept]
    genres = np.array([prediction.problem.genre or UNKNOWN_GENRE for prediction in kept])
    groups = {}
    for genre in sorted(set(genres.tolist())) if by_genre else ():
        members = np.flatnonzero(genres == genre)
        part = {name: column[members] for name, column in columns.items()}
        groups[genre] = Conventions(
            len(members), _figures(part, [songs[member] for member in members], resamples, seed), {}
        )
    return Conventions(len(kept), _figures(columns, songs, resamples, seed), groups)


def _figures(
    columns: Mapping[str, NDArray[np.float64]], songs: Sequence[str], resamples: int, seed: int
) -> dict[str, Figure]:
    bootstrap = SongBootstrap(songs, resamples, seed)
    return {name: bootstrap.figure(column, name == "closer_share") for name, column in columns.items()}


def _distances(prediction: Prediction, segment: Segment, usual: UsualBalance) -> dict[str, float] | None:
    """The outcomes of one item; None where nothing usual is known of its stems."""
    problem, advice = prediction.problem, prediction.advice or Advice()
    away_lu: dict[str, list[float]] = {state: [] for state in STATES}
    spread_lu, lufs = [], segment.lufs_played
    for stem in problem.candidates:
        spread = usual.of(problem.genre, problem.anchor, stem)
        if spread is None:
            continue
        original = lufs[stem] - lufs[problem.anchor] - spread.mean_lu
        before = original + problem.relative_error_db(stem)
        after = before + advice.gain_db(stem) - advice.gain_db(problem.anchor)
        for state, value in zip(STATES, (original, before, after), strict=True):
            away_lu[state].append(value)
        spread_lu.append(spread.deviation_lu)
    if not spread_lu:
        return None
    distances = {f"{state}_lu": _rms(np.array(values)) for state, values in away_lu.items()}
    deviations = {
        f"{state}_deviations": _rms(np.array(values) / np.array(spread_lu)) for state, values in away_lu.items()
    }
    closer_lu = distances["before_lu"] - distances["after_lu"]
    is_moved = away_lu["before"] != away_lu["after"]
    return (
        distances
        | deviations
        | {"closer_lu": closer_lu, "closer_share": float(closer_lu > 0) if is_moved else float("nan")}
    )


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
