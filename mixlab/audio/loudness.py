"""Room audio: loudness after ITU-R BS.1770-4, from block powers that can be summed over any segment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.signal
from numpy.typing import NDArray
from pyloudnorm import Meter

from mixlab.audio.blocks import Blocks, in_steps, resampled
from mixlab.audio.files import BLOCK_FRAMES
from mixlab.audio.levels import amplitude_to_db

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
POWER_HOP_S = 0.1
"""Step of the power track: the 400 ms blocks of BS.1770 overlap by 75 %, so they are sums of four hops."""

_OFFSET_LUFS = -0.691
_HOPS_PER_BLOCK = 4


def k_weighted_power(signal: NDArray[np.floating], sample_rate: int) -> NDArray[np.float64]:
    """Mean square of the K-weighted signal in hops of `POWER_HOP_S`, summed over channels.

    The filters are pyloudnorm's (BS.1770-4, annex 1, re-derived for the sample rate). A gain of g dB on the signal
    multiplies the result by 10**(g/10), so a stem is measured once and errors are added afterwards.

    Args:
        signal: shape (channels, samples); left, right and centre weigh the same, more channels are not told apart.
        sample_rate: in Hz.

    Returns:
        Shape (hops,); a last incomplete hop is dropped.
    """
    meter = KMeter(sample_rate, signal.shape[0])
    return np.concatenate([np.zeros(0), *(meter(block) for block in in_steps(_cut(signal), meter.hop))])


class KMeter:
    """`k_weighted_power` of a signal that comes in blocks of whole hops; a shorter block gives nothing."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.hop = sample_rate, round(POWER_HOP_S * sample_rate)
        self._stages = [(stage.b, stage.a) for stage in Meter(sample_rate)._filters.values()]
        self._states = [np.zeros((channels, len(b) - 1)) for b, _ in self._stages]

    def __call__(self, block: NDArray[np.floating]) -> NDArray[np.float64]:
        weighted = np.asarray(block, dtype=np.float64)
        for number, (b, a) in enumerate(self._stages):
            weighted, self._states[number] = scipy.signal.lfilter(b, a, weighted, axis=-1, zi=self._states[number])
        return mean_square(weighted, self.sample_rate, POWER_HOP_S)


def mean_square(signal: NDArray[np.floating], sample_rate: int, hop_s: float) -> NDArray[np.float64]:
    """Mean square in hops of `hop_s` seconds, summed over channels: shape (channels, samples) to (hops,)."""
    hop = round(hop_s * sample_rate)
    count = signal.shape[-1] // hop
    frames = np.asarray(signal, dtype=np.float64)[:, : count * hop].reshape(signal.shape[0], count, hop)
    return np.mean(frames**2, axis=-1).sum(axis=0)


def integrated_lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gated loudness in LUFS of tracks of K-weighted power (BS.1770-4, 400 ms blocks, gates at -70 LUFS and -10 LU).

    Args:
        power: shape (..., hops), as from `k_weighted_power`.

    Returns:
        Shape (...): minus infinity where no block passes the absolute gate or the track is shorter than a block.
    """
    if power.shape[-1] < _HOPS_PER_BLOCK:
        return np.full(power.shape[:-1], -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(power, _HOPS_PER_BLOCK, axis=-1)
    blocks = windows.mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        loud = _OFFSET_LUFS + 10 * np.log10(blocks)
        kept = loud > ABSOLUTE_GATE_LUFS
        relative = _OFFSET_LUFS + 10 * np.log10(_masked_mean(blocks, kept)) + RELATIVE_GATE_LU
        kept &= loud > relative[..., None]
        return _OFFSET_LUFS + 10 * np.log10(_masked_mean(blocks, kept))


def true_peak_dbtp(blocks: Blocks, sample_rate: int) -> float:
    """True peak in dBTP, from the signal at 192 kHz or more (BS.1770-4, annex 2: four times 48 kHz)."""
    finer = resampled(blocks, sample_rate, sample_rate * max(1, -(-192_000 // sample_rate)))
    return float(amplitude_to_db(max((float(np.max(np.abs(block), initial=0.0)) for block in finer), default=0.0)))


def _cut(signal: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    for start in range(0, signal.shape[-1], BLOCK_FRAMES):
        yield signal[:, start : start + BLOCK_FRAMES]


def _masked_mean(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = mask.sum(axis=-1)
    return np.where(count > 0, (values * mask).sum(axis=-1) / np.maximum(count, 1), 0.0)
