"""Room baselines: the timbre of all clips of an item as one vector, with a place for each clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import ListenedItem


class Slots:
    """A place for every clip in one vector an item: that of its stem, or its position where clips sum several stems.

    Args:
        items: whose clips have a place; clips of other stems are left out later.
        hears_anchor: whether clips that hold the anchor have a place.
    """

    def __init__(self, items: Sequence[ListenedItem], hears_anchor: bool = True) -> None:
        self.hears_anchor = hears_anchor
        self._by_position = any(len(stems) > 1 for item in items for stems in item.clip_stems)
        self.names = sorted({name for item in items for name, _ in self._clips(item)})

    def table(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """The timbre of every clip, shape (items, slots, statistics); all NaN where an item lacks a clip."""
        table = np.full((len(items), len(self.names), items[0].timbres.shape[1]), np.nan)
        for row, item in zip(table, items, strict=True):
            for name, heard in self._clips(item):
                if name in self.names:
                    row[self.names.index(name)] = heard
        return table

    def _clips(self, item: ListenedItem) -> list[tuple[str, NDArray[np.float64]]]:
        """The timbre of the clips of an item that are heard, each with the name of its slot."""
        return [
            (str(position) if self._by_position else stems[0], heard)
            for position, (stems, heard) in enumerate(zip(item.clip_stems, item.timbres, strict=True))
            if self.hears_anchor or item.problem.anchor not in stems
        ]
