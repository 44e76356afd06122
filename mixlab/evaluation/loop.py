"""Room evaluation: the closed loop over several steps, each another round of synthesis and of advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mixlab.items.settings import HeldoutSettings
from mixlab.language.advice import Advice
from mixlab.scoring.closed_loop import applied
from mixlab.scoring.loop_path import LoopFigures, LoopPath, loop_figures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import LevelProtocol
from mixlab.synthesis.seeds import generator

Ask = Callable[[Sequence[Problem]], Sequence[Prediction]]
"""Makes problems audible and has them answered, by a model or a baseline, in their order."""


def close_loop(first: Sequence[Prediction], ask: Ask, steps: int, level: LevelProtocol, seed: int) -> list[LoopPath]:
    """Follow the advice on the headline items and ask again, `steps` times in all; nobody stops a mix on its way.

    Every step is heard at another master level, as nothing else would set a mix that was called balanced apart from
    its last hearing; which one is a function of (seed, item, step) alone.

    Args:
        first: answers to the items as they are, so that one step costs nothing.
        ask: for the advice on what is left.
        level: the range of the master level.
        seed: of the master levels, ``evaluation.seed``.

    Raises:
        ValueError: if `steps` is below 1, or there are no predictions.
    """
    first = headline_predictions(first)
    if steps < 1 or not first:
        raise ValueError(f"a loop needs a step and an item, got {steps} and {len(first)}")
    problems = [prediction.problem for prediction in first]
    advice: list[list[Advice | None]] = [[prediction.advice] for prediction in first]
    for step in range(2, steps + 1):
        problems = [
            _heard_anew(applied(problem, said[-1]), step, level, seed)
            for problem, said in zip(problems, advice, strict=True)
        ]
        for said, prediction in zip(advice, ask(problems), strict=True):
            said.append(prediction.advice)
    return [LoopPath(prediction.problem, tuple(said)) for prediction, said in zip(first, advice, strict=True)]


def loops(
    first: Mapping[str, Sequence[Prediction]],
    asked: Mapping[str, Ask],
    steps: int,
    heldout: HeldoutSettings,
    resamples: int,
) -> dict[str, LoopFigures]:
    """The closed loop of several methods, by name; empty where there is one step only, which needs no asking.

    Args:
        first: answers to the items as they are, by method.
        asked: the methods that go on.
        heldout: has the range of the master level, and the seed.
    """
    return {
        name: loop_figures(close_loop(first[name], ask, steps, heldout.level, heldout.seed), resamples)
        for name, ask in asked.items()
        if steps > 1
    }


def _heard_anew(problem: Problem, step: int, level: LevelProtocol, seed: int) -> Problem:
    rng = generator(seed, "closed loop", problem.item_id, step)
    master_gain_db = float(rng.uniform(-level.master_range_db, level.master_range_db))
    return replace(problem, master_gain_db=master_gain_db)
