"""Who rates what in which order: items drawn evenly, a Latin square, hidden repeats; pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixlab.study.settings import Session

Kind = Literal["training", "main", "pair"]


@dataclass(frozen=True)
class Planned:
    """A trial of one participant.

    Attributes:
        item: index of the item among the study's.
        systems: one, or for a pair the two that are compared, in the order in which they are shown; none for an
            instructed trial and in a study where experts write the advice.
        instructed: the point that an instructed trial asks for.
        is_repeat: whether it was shown before.
    """

    kind: Kind
    item: int
    systems: tuple[str, ...] = ()
    instructed: int | None = None
    is_repeat: bool = False


def draw_evenly(candidates: Mapping[str, Sequence[Hashable]], count: int, rng: np.random.Generator) -> list[str]:
    """Choose items so that the levels of every axis come up about equally often, in an order drawn from `rng`.

    Args:
        candidates: item -> its level on each axis, such as (song, anchor, error category).
        count: how many; all where there are no more.

    Each choice is the candidate whose levels were chosen least so far, weighted by how far that is from an even share.
    """
    left = sorted(candidates)
    rng.shuffle(left)
    levels = [
        len({candidates[name][axis] for name in left}) for axis in range(len(next(iter(candidates.values()), ())))
    ]
    seen: Counter[tuple[int, Hashable]] = Counter()
    chosen: list[str] = []
    while left and len(chosen) < count:
        best = min(left, key=lambda name: sum(seen[axis, v] * levels[axis] for axis, v in enumerate(candidates[name])))
        left.remove(best)
        chosen.append(best)
        seen.update(enumerate(candidates[best]))
    return chosen


def williams_square(size: int) -> list[list[int]]:
    """A Latin square balanced for what comes just before (Williams 1949): rows of 0 to `size` - 1.

    Every row holds each number once, every column equally often, and each number follows each other one equally often
    over all rows; for an odd size that takes two squares, so 2 * size rows.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else size - k // 2 for k in range(1, size)]
    rows = [[(number + shift) % size for number in first] for shift in range(size)]
    return rows if size % 2 == 0 else rows + [row[::-1] for row in rows]


def plan(number: int, items: int, systems: Sequence[str], session: Session, seed: int) -> list[Planned]:
    """All trials of a participant, in order; the same for the same arguments.

    Args:
        number: of the participant, from 0.
        items: number of items; the last one is kept for training.
        systems: names of the systems; empty where experts write the advice themselves.
        session: its trials are a multiple of the number of systems, and at most items - 1.

    Within a participant every item comes once and every system equally often; over as many participants as there are
    systems every item is rated under every system. The order of systems follows the rows of `williams_square`.
    """
    rng = np.random.default_rng([seed, number])
    pool = items - 1
    training = Planned("training", pool, tuple(systems[:1]))
    size, trials = max(1, len(systems)), session.trials
    window = [(number // size * trials + index) % pool for index in range(trials)]
    if not systems:
        return [training, *(Planned("main", int(item)) for item in rng.permutation(window))]
    waiting: list[list[int]] = [[] for _ in systems]
    for index, item in enumerate(window):
        waiting[(index + number) % size].append(item)
    for row in waiting:
        rng.shuffle(row)
    square = williams_square(size)
    main = [
        Planned("main", waiting[system].pop(), (systems[system],))
        for block in range(trials // size)
        for system in square[(number + block) % len(square)]
    ]
    shown = _with_repeats(main, session.repeats, rng)
    for answer in session.instructed:
        # Not the very first or last trial, where attention is best.
        place = int(rng.integers(1, len(shown)))
        shown.insert(place, Planned("main", main[int(rng.integers(trials))].item, (), answer))
    return [training, *shown, *_pairs(systems, session.pairs, window, number, rng)]


def _with_repeats(main: Sequence[Planned], repeats: int, rng: np.random.Generator) -> list[Planned]:
    """Trials of the first half once more, in the second half and never within a quarter of the session."""
    shown = list(main)
    first = rng.permutation(max(1, len(main) // 2))[:repeats]
    for index in sorted(int(i) for i in first):
        low = min(len(main), index + max(2, len(main) // 2))
        again = main[index]
        shown.insert(int(rng.integers(low, len(shown) + 1)), Planned("main", again.item, again.systems, is_repeat=True))
    return shown


def _pairs(
    systems: Sequence[str], pairs: int, window: Sequence[int], number: int, rng: np.random.Generator
) -> list[Planned]:
    """Pairs of systems in turn over participants, each on an item of its own, in an order drawn by chance."""
    possible = [(a, b) for index, a in enumerate(systems) for b in systems[index + 1 :]]
    if not possible:
        return []
    items = rng.permutation(window)
    planned = []
    for index in range(pairs):
        shown = rng.permutation(possible[(number * pairs + index) % len(possible)])
        planned.append(Planned("pair", int(items[index % len(items)]), tuple(map(str, shown))))
    return planned
