"""Segments without audio, for the draws."""

from collections.abc import Callable

import numpy as np
import pytest

from mixlab.multitrack.segments import Segment


def _segment(*stems: str, mixture_dbfs: float = -18.0, song_id: str = "song") -> Segment:
    stems = stems or ("bass", "drums", "other", "vocals")
    lufs, active_ratio = dict.fromkeys(stems, -20.0), dict.fromkeys(stems, 1.0)
    return Segment(song_id, "train", "jazz", 3.0, 10.0, stems, mixture_dbfs, lufs=lufs, active_ratio=active_ratio)


@pytest.fixture(scope="session")
def segment() -> Callable[..., Segment]:
    """Builds a segment with the given active stems."""
    return _segment


def _stems(segment: Segment, seed: int = 0, samples: int = 160000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {stem: (0.1 * rng.standard_normal(samples)).astype(np.float32) for stem in segment.stems}


@pytest.fixture(scope="session")
def noise_stems() -> Callable[..., dict[str, np.ndarray]]:
    """Ten seconds of noise for each stem of a segment."""
    return _stems
