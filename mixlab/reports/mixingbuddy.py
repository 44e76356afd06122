"""The predecessor's five tables, laid out as in its paper, beside what it published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.reports.sheets import Line, Sheet, alone, document
from mixlab.scoring.metrics import TOLERANCE_DB, outcomes
from mixlab.scoring.prediction import Prediction

TITLES = {
    "overall": "Overall performance",
    "tasks": "False positives, false negatives, precision, recall and F1",
    "categories": "By error category",
    "target_stems": "By target stem",
    "directions": "By direction type",
}
"""The five tables, in the order of the paper."""

CANDIDATES = (
    "Targets are vocals, drums and bass and never the anchor, so that two stems are left for an item: guessing among "
    "the five answers (either stem, up or down, or balanced) is jointly right in 20 %, and so is "
    "calling every mix balanced."
)
COUNTS = ("N", "FP", "FN")
"""Columns that hold numbers of items; all others are in per cent."""

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class ProtocolTable:
    """One of the paper's tables: shares in per cent, counts as numbers; None where a cell does not apply.

    `rows` holds what was measured, `published` the row of the same name in the paper.
    """

    name: str
    columns: tuple[str, ...]
    rows: dict[str, Values]
    published: dict[str, Values]

    def flat(self, prefix: str) -> dict[str, float]:
        """``prefix/categories/very_loud/both`` and so on: shares between 0 and 1, counts as they are."""
        flat: dict[str, float] = {}
        for row, values in self.rows.items():
            for column, value in zip(self.columns, values, strict=True):
                if value is not None:
                    key = f"{prefix}/{self.name}/{_key(row)}/{_key(column)}"
                    flat[key] = value if column in COUNTS else value / 100.0
        return flat

    def sheet(self) -> Sheet:
        """Each measured row, and below it the row of the paper."""
        columns = {_key(name) + ("_count" if name in COUNTS else "_percent"): name for name in self.columns}
        lines = []
        for row, values in self.rows.items():
            for label, found, kind in ((row, values, ""), ("published", self.published.get(row), "aside")):
                if found is not None:
                    cells = [None if value is None else alone(value) for value in found]
                    lines.append(Line(label, dict(zip(columns, cells, strict=True)), kind))
        return Sheet(f"mixingbuddy_{self.name}", TITLES[self.name], columns, lines)


@cache
def published() -> Any:
    """The content of ``mixingbuddy.yaml``: the protocol and the published tables."""
    text = resources.files("mixlab.reports").joinpath("mixingbuddy.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def protocol_tables(predictions: Sequence[Prediction]) -> list[ProtocolTable]:
    """The five tables of these predictions.

    A balanced item without a target of its own counts in the table by target stem with equal shares for all targets
    but its anchor, which is what a target drawn at random comes to.

    Raises:
        ValueError: if an item has several errors, or one on a stem or of a category that the protocol lacks.
    """
    items = _Items(predictions)
    measured = {
        "overall": {"all items": items.shares(np.ones(len(predictions)))},
        "tasks": items.tasks(),
        "categories": items.breakdown(items.categories, "categories"),
        "target_stems": items.breakdown(items.targets, "target_stems"),
        "directions": items.breakdown(items.directions, "directions"),
    }
    return [
        ProtocolTable(name, tuple(paper["columns"]), rows, {row: tuple(said) for row, said in paper["rows"].items()})
        for name, rows in measured.items()
        for paper in (published()[name],)
    ]


class _Items:
    """Outcomes of all items, and their membership in the rows of each table, as weights of shape (items,)."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            _check(prediction)
        table = outcomes(predictions)
        self.both, self.stem, self.direction = (
            table[name] for name in ("joint_accuracy", "stem_accuracy", "direction_accuracy")
        )
        needed = [prediction.problem.needed_gains_db for prediction in predictions]
        self.faulty = np.array([bool(gains_db) for gains_db in needed])
        self.moved = np.array([bool(prediction.advised) for prediction in predictions])
        self.magnitude = np.array([_magnitude(prediction) for prediction in predictions])
        names = [p.problem.error_category.replace("_", " ") for p in predictions]
        up = np.array([any(gain_db > 0 for gain_db in gains_db.values()) for gains_db in needed])
        self.categories = {
            row: ~self.faulty if row == "no error" else self.faulty & np.array([name == row for name in names])
            for row in _rows("categories")
        }
        self.directions = {"increase": up, "decrease": self.faulty & ~up, "no error": ~self.faulty}
        weights = [_target_weights(prediction) for prediction in predictions]
        self.targets = {
            stem: np.array([weight.get(stem, 0.0) for weight in weights]) for stem in published()["targets"]
        }

    def shares(self, weights: NDArray[Any]) -> Values:
        """N, Both, Stem, Dir. and Mag. of the items of these weights."""
        columns = (self.both, self.stem, self.direction, self.magnitude)
        return (float(round(weights.sum())), *(_mean(column, weights) for column in columns))

    def breakdown(self, members: dict[str, NDArray[Any]], name: str) -> dict[str, Values]:
        """The rows of a table that have items, in the paper's order, and their unweighted mean."""
        rows = {row: self.shares(members[row]) for row in _rows(name) if members[row].any()}
        columns = list(zip(*rows.values(), strict=True))[1:]
        macro = [[value for value in column if value is not None] for column in columns]
        return rows | {"macro avg.": (None, *(float(np.mean(values)) if values else None for values in macro))}

    def tasks(self) -> dict[str, Values]:
        """FP, FN, precision, recall and F1 of the three tasks; the head of ``mixingbuddy.yaml`` says what counts."""
        faulty, moved = self.faulty, self.moved
        missed = int((faulty & ~moved).sum())
        stem, direction = faulty & (self.stem == 1), faulty & (self.direction == 1)
        false_alarms = int((~faulty & moved).sum())
        return {
            "error detection": _rates(int((faulty & moved).sum()), false_alarms, missed),
            "stem identification": _rates(int(stem.sum()), int((faulty & moved & ~stem).sum()), missed),
            "direction prediction": _rates(
                int(direction.sum()),
                int((faulty & moved & ~direction).sum()) + int((~faulty & (self.both == 0)).sum()),
                missed,
            ),
        }


