"""Room audio: levels in dB and activity of a signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLOOR_DBFS = -120.0
"""Level reported for digital silence, where the logarithm has no value."""


def db_to_amplitude(gain_db: ArrayLike) -> NDArray[np.float64]:
    """Amplitude factor of a gain in dB: ``10 ** (gain_db / 20)``."""
    return np.power(10.0, np.asarray(gain_db, dtype=np.float64) / 20.0)


def amplitude_to_db(amplitude: ArrayLike) -> NDArray[np.float64]:
    """Level in dB of an amplitude, never below `FLOOR_DBFS`."""
    floor = 10.0 ** (FLOOR_DBFS / 20.0)
    return 20.0 * np.log10(np.maximum(np.abs(np.asarray(amplitude, dtype=np.float64)), floor))


def apply_gain(signal: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
    """`signal` with a gain applied, in float32 and without clipping; shape unchanged."""
    return signal * np.float32(db_to_amplitude(gain_db))


def rms_dbfs(signal: NDArray[np.floating]) -> float:
    """Root mean square level in dBFS over all samples and channels (a full-scale square wave is 0 dBFS)."""
    if signal.size == 0:
        return FLOOR_DBFS
    return float(amplitude_to_db(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))))


def active_frame_ratio(
    signal: NDArray[np.floating], sample_rate: int, frame_s: float = 0.05, threshold_dbfs: float = -60.0
) -> float:
    """Share of frames of `frame_s` seconds whose RMS is above `threshold_dbfs`.

    Args:
        signal: mono samples, shape (samples,).
        sample_rate: in Hz.

    Returns:
        A share between 0 and 1; 0 where the signal is shorter than one frame.
    """
    frame = max(1, round(frame_s * sample_rate))
    count = signal.shape[-1] // frame
    if count == 0:
        return 0.0
    frames = np.asarray(signal[: count * frame], dtype=np.float64).reshape(count, frame)
    return float(np.mean(amplitude_to_db(np.sqrt(np.mean(frames**2, axis=1))) > threshold_dbfs))
