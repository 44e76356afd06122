"""axes that figures are told apart by: prompt, stem, anchor, size and category of error, genre."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.problem import Problem, PromptCategory

SIZE_STEP_DB = 3.0
"""Width of the bins of the size of an error."""

BALANCED = "balanced"
"""Name of the group of items without an error."""

Masks = dict[str, NDArray[np.bool_]]


def _by_names(names_of: Callable[[Problem], Iterable[str]]) -> Callable[[Sequence[Problem]], Masks]:
    """Groups by names, in alphabetical order; an item belongs to the group of each of its names."""

    def masks(problems: Sequence[Problem]) -> Masks:
        named = [set(names_of(problem)) for problem in problems]
        return {name: np.array([name in names for names in named]) for name in sorted(set().union(*named))}

    return masks


def _by_prompt(problems: Sequence[Problem]) -> Masks:
    return {
        str(category): np.array([problem.prompt_category is category for problem in problems])
        for category in PromptCategory
    }


def _by_stem(problems: Sequence[Problem]) -> Masks:
    found = _by_names(lambda problem: problem.needed_gains_db or (BALANCED,))(problems)
    return dict(sorted(found.items(), key=lambda group: group[0] == BALANCED))


def _by_size(problems: Sequence[Problem]) -> Masks:
    return _size_groups([max(map(abs, problem.needed_gains_db.values()), default=0.0) for problem in problems])


AXES: dict[str, Callable[[Sequence[Problem]], Masks]] = {
    "prompt_category": _by_prompt,
    "faulty_stem": _by_stem,
    "anchor": _by_names(lambda problem: (problem.anchor,)),
    "size_db": _by_size,
    "error_category": _by_names(lambda problem: problem.error_category.split("+")),
    "genre": _by_names(lambda problem: (problem.genre or "unknown",)),
}
"""Each axis with what tells which items belong to which group; an item with several errors belongs to several."""


def _size_groups(sizes_db: Sequence[float]) -> dict[str, NDArray[np.bool_]]:
    """Bins of `SIZE_STEP_DB` that cover the errors in the data; a bin holds its lower edge, the last one both."""
    sizes = np.asarray(sizes_db, dtype=np.float64)
    groups = {BALANCED: sizes == 0}
    faulty = sizes[sizes > 0]
    if faulty.size == 0:
        return groups
    first = math.floor(faulty.min() / SIZE_STEP_DB)
    last = max(first + 1, math.ceil(faulty.max() / SIZE_STEP_DB))
    for index in range(first, last):
        low, high = index * SIZE_STEP_DB, (index + 1) * SIZE_STEP_DB
        inside = (sizes >= low) & ((sizes <= high) if index == last - 1 else (sizes < high)) & (sizes > 0)
        groups[f"{low:g}-{high:g}"] = inside
    return groups
