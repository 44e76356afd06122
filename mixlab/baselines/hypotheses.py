"""Room baselines: all that may be wrong with a mix under a protocol of errors, on a grid, with its probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.protocol import ErrorProtocol

STEPS_DB = (0.1, 0.25, 0.5, 1.0)
"""Step of the grid of gains where 1, 2, 3 or more of them are unknown at once."""


@dataclass(frozen=True)
class Hypotheses:
    """What may be wrong with a mix, sorted by class: balanced first, then by which stems are raised or lowered.

    Attributes:
        errors_db: error of each candidate relative to the anchor, shape (hypotheses, candidates).
        signs: of the same shape, 1 where it is too loud, -1 too quiet, 0 balanced, as errors in the deadband are.
        probabilities: shape (hypotheses,), summing to one.
        starts: the first hypothesis of each class, shape (classes,).
    """

    errors_db: NDArray[np.float64]
    signs: NDArray[np.int_]
    probabilities: NDArray[np.float64]
    starts: NDArray[np.int_]

    def members(self, index: int) -> slice:
        """The hypotheses of a class."""
        end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.probabilities)
        return slice(int(self.starts[index]), int(end))


def hypotheses(error: ErrorProtocol, candidates: int, steps_db: Sequence[float] = STEPS_DB) -> Hypotheses:
    """Everything that may be wrong with a mix of the anchor and so many candidates.

    Args:
        steps_db: of the grid where 1, 2, ... gains are unknown at once; the last holds for more.
    """
    blocks = (_relative if error.relative else _absolute)(error, candidates, steps_db)
    errors_db = np.concatenate([block for block, _ in blocks])
    probabilities = np.concatenate([weights for _, weights in blocks])
    # "Nothing is wrong" gets the lowest code, so that it wins a draw.
    low_db, high_db = error.deadband_db
    signs = np.sign(errors_db - np.clip(errors_db, low_db, high_db)).astype(int)
    codes = signs % 3 @ 3 ** np.arange(candidates)[::-1]
    order = np.lexsort((*errors_db.T, codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return Hypotheses(errors_db[order], signs[order], probabilities[order] / probabilities.sum(), starts)


Block = tuple[NDArray[np.float64], NDArray[np.float64]]


def _absolute(error: ErrorProtocol, candidates: int, steps_db: Sequence[float]) -> list[Block]:
    """Errors on one or several candidates, each from a category of its own."""
    balanced = sum(entry.probability for entry in error.categories.values() if entry.is_balanced)
    blocks = _balanced(error, candidates, balanced, _step_db(1, steps_db))
    faulty = {name: p * (1.0 - balanced) for name, p in error.fault_probabilities.items() if p > 0}
    if not faulty:
        return blocks
    numbers = np.zeros(candidates + 1)
    for number, probability in enumerate(error.faulty_stems or (1.0,), start=1):
        numbers[min(number, candidates)] += probability
    for number in range(1, candidates + 1):
        if numbers[number] == 0:
            continue
        step_db = _step_db(number, steps_db)
        grids = [_grid(*error.categories[name].range_db, step_db) for name in faulty]
        gains_db = np.concatenate(grids)
        shares = np.concatenate(
            [
                np.full(grid.size, p / (1.0 - balanced) / grid.size)
                for grid, p in zip(grids, faulty.values(), strict=True)
            ]
        )
        chosen = np.array(list(product(gains_db, repeat=number)))
        weights = np.prod(np.array(list(product(shares, repeat=number))), axis=1)
        for stems in combinations(range(candidates), number):
            block = np.zeros((len(chosen), candidates))
            block[:, stems] = chosen
            blocks.append((block, weights * (1.0 - balanced) * numbers[number] / comb(candidates, number)))
    return blocks


def _balanced(error: ErrorProtocol, candidates: int, probability: float, step_db: float) -> list[Block]:
    """No error, or where there is a deadband one in it on any candidate."""
    low_db, high_db = error.deadband_db
    if low_db == high_db:
        return [(np.zeros((1, candidates)), np.array([probability]))]
    gains_db = _grid(low_db, high_db, step_db)
    block = np.asarray(np.kron(np.eye(candidates), gains_db[:, None]), dtype=np.float64)
    return [(block, np.full(len(block), probability / len(block)))]


def _relative(error: ErrorProtocol, candidates: int, steps_db: Sequence[float]) -> list[Block]:
    """A category for each stem, the anchor first; stems of one category share its gain."""
    likely = [name for name, probability in error.probabilities.items() if probability > 0]
    blocks = []
    for drawn in product(likely, repeat=candidates + 1):
        unknown = [name for name in dict.fromkeys(drawn) if not error.categories[name].is_balanced]
        step_db = _step_db(len(unknown), steps_db)
        grids = [_grid(*error.categories[name].range_db, step_db) for name in unknown]
        gains_db = np.array(list(product(*grids)), dtype=np.float64)
        columns = [gains_db[:, unknown.index(name)] if name in unknown else np.zeros(len(gains_db)) for name in drawn]
        probability = np.prod([error.probabilities[name] for name in drawn])
        blocks.append(
            (np.stack(columns[1:], axis=1) - columns[0][:, None], np.full(len(gains_db), probability / len(gains_db)))
        )
    return blocks


def _step_db(unknown: int, steps_db: Sequence[float]) -> float:
    return steps_db[min(max(unknown, 1), len(steps_db)) - 1]


def _grid(low_db: float, high_db: float, step_db: float) -> NDArray[np.float64]:
    """The middles of equal cells of a range."""
    width_db = high_db - low_db
    cells = max(1, round(width_db / step_db))
    return low_db + (np.arange(cells) + 0.5) * width_db / cells


def weighted_median(values: Sequence[float] | NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The median of `values` under `weights`, both of shape (values,)."""
    values = np.asarray(values)
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[order])
    return float(values[order][int(np.searchsorted(cumulated, cumulated[-1] / 2.0))])
