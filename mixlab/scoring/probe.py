"""what a probe found: figures by method, each with its interval by song."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixlab.scoring.bootstrap import Figure, SongBootstrap, flat_figures

DIFFERENCES = ("drop", "gain")
"""Figures of probes that are differences of two shares; all others are shares, or in dB by their names."""


@dataclass(frozen=True)
class Probe:
    """What one probe found: figures by method, the model's under an empty name."""

    name: str
    title: str
    """What people read above it: the question that it asks."""
    caption: str
    """What has to be known to read it."""
    items: int
    songs: int
    figures: Mapping[tuple[str, str], Figure]
    """(method, figure) -> value and interval."""

    def flat(self, prefix: str) -> dict[str, float]:
        """``probe/claim_swap/stays``, ``probe/claim_swap/text_only/stays``, each with ``_low`` and ``_high``."""
        flat = {f"{prefix}/{self.name}/items": float(self.items), f"{prefix}/{self.name}/songs": float(self.songs)}
        named = {"/".join(part for part in key if part): figure for key, figure in self.figures.items()}
        return flat | flat_figures(f"{prefix}/{self.name}", named)


def probe_of(
    name: str,
    title: str,
    caption: str,
    songs: Sequence[str],
    figures: Mapping[str, Mapping[str, ArrayLike]],
    resamples: int,
) -> Probe:
    """A probe from figures of each item: method -> figure -> one value per item, NaN where it does not apply."""
    bootstrap = SongBootstrap(songs, resamples)
    found = {
        (method, figure): bootstrap.figure(column, figure not in DIFFERENCES and not figure.endswith("_db"))
        for method, values in figures.items()
        for figure, column in values.items()
        if np.isfinite(np.asarray(column, dtype=np.float64)).any()
    }
    return Probe(name, title, caption, len(songs), bootstrap.song_count, found)
