"""Room audio: a signal as a model hears it, and what a meter reads of it, in one pass over its blocks.

Loudness has two scales. As it is played: BS.1770 of the signal at its own rate and channels, for people, pages and
norms. As it is heard: BS.1770 of the model's clip, for the model and its rivals. docs/ARCHITECTURE.md ("How things are
measured") says which figure is on which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.blocks import Blocks, in_steps, resampled
from mixlab.audio.files import to_mono
from mixlab.audio.loudness import POWER_HOP_S, KMeter

MONO_LOSS_DB = 4.0
"""Channels cancel each other where their mono has this much less power; 3 dB is what strangers to each other lose."""


@dataclass(frozen=True)
class Heard:
    """A signal as it is heard.

    Attributes:
        samples: mono (`to_mono`) at the model's rate, shape (samples,).
        k_power: K-weighted power at the signal's own rate and channels, as of `k_weighted_power`.
        channels: of the signal, 1 or 2.
        duration_s: of the signal.
        mono_loss_db: by how much the power of the mono is below the mean of the channels'; infinite where it is silent.
    """

    samples: NDArray[np.float32]
    k_power: NDArray[np.float64]
    channels: int
    duration_s: float
    mono_loss_db: float

    def k_power_in(self, channels: int) -> NDArray[np.float64]:
        """`k_power` in a mix of that many channels: a mono signal sounds from both sides of a stereo mix."""
        return self.k_power * (channels / self.channels)


def hear(blocks: Blocks, sample_rate: int, model_rate: int) -> Heard:
    """Listen to a signal of one channel or two, which may be as long as it likes.

    Args:
        sample_rate: of the signal, in Hz.
        model_rate: at which it is heard, in Hz.
    """
    meter: KMeter | None = None
    k_power = [np.zeros(0)]
    frames, channels = 0, 1
    energy = energy_of_mono = 0.0

    def measured() -> Iterator[NDArray[np.float32]]:
        nonlocal meter, frames, channels, energy, energy_of_mono
        for block in in_steps(blocks, round(POWER_HOP_S * sample_rate)):
            channels = block.shape[0]
            meter = meter or KMeter(sample_rate, channels)
            k_power.append(meter(block))
            mono = to_mono(block)
            frames += mono.size
            energy += _energy(block) / channels
            energy_of_mono += _energy(mono)
            yield mono[None]

    samples = np.concatenate(
        [np.zeros((1, 0), dtype=np.float32), *resampled(measured(), sample_rate, model_rate)], axis=1
    )
    with np.errstate(divide="ignore"):
        loss_db = 10.0 * float(np.log10(energy) - np.log10(energy_of_mono)) if energy > 0.0 else 0.0
    return Heard(samples[0], np.concatenate(k_power), channels, frames / sample_rate, loss_db)


def _energy(samples: NDArray[np.float32]) -> float:
    return float(np.sum(np.square(samples, dtype=np.float64)))
