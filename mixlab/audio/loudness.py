"""Room audio: loudness after ITU-R BS.1770-4, from block powers that can be summed over any segment."""

from __future__ import annotations

import numpy as np
import scipy.signal
from numpy.typing import NDArray
from pyloudnorm import Meter

from mixlab.audio.levels import amplitude_to_db

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
POWER_HOP_S = 0.1
"""Step of the power track: the 400 ms blocks of BS.1770 overlap by 75 %, so they are sums of four hops."""

_OFFSET_LUFS = -0.691
_HOPS_PER_BLOCK = 4
_PEAK_BLOCK, _PEAK_OVERLAP = 1 << 18, 64


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
    weighted = np.asarray(signal, dtype=np.float64)
    for stage in Meter(sample_rate)._filters.values():
        weighted = scipy.signal.lfilter(stage.b, stage.a, weighted, axis=-1)
    return mean_square(weighted, sample_rate, POWER_HOP_S)


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


def true_peak_dbtp(signal: NDArray[np.floating], sample_rate: int) -> float:
    """True peak in dBTP, from the signal at 192 kHz or more (BS.1770-4, annex 2: four times 48 kHz).

    Args:
        signal: shape (channels, samples).
        sample_rate: in Hz.
    """
    times = max(1, -(-192_000 // sample_rate))
    peak = 0.0
    # In blocks that overlap by the filter's reach, since a long file at 192 kHz would fill the memory.
    for start in range(0, signal.shape[-1], _PEAK_BLOCK):
        block = signal[:, max(0, start - _PEAK_OVERLAP) : start + _PEAK_BLOCK + _PEAK_OVERLAP]
        peak = max(peak, float(np.max(np.abs(scipy.signal.resample_poly(block, times, 1, axis=-1)), initial=0.0)))
    return float(amplitude_to_db(peak))


def _masked_mean(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = mask.sum(axis=-1)
    return np.where(count > 0, (values * mask).sum(axis=-1) / np.maximum(count, 1), 0.0)
