"""Room baselines: what is heard of clips beside their level: level-free statistics of log-mel, one block a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import ListenedItem

BANDS = 16
"""Bands that neighbouring mels are averaged into."""

Statistics = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From the features of a clip, shape (mels, frames), to a vector."""


class Slots:
    """A place for every clip in one vector an item: that of its stem, or its position where clips sum several stems.

    Args:
        items: whose clips have a place; clips of other stems are left out later.
        statistics: of one clip.
        hears_anchor: whether clips that hold the anchor have a place.
    """

    def __init__(self, items: Sequence[ListenedItem], statistics: Statistics, hears_anchor: bool = True) -> None:
        self.statistics, self.hears_anchor = statistics, hears_anchor
        self._by_position = any(len(stems) > 1 for item in items for stems in item.clip_stems)
        self.names = sorted({name for item in items for name, _ in self._clips(item)})

    def table(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """Shape (items, slots, statistics); all NaN where an item lacks a clip."""
        width = self.statistics(np.zeros((items[0].log_mel.shape[1], 1))).size
        table = np.full((len(items), len(self.names), width), np.nan)
        for row, item in zip(table, items, strict=True):
            for name, clip in self._clips(item):
                if name in self.names:
                    row[self.names.index(name)] = self.statistics(clip.astype(np.float64))
        return table

    def _clips(self, item: ListenedItem) -> list[tuple[str, NDArray[np.float32]]]:
        """The clips of an item that are heard, each with the name of its slot."""
        return [
            (str(position) if self._by_position else stems[0], clip)
            for position, (stems, clip) in enumerate(zip(item.clip_stems, item.log_mel, strict=True))
            if self.hears_anchor or item.problem.anchor not in stems
        ]


def timbre(clip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean and deviation over frames of each band of log-mel, less the mean of all: (mels, frames) -> (2 * bands,).

    A gain on the clip adds a constant to its log-mel, so these do not tell it.
    """
    edges = np.linspace(0, len(clip), min(BANDS, len(clip)) + 1).astype(int)
    bands = np.add.reduceat(clip, edges[:-1]) / np.diff(edges)[:, None]
    return np.concatenate([bands.mean(axis=1) - bands.mean(), bands.std(axis=1)])
