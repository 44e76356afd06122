"""the closed loop applies the advice to the faders and measures what error is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixlab.language.advice import Advice
from mixlab.scoring.bootstrap import RESAMPLES, Figure, SongBootstrap, flat_figures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions
from mixlab.synthesis.problem import GainError, Problem


@dataclass(frozen=True)
class ClosedLoop:
    """RMS gain error in dB that is left after the advice was applied, each a mean with its 95 % interval by song.

    Attributes:
        residual_db: over items with an error.
        harm_db: over balanced items, where doing nothing leaves 0 dB.
        do_nothing_residual_db: what doing nothing leaves on the items with an error.
    """

    residual_db: Figure
    harm_db: Figure
    do_nothing_residual_db: Figure

    def flat(self, prefix: str = "closed_loop") -> dict[str, float]:
        """``prefix/residual_db`` and so on, with ``_low`` and ``_high``; figures without items are left out."""
        return flat_figures(prefix, vars(self))


def residuals_db(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """RMS over the active non-anchor stems of (advised gain - needed gain) in dB, shape (items,).

    Balance is relative to the anchor: a move of the anchor itself shifts all other stems the other way. Moves of stems
    that are not in the segment do nothing, and a response that did not parse moves nothing.
    """
    return np.array([off_db(applied(p.problem, p.advice)) for p in predictions], dtype=np.float64)


def closed_loop(predictions: Sequence[Prediction], resamples: int = RESAMPLES, seed: int = 0) -> ClosedLoop:
    """Apply the advice on the headline items and measure what is left.

    Raises:
        ValueError: if there are no predictions.
    """
    predictions = headline_predictions(predictions)
    if not predictions:
        raise ValueError("there are no predictions, so there is no loop to close")
    faulty = np.array([bool(prediction.needed) for prediction in predictions])
    bootstrap = SongBootstrap([prediction.problem.work_id for prediction in predictions], resamples, seed)
    after, before = residuals_db(predictions), np.array([off_db(p.problem) for p in predictions])
    columns = (np.where(faulty, after, np.nan), np.where(faulty, np.nan, after), np.where(faulty, before, np.nan))
    return ClosedLoop(*(bootstrap.figure(column, is_share=False) for column in columns))


def applied(problem: Problem, advice: Advice | None) -> Problem:
    """The problem that is left once the faders are where the advice wants them: the same mix with other errors.

    Moves of stems that are not in the segment do nothing, and an advice of None (a response that could not be read)
    moves nothing. A stem that was moved has no category of error any more.
    """
    moves_db = {stem: gain_db for stem, gain_db in (advice or Advice()).gains_db.items() if stem in problem.stems}
    intact = [error for error in problem.errors if error.stem not in moves_db]
    # What rounding of floats leaves is no error.
    moved = [GainError(stem, round(problem.error_db(stem) + gain_db, 6)) for stem, gain_db in moves_db.items()]
    return replace(problem, errors=tuple(error for error in [*intact, *moved] if error.error_db != 0.0))


def off_db(problem: Problem) -> float:
    """RMS over the active stems beside the anchor of how far each is out of balance with the anchor, in dB."""
    if not problem.candidates:
        return 0.0
    return float(np.sqrt(np.mean(np.square([problem.excess_db(stem) for stem in problem.candidates]))))
