"""Room audio: the log-mel spectrogram of Whisper, which Qwen2-Audio hears, in batches and on any device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode
from torchaudio.functional import melscale_fbanks

from mixlab.errors import ConfigError

Samples = TypeVar("Samples", int, torch.Tensor)

FLOOR_LOG10 = -10.0
"""Whisper's floor of the mel power, as its logarithm."""

_CLIPS_AT_ONCE = 64
"""On an accelerator; bounds the memory of the frames. On a CPU one clip at a time stays in the cache, which is twice as
fast as a batch, and gives the same bits whatever clips stand beside it."""


@dataclass(frozen=True)
class LogMel:
    """Whisper's front end (Radford et al. 2022): log10 mel power, clamped 80 dB below the clip's maximum, scaled.

    A gain of g dB on a clip moves every unclamped value by g / 40. Equal to transformers' WhisperFeatureExtractor to
    1e-4 (tested), which pads clips with silence to the model's window: frames that hear nothing of any clip are not
    computed here, but get the value that silence has.

    Attributes:
        n_fft, hop_length: length and step of a frame, in samples.
        window_samples: what the model hears at most.
        to_window: give frames up to the end of the window; without it, up to those that a tower needs for the clips
            (`clip_frames`).
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    mels: int
    window_samples: int
    to_window: bool = True

    @classmethod
    def of(cls, extractor: Any, to_window: bool = True) -> LogMel:
        """The front end that does what a WhisperFeatureExtractor does.

        Raises:
            ConfigError: if it is an extractor of another kind.
        """
        if type(extractor).__name__ != "WhisperFeatureExtractor":
            raise ConfigError(
                f"The model's features come from {type(extractor).__name__}, but mixlab computes those of "
                "WhisperFeatureExtractor only, since others may normalise every clip; choose another model."
            )
        return cls(
            extractor.sampling_rate,
            extractor.n_fft,
            extractor.hop_length,
            extractor.feature_size,
            extractor.n_samples,
            to_window,
        )

    @property
    def window_frames(self) -> int:
        return self.frames(self.window_samples)

    def frames(self, samples: Samples) -> Samples:
        """How many frames are those of a clip of that many samples."""
        return samples // self.hop_length

    def clip_frames(self, samples: int) -> int:
        """The frames from which a tower computes its positions on clips of that many samples, an even number.

        Its convolutions (width 3, then width 3 and stride 2) see two frames past the last position.
        """
        positions = (self.frames(samples) + 1) // 2
        return min(self.window_frames, 2 * positions + 2)

    @torch.no_grad()
    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Features of clips, float32, on the device of the waveforms.

        Args:
            waveforms: shape (clips, samples), zeros past the end of each clip.

        Returns:
            Shape (clips, mels, frames), of the window or as `clip_frames` says; of a clip's samples, the first
            ``samples // hop_length`` frames are its.

        Raises:
            ValueError: if the shape is another, or the clips are longer than the window; nothing is cut silently.
        """
        if waveforms.ndim != 2:
            raise ValueError(f"waveforms need shape (clips, samples), got {tuple(waveforms.shape)}")
        self.check_length(waveforms.shape[1])
        step = 1 if waveforms.device.type == "cpu" else _CLIPS_AT_ONCE
        frames = self.window_frames if self.to_window else self.clip_frames(waveforms.shape[1])
        features = waveforms.new_empty(waveforms.shape[0], self.mels, frames, dtype=torch.float32)
        # In bfloat16, which the training step may run in, a gain error of 1 dB would drown.
        with torch.autocast(waveforms.device.type, enabled=False):
            for start in range(0, waveforms.shape[0], step):
                self._write(waveforms[start : start + step].float(), features[start : start + step])
        return features

    def check_length(self, samples: int) -> None:
        """Raise ValueError if a clip of that many samples is longer than the window."""
        if samples > self.window_samples:
            window_s = self.window_samples / self.sample_rate
            raise ValueError(f"a clip of {samples / self.sample_rate:.1f} s exceeds the model's {window_s:.0f} s")

    def _write(self, clips: torch.Tensor, features: torch.Tensor) -> None:
        window, bank = _constants(self.sample_rate, self.n_fft, self.mels, clips.device)
        half = self.n_fft // 2
        samples = clips.shape[1]
        heard = min(self.window_frames, -(-(samples + half) // self.hop_length))
        # The extractor reflects at the end of its window, where a full clip ends; after a shorter one come zeros.
        padded = torch.nn.functional.pad(clips, (0, min(self.window_samples - samples, self.n_fft)))
        # Written out, since torch's reflecting pad takes as long as the Fourier transform on a CPU.
        padded = torch.cat([padded[:, 1 : half + 1].flip(1), padded, padded[:, -half - 1 : -1].flip(1)], dim=1)
        spectrum = torch.fft.rfft(padded.unfold(1, self.n_fft, self.hop_length)[:, :heard] * window)
        # Not abs().square(), which is three times slower on a CPU.
        power = (spectrum.real.square() + spectrum.imag.square()) @ bank
        log_power = power.clamp_(min=10.0**FLOOR_LOG10).log10_().transpose(1, 2)
        clamp = (log_power.amax(dim=(1, 2), keepdim=True) - 8.0).clamp_(min=FLOOR_LOG10)
        heard = min(heard, features.shape[2])
        features[:, :, :heard] = torch.maximum(log_power[:, :, :heard], clamp)
        features[:, :, heard:] = clamp
        features.add_(4.0).div_(4.0)


@lru_cache(maxsize=8)
def _constants(sample_rate: int, n_fft: int, mels: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The Hann window, shape (n_fft,), and the mel filters, shape (bins, mels), in float32."""
    with _InFloat64():
        bank = melscale_fbanks(1 + n_fft // 2, 0.0, 8000.0, mels, sample_rate, norm="slaney", mel_scale="slaney")
    window = torch.from_numpy(np.hanning(n_fft + 1)[:-1])
    return window.float().to(device), bank.float().to(device)


class _InFloat64(TorchFunctionMode):
    """Has torchaudio reckon mel filters in float64: in float32 features would differ from Whisper's by up to 2e-5."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = {"dtype": torch.float64} if func is torch.linspace else {}
        return func(*args, **(kwargs or {}), **own)


def shift_gain(features: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
    """The features that `LogMel` gives for a clip after a gain, from those of the clip itself.

    Exact unless the clip touches the floor of `FLOOR_LOG10` (mel power 1e-10, far below any active stem).
    """
    return np.maximum(features + np.float32(gain_db / 40.0), np.float32((FLOOR_LOG10 + 4.0) / 4.0))
