"""Room audio: a signal as a model hears it, and what a meter reads of it, in one pass over its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.blocks import Blocks, in_steps, resampled
from mixlab.audio.files import to_mono
from mixlab.audio.loudness import POWER_HOP_S, KMeter


@dataclass(frozen=True)
class Heard:
    """A signal as it is heard.

    Attributes:
        samples: mono (`to_mono`) at the model's rate, shape (samples,).
        k_power: K-weighted power at the signal's own rate and channels, as of `k_weighted_power`.
        duration_s: of the signal.
    """

    samples: NDArray[np.float32]
    k_power: NDArray[np.float64]
    duration_s: float


def hear(blocks: Blocks, sample_rate: int, model_rate: int) -> Heard:
    """Listen to a signal of one channel or two, which may be as long as it likes.

    Args:
        sample_rate: of the signal, in Hz.
        model_rate: at which it is heard, in Hz.
    """
    k_power: list[NDArray[np.float64]] = []
    frames = 0

    def measured() -> Iterator[NDArray[np.float32]]:
        nonlocal frames
        meter: KMeter | None = None
        for block in in_steps(blocks, round(POWER_HOP_S * sample_rate)):
            meter = meter or KMeter(sample_rate, block.shape[0])
            k_power.append(meter(block))
            frames += block.shape[1]
            yield to_mono(block)[None]

    heard = list(resampled(measured(), sample_rate, model_rate))
    return Heard(
        np.concatenate([np.zeros((1, 0), dtype=np.float32), *heard], axis=1)[0],
        np.concatenate([np.zeros(0), *k_power]),
        frames / sample_rate,
    )
