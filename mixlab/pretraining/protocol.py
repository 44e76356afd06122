"""Room pretraining: how the levels of clips are drawn; gains here are no errors, since nothing says what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DescribingProtocol:
    """How clips are drawn for describing.

    Attributes:
        questions: per sample.
        gain_range_db: half width of the uniform gain on a clip.
        gain_probability: share of samples in which clips get gains.
        master_range_db: half width of the uniform gain on all clips.
        level_dbfs: level that the segment's mixture is brought to before those gains.
        labelled_probability: share of samples whose clips carry their stems' names.
    """

    questions: int = 8
    gain_range_db: float = 8.0
    gain_probability: float = 0.85
    master_range_db: float = 18.0
    level_dbfs: float = -32.0
    labelled_probability: float = 0.5

    def draw_common_db(self, rng: np.random.Generator) -> float:
        """The gain on all clips of a sample."""
        return float(rng.uniform(-self.master_range_db, self.master_range_db))

    def draw_gains_db(self, clips: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The gain on each clip of a sample, shape (clips,)."""
        if rng.uniform() >= self.gain_probability:
            return np.zeros(clips)
        return rng.uniform(-self.gain_range_db, self.gain_range_db, clips)