def _rows(name: str) -> list[str]:
    return [row for row in published()[name]["rows"] if row != "macro avg."]


def _check(prediction: Prediction) -> None:
    """Raise ValueError where an item is none of the protocol's."""
    problem, needed = prediction.problem, prediction.problem.needed_gains_db
    category = problem.error_category
    fits = len(needed) <= 1 and set(needed) <= set(published()["targets"])
    if not fits or (needed and category not in published()["magnitudes_db"]):
        raise ValueError(
            f"item {problem.item_id!r} (category {category!r}, needed gains {needed}) is none of the predecessor's "
            "protocol, which has one error of its four categories on vocals, drums or bass"
        )


def _magnitude(prediction: Prediction) -> float:
    """Whether the size of the advised move lies in the range of the item's category; NaN for a balanced item."""
    if not prediction.needed:
        return float("nan")
    low, high = published()["magnitudes_db"][prediction.problem.error_category]
    sizes = [abs(move.gain_db) for move in (prediction.advice.moves if prediction.advice else ())]
    return float(len(sizes) == 1 and low - TOLERANCE_DB <= sizes[0] <= high + TOLERANCE_DB)


def _target_weights(prediction: Prediction) -> dict[str, float]:
    problem = prediction.problem
    named = [error.stem for error in problem.errors]
    possible = named or [stem for stem in published()["targets"] if stem != problem.anchor and stem in problem.stems]
    return {stem: 1.0 / len(possible) for stem in possible}


def _mean(values: NDArray[np.float64], weights: NDArray[Any]) -> float | None:
    """The mean in per cent where the outcome applies; None where it applies nowhere."""
    applies = np.where(np.isfinite(values), weights, 0.0)
    if applies.sum() == 0:
        return None
    return float(100.0 * np.nansum(values * applies) / applies.sum())


def _rates(right: int, wrong: int, missed: int) -> Values:
    """FP, FN, and precision, recall and F1 in per cent."""
    parts = ((right, right + wrong), (right, right + missed), (2 * right, 2 * right + wrong + missed))
    return float(wrong), float(missed), *(100.0 * part / whole if whole else None for part, whole in parts)


def _key(name: str) -> str:
    return name.rstrip(".").replace(" ", "_").replace(".", "").lower()


def tables_markdown(tables: Sequence[ProtocolTable]) -> str:
    """The tables as Markdown, with what they are and where the published figures come from."""
    return f"{about()}\n\n{document([table.sheet() for table in tables], '###')}"


def about() -> str:
    """What stands beside the tables."""
    return f"{CANDIDATES} In per cent; published: {published()['source']}, on other items than these."
