"""Room training: how the levels of clips are drawn; gains here are no errors, since nothing says what is right."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mixlab.settings import LevelDbfs, PositiveCount, Settings, Share

RangeDb = Annotated[float, Field(ge=0.0, le=30.0)]


class DescribingProtocol(Settings):
    """How clips are drawn for describing.

    Attributes:
        questions: per sample.
        gain_range_db: half width of the uniform gain on a clip.
        gain_probability: share of samples in which clips get gains.
        master_range_db: half width of the uniform gain on all clips.
        level_dbfs: level that the segment's mixture is brought to before those gains.
        labelled_probability: share of samples whose clips carry their stems' names.
    """

    questions: PositiveCount
    gain_range_db: RangeDb
    gain_probability: Share
    master_range_db: RangeDb
    level_dbfs: LevelDbfs
    labelled_probability: Share

    def draw_common_db(self, rng: np.random.Generator) -> float:
        """The gain on all clips of a sample."""
        return float(rng.uniform(-self.master_range_db, self.master_range_db))

    def draw_gains_db(self, clips: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The gain on each clip of a sample, shape (clips,)."""
        if rng.uniform() >= self.gain_probability:
            return np.zeros(clips)
        return rng.uniform(-self.gain_range_db, self.gain_range_db, clips)
