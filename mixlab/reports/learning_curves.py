"""How settings learn: joint accuracy in validation against steps, examples and time, over their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixlab.reports.sheets import Line, Sheet, alone
from mixlab.reports.sweep_table import Setting
from mixlab.runs.folder import RunFolder
from mixlab.scoring.bootstrap import Figure

SCORE = "val/joint_accuracy"
COSTS = {"step_count": "steps", "example_count": "examples", "minutes": "minutes"}
"""What a curve may be drawn against."""
LAST = 1 / 3
"""Over this share of its steps, the last ones, a curve still rises or does not."""


@dataclass(frozen=True)
class LearningCurve:
    """The validations that all runs of a setting have, and how each run went on to its own last one.

    Attributes:
        costs: name of `COSTS` -> of each validation, the mean over runs; without what a log does not hold.
        scores: of each validation, the mean over runs with the least and the greatest.
        ends: by run, the steps after which it was validated last.
        rises: by run, the last score minus the one before the last third of its steps; runs with both.
    """

    label: str
    costs: Mapping[str, Sequence[float]]
    scores: Sequence[Figure]
    ends: Sequence[int]
    rises: Sequence[float]


def learning_curves(settings: Sequence[Setting]) -> list[LearningCurve]:
    """The curve of each setting whose runs were validated after the same steps at least once."""
    found = []
    for setting in settings:
        runs = [_validations(swept.run) for swept in setting.runs]
        steps = sorted(set.intersection(*(set(run) for run in runs)))
        if not steps:
            continue
        scores = [[run[step][SCORE] for run in runs] for step in steps]
        costs = {name: [[run[step][name] for run in runs if name in run[step]] for step in steps] for name in COSTS}
        known = {name: rows for name, rows in costs.items() if all(len(row) == len(runs) for row in rows)}
        found.append(
            LearningCurve(
                setting.label,
                {name: [sum(row) / len(row) for row in rows] for name, rows in known.items()},
                [(sum(row) / len(row), min(row), max(row)) for row in scores],
                [max(run) for run in runs],
                [rise for run in runs if (rise := _rise(run)) is not None],
            )
        )
    return found


def learning_sheet(curves: Sequence[LearningCurve]) -> Sheet:
    """A line a setting and validation, with what the curves allow to be said of the settings."""
    lines = [
        Line(curve.label, {name: alone(curve.costs[name][i]) for name in curve.costs} | {"joint_accuracy": score})
        for curve in curves
        for i, score in enumerate(curve.scores)
    ]
    columns = {name: heading for name, heading in COSTS.items() if any(name in line.cells for line in lines)}
    headings = columns | {"joint_accuracy": "joint, validation"}
    caption = f"Mean over seeds with the least and the greatest of them; minutes include validation. {said(curves)}"
    return Sheet("learning", "Learning curves", headings, lines, "setting", caption)


def said(curves: Sequence[LearningCurve]) -> str:
    """At how many steps a verdict holds, and which curves still rose there."""
    ends = sorted({end for curve in curves for end in curve.ends})
    if not ends:
        return ""
    if len(ends) == 1:
        where = f"All runs ended after {ends[0]} steps: what is said of the settings holds at that count alone."
    else:
        where = (
            f"Runs ended after {ends[0]} to {ends[-1]} steps: compare settings at equal steps, examples or time, and "
            "not where they ended."
        )
    rising = [
        f"{curve.label} ({sum(curve.rises) / len(curve.rises):+.3f})"
        for curve in curves
        if len(curve.rises) == len(curve.ends) and min(curve.rises) > 0
    ]
    how = f"in all runs of {', '.join(rising)}" if rising else "in all runs of no setting"
    return (
        f"{where} Over the last third of the steps the score still rose {how}. A longer run is not the same curve "
        "drawn on, since its learning rate falls later."
    )


def _validations(run: RunFolder) -> dict[int, dict[str, float]]:
    """By steps taken, what the log of a run says of each validation with a score."""
    found: dict[int, dict[str, float]] = {}
    for row in run.curve:
        if SCORE in row and "step" in row:
            # Lightning counts steps from zero.
            steps = int(row["step"]) + 1
            costs = {"step_count": float(steps), SCORE: row[SCORE]}
            if "cost/examples" in row and "cost/s" in row:
                costs |= {"example_count": row["cost/examples"], "minutes": row["cost/s"] / 60.0}
            found[steps] = costs
    return found


def _rise(run: Mapping[int, Mapping[str, float]]) -> float | None:
    """How far the score rose over the last third of the steps; None where no validation lies before that."""
    last = max(run)
    before = [steps for steps in run if steps <= (1 - LAST) * last]
    return run[last][SCORE] - run[max(before)][SCORE] if before else None
