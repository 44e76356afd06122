"""the closed loop over several steps: what is left after each, and whether it settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixlab.language.advice import Advice
from mixlab.scoring.bootstrap import RESAMPLES, Figure, SongBootstrap, flat_figures
from mixlab.scoring.closed_loop import applied, off_db
from mixlab.synthesis.problem import Problem

CONVERGED_DB = 1.0
"""A mix is settled where no more RMS error than this is left; the default protocol's advice comes in steps of 1 dB."""


@dataclass(frozen=True)
class LoopPath:
    """One mix on its way through the loop.

    Attributes:
        problem: as it was at first.
        advice: of each step in turn; None where a response could not be read, which moves nothing.
    """

    problem: Problem
    advice: tuple[Advice | None, ...]

    @property
    def residuals_db(self) -> list[float]:
        """RMS error over the stems beside the anchor before the first step and after each."""
        problem, residuals = self.problem, [off_db(self.problem)]
        for advice in self.advice:
            problem = applied(problem, advice)
            residuals.append(off_db(problem))
        return residuals

    @property
    def stopped_after(self) -> int | None:
        """Steps before the model first called the mix balanced; None where it never did."""
        return next((step for step, advice in enumerate(self.advice) if advice is not None and not advice.moves), None)

    @property
    def oscillates(self) -> bool:
        """Whether a stem was turned one way in a step and the other way in the next."""
        turns_db = [(advice or Advice()).gains_db for advice in self.advice]
        return any(
            gain_db * after.get(stem, 0.0) < 0
            for before, after in pairwise(turns_db)
            for stem, gain_db in before.items()
        )


@dataclass(frozen=True)
class LoopFigures:
    """What a loop of several steps leaves, over mixes with an error (residual) and balanced ones (harm), in dB.

    Attributes:
        residual_db, harm_db: before the first step (doing nothing) and after each; empty without such mixes.
        stopped_residual_db, stopped_harm_db: where each mix was left the first time that it was called balanced, or
            after the last step.
        shares: ``converged_share`` (at most `CONVERGED_DB` left at the end), ``oscillation_share`` (a stem went to and
            fro), ``stopped_share`` (called balanced at some step), over mixes with an error.
        drift_db: what is left at the end minus the least that was left on the way, over mixes with an error.
    """

    residual_db: tuple[Figure, ...]
    harm_db: tuple[Figure, ...]
    stopped_residual_db: Figure
    stopped_harm_db: Figure
    shares: Mapping[str, Figure]
    drift_db: Figure

    def flat(self, prefix: str) -> dict[str, float]:
        """``prefix/step_2/residual_db``, ``prefix/stopped/harm_db``, ``prefix/drift_db`` and so on."""
        named = {f"step_{step}/residual_db": figure for step, figure in enumerate(self.residual_db)}
        named |= {f"step_{step}/harm_db": figure for step, figure in enumerate(self.harm_db)}
        named |= {"stopped/residual_db": self.stopped_residual_db, "stopped/harm_db": self.stopped_harm_db}
        named |= {**self.shares, "drift_db": self.drift_db}
        return flat_figures(prefix, named)


def loop_figures(paths: Sequence[LoopPath], resamples: int = RESAMPLES, seed: int = 0) -> LoopFigures:
    """Figures over paths of the same number of steps.

    Raises:
        ValueError: if there are none, or their numbers of steps differ.
    """
    steps = {len(path.advice) for path in paths}
    if len(steps) != 1:
        raise ValueError(f"a loop needs paths of one length, got lengths {sorted(steps)}")
    bootstrap = SongBootstrap([path.problem.work_id for path in paths], resamples, seed)
    residuals = np.array([path.residuals_db for path in paths], dtype=np.float64)
    stops = [path.stopped_after for path in paths]
    stopped = np.array([row[-1 if stop is None else stop] for row, stop in zip(residuals, stops, strict=True)])
    faulty = np.array([bool(path.problem.needed_gains_db) for path in paths])

    def over(members: NDArray[np.bool_], values: NDArray[np.float64], is_share: bool = False) -> Figure:
        return bootstrap.figure(np.where(members, values, np.nan), is_share)

    outcomes = {
        "converged_share": residuals[:, -1] <= CONVERGED_DB,
        "oscillation_share": np.array([path.oscillates for path in paths]),
        "stopped_share": np.array([stop is not None for stop in stops]),
    }
    return LoopFigures(
        tuple(over(faulty, column) for column in residuals.T) if faulty.any() else (),
        tuple(over(~faulty, column) for column in residuals.T) if not faulty.all() else (),
        over(faulty, stopped),
        over(~faulty, stopped),
        {name: over(faulty, values.astype(np.float64), True) for name, values in outcomes.items()},
        over(faulty, residuals[:, -1] - residuals.min(axis=1)),
    )
