"""Room audio: the log-mel spectrogram of Whisper, which Qwen2-Audio hears, over the clip alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

FLOOR_LOG10 = -10.0
"""Whisper's floor of the mel power, as its logarithm."""


@dataclass(frozen=True)
class LogMel:
    """Whisper's front end (Radford et al. 2022): log10 mel power, clamped 80 dB below the clip's maximum, scaled.

    A gain of g dB on a clip moves every unclamped value by g / 40. Equal to transformers' WhisperFeatureExtractor to
    1e-4 (tested) and working clip by clip, so that its frames stay in the processor's cache.

    The filters are a sparse matrix (a bin lies in two bands at most), whose product takes one thread and is alike in
    every process. A dense product starts BLAS threads, and an example took 40 times as long beside a busy core.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    mels: int

    @cached_property
    def _filters(self) -> scipy.sparse.csr_array:
        from transformers.audio_utils import mel_filter_bank

        bank = mel_filter_bank(
            num_frequency_bins=1 + self.n_fft // 2,
            num_mel_filters=self.mels,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=self.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        return scipy.sparse.csr_array(bank.T, dtype=np.float32)

    @cached_property
    def _window(self) -> NDArray[np.float32]:
        return np.hanning(self.n_fft + 1)[:-1].astype(np.float32)

    def __call__(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of one clip: shape (samples,) to (mels, frames), frames = samples // hop_length, float32.

        Raises:
            ValueError: if the clip is not mono or shorter than half a window.
        """
        if clip.ndim != 1 or clip.size <= self.n_fft // 2:
            raise ValueError(f"a clip needs shape (samples,) with more than {self.n_fft // 2}, got {clip.shape}")
        padded = np.pad(np.asarray(clip, dtype=np.float32), self.n_fft // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop_length]
        spectrum = scipy.fft.rfft(frames[: clip.size // self.hop_length] * self._window)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        log_power = np.log10(np.maximum(self._filters @ power.T, 10.0**FLOOR_LOG10))
        return (np.maximum(log_power, log_power.max() - 8.0) + 4.0) / 4.0


def shift_gain(features: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
    """The features that `LogMel` gives for a clip after a gain, from those of the clip itself.

    Exact unless the clip touches the floor of `FLOOR_LOG10` (mel power 1e-10, far below any active stem).
    """
    return np.maximum(features + np.float32(gain_db / 40.0), np.float32((FLOOR_LOG10 + 4.0) / 4.0))
