"""Room audio: a signal as a model hears it, and what a meter reads of it, in one pass over its blocks.

Loudness has two scales. As it is played: BS.1770 of the signal at its own rate and channels, for people, pages and
norms. As it is heard: BS.1770 of the model's clip, for the model and its rivals. docs/ARCHITECTURE.md ("How things are
measured") says which figure is on which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mixlab.audio.blocks import Blocks, in_steps, resampled
from mixlab.audio.files import to_mono
from mixlab.audio.levels import FLOOR_DBFS
from mixlab.audio.loudness import POWER_HOP_S, KMeter

MONO_LOSS_DB = 4.0
"""Channels cancel each other where their mono has this much less power; 3 dB is what strangers to each other lose."""

OFFSET_SHARE = 1e-3
"""A constant offset (DC) with a larger share of a channel's power than this, 0.004 dB, is taken away..."""

OFFSET_REST_S, OFFSET_BELOW_DB = 0.5, 60.0
"""... and one that is most of what sounds for so long in rests, down to so far below the channel's level."""

OFFSET_CORNER_HZ = 2.0


@dataclass(frozen=True)
class Heard:
    """A signal as it is heard.

    Attributes:
        samples: mono (`to_mono`) at the model's rate, shape (samples,).
        k_power: K-weighted power at the signal's own rate and channels, as of `k_weighted_power`.
        channels: of the signal, 1 or 2.
        duration_s: of the signal.
        mono_loss_db: by how much the power of the mono is below the mean of the channels'; infinite where it is silent.
        had_offset: whether a constant offset (DC) was taken away before anything was measured or heard.
    """

    samples: NDArray[np.float32]
    k_power: NDArray[np.float64]
    channels: int
    duration_s: float
    mono_loss_db: float
    had_offset: bool = False

    def k_power_in(self, channels: int) -> NDArray[np.float64]:
        """`k_power` in a mix of that many channels: a mono signal sounds from both sides of a stereo mix."""
        return self.k_power * (channels / self.channels)


def hear(signal: Callable[[], Blocks], sample_rate: int, model_rate: int) -> Heard:
    """Listen to a signal of one channel or two, which may be as long as it likes.

    A constant offset (DC), which nobody hears, is neither measured nor heard: without it a signal gives what the same
    signal gives that never had one, to 0.01 dB. A signal without an offset is heard bit for bit as it is.

    Args:
        signal: gives its blocks from the start, once more where it has an offset.
        sample_rate: of the signal, in Hz.
        model_rate: at which it is heard, in Hz.
    """
    heard, has_offset = _hear(signal(), sample_rate, model_rate)
    if not has_offset:
        return heard
    return replace(_hear(_without_offset(signal(), sample_rate), sample_rate, model_rate)[0], had_offset=True)


def _hear(blocks: Blocks, sample_rate: int, model_rate: int) -> tuple[Heard, bool]:
    """What is heard of a signal as it is, and whether it has an offset."""
    readings = _Readings(sample_rate)
    mono = list(resampled(readings.taken(blocks), sample_rate, model_rate))
    samples = np.concatenate([np.zeros((1, 0), dtype=np.float32), *mono], axis=1)[0]
    k_power = np.concatenate([np.zeros(0), *readings.k_power])
    duration_s = readings.frames / sample_rate
    return Heard(samples, k_power, readings.channels, duration_s, readings.mono_loss_db), readings.has_offset


class _Readings:
    """What is measured of a signal on its way into mono."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate, self.frames, self.channels = sample_rate, 0, 1
        self.k_power: list[NDArray[np.float64]] = []
        self._energy, self._mono_energy = 0.0, 0.0
        self._means: list[NDArray[np.float64]] = []
        self._powers: list[NDArray[np.float64]] = []

    def taken(self, blocks: Blocks) -> Iterator[NDArray[np.float32]]:
        """The signal in mono."""
        meter: KMeter | None = None
        hop = round(POWER_HOP_S * self.sample_rate)
        for block in in_steps(blocks, hop):
            exact, mono, starts = block.astype(np.float64), to_mono(block), np.arange(0, block.shape[1], hop)
            meter = meter or KMeter(self.sample_rate, block.shape[0])
            self.k_power.append(meter(exact))
            sums, squares = np.add.reduceat(exact, starts, axis=1), np.add.reduceat(exact**2, starts, axis=1)
            lengths = np.diff([*starts, mono.size])
            self._means.append(sums / lengths)
            self._powers.append(squares / lengths)
            self.frames, self.channels = self.frames + mono.size, block.shape[0]
            self._energy += float(squares.sum()) / self.channels
            self._mono_energy += float(np.sum(np.square(mono, dtype=np.float64)))
            yield mono[None]

    @property
    def mono_loss_db(self) -> float:
        """As in `Heard`; 0 where there is nothing to lose."""
        if self._energy <= self.frames * 10.0 ** (FLOOR_DBFS / 10.0):
            return 0.0
        return 10.0 * math.log10(self._energy / self._mono_energy) if self._mono_energy else math.inf

    @property
    def has_offset(self) -> bool:
        """Whether a channel has a constant offset that shows in its level or, in rests, as activity."""
        if not self.frames:
            return False
        means, powers = np.concatenate(self._means, axis=1), np.concatenate(self._powers, axis=1)
        level = powers.mean(axis=1)
        everywhere = means.mean(axis=1) ** 2 > OFFSET_SHARE * level
        in_rests = (means**2 > 0.5 * powers) & (means**2 > 10.0 ** (-OFFSET_BELOW_DB / 10.0) * level[:, None])
        return bool(np.any(everywhere | (in_rests.sum(axis=1) * POWER_HOP_S >= OFFSET_REST_S)))


def _without_offset(blocks: Blocks, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """A signal after a high-pass of first order at `OFFSET_CORNER_HZ`, which starts at the offset, so without a click.

    Not the mean taken away, since an offset may come and go with the regions of a track.
    """
    pole = float(np.exp(-2.0 * np.pi * OFFSET_CORNER_HZ / sample_rate))
    b, a = np.array([1.0, -1.0]) * (1.0 + pole) / 2.0, np.array([1.0, -pole])
    state: NDArray[np.float64] | None = None
    for block in in_steps(blocks, round(POWER_HOP_S * sample_rate)):
        if state is None:
            start = block[:, : round(POWER_HOP_S * sample_rate)].mean(axis=1, keepdims=True, dtype=np.float64)
            state = b[1] * start
        passed, state = scipy.signal.lfilter(b, a, block.astype(np.float64), axis=1, zi=state)
        yield passed.astype(np.float32)
