"""What is heard, from the songs' own files: mixes of one loudness, the anchor as loud as in them."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.levels import amplitude_to_db, apply_gain, db_to_amplitude
from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.multitrack.song import LoadedSong
from mixlab.reports.players import PEAK_DBFS, mix
from mixlab.scoring.closed_loop import applied
from mixlab.study.systems import Said
from mixlab.synthesis.problem import Problem

TONE_RATE = 44100
TONE_HZ, TONE_S, RAMP_S, GAP_S, TONE_DBFS = 200.0, 1.0, 0.1, 0.5, -20.0
"""Woods et al. (2017): tones of 200 Hz, of which one is 6 dB quieter and another one in antiphase."""

FADE_S = 0.01
"""At both ends of every clip, which would click where it starts again."""


@dataclass(frozen=True)
class Mixes:
    """The mixes of one item as they came out, before they are matched.

    Attributes:
        before: with the error.
        anchor: the anchor alone, as it is in `before`.
        after: system -> with its advice followed.
    """

    sample_rate: int
    before: NDArray[np.float32]
    anchor: NDArray[np.float32]
    after: Mapping[str, NDArray[np.float32]]

    def loudest_lufs(self) -> float:
        """The loudness at which the first mix reaches `PEAK_DBFS`, in LUFS; minus infinity where a mix is silent."""
        return min(
            lufs(samples, self.sample_rate) + PEAK_DBFS - float(amplitude_to_db(np.max(np.abs(samples), initial=0.0)))
            for samples in (self.before, *self.after.values())
        )

    def matched(self, target_lufs: float) -> Mixes:
        """All mixes at `target_lufs`; the anchor moves with the mix that it is in."""
        gain_db = target_lufs - lufs(self.before, self.sample_rate)
        after = {
            name: apply_gain(samples, target_lufs - lufs(samples, self.sample_rate))
            for name, samples in self.after.items()
        }
        return Mixes(self.sample_rate, apply_gain(self.before, gain_db), apply_gain(self.anchor, gain_db), after)


def render(song: LoadedSong, problem: Problem, said: Mapping[str, Said]) -> Mixes:
    """The mixes of an item; the hidden original comes of the exact gains that undo the errors."""
    after = {name: mix(song, applied(problem, words.advice)) for name, words in said.items()}
    channels = mix(song, problem).shape[0]
    alone = mix(song, replace(problem, stems=(problem.anchor,)))
    # A mono anchor in a stereo mix sounds from both sides, as it does there.
    anchor = np.broadcast_to(alone, (channels, alone.shape[1])) if alone.shape[0] == 1 else alone
    return Mixes(song.sample_rate, mix(song, problem), np.array(anchor), after)


def lufs(samples: NDArray[np.float32], sample_rate: int) -> float:
    """Integrated loudness (BS.1770) of samples of shape (channels, frames)."""
    return float(integrated_lufs(k_weighted_power(samples, sample_rate)))


def common_target_lufs(wanted_lufs: float, loudest_lufs: float) -> float:
    """The wanted loudness, or the tenth below the one at which the first mix of the study would exceed full scale."""
    return min(wanted_lufs, math.floor(10.0 * loudest_lufs) / 10.0)


def write_flac(folder: Path, samples: NDArray[np.float32], sample_rate: int) -> str:
    """Write a clip under a name that nobody can guess; every browser plays 16-bit FLAC.

    Returns:
        The name of the file.
    """
    name = f"{secrets.token_hex(16)}.flac"
    frames = min(round(FADE_S * sample_rate), samples.shape[1] // 2)
    ramp = np.ones(samples.shape[1], dtype=np.float32)
    ramp[:frames] = np.linspace(0.0, 1.0, frames, dtype=np.float32)
    ramp[samples.shape[1] - frames :] = ramp[:frames][::-1]
    soundfile.write(folder / name, (samples * ramp).T, sample_rate, format="FLAC", subtype="PCM_16")
    return name


def tones(quietest: int, antiphase: int) -> NDArray[np.float32]:
    """Three tones in stereo, shape (2, frames) at `TONE_RATE`; number `quietest` is 6 dB down, `antiphase` is flipped.

    Over headphones the quietest is heard as such; over loudspeakers the tone in antiphase cancels and seems quieter.
    """
    time_s = np.arange(round(TONE_S * TONE_RATE)) / TONE_RATE
    edge = np.clip(np.minimum(time_s, TONE_S - time_s) / RAMP_S, 0.0, 1.0)
    tone = np.sin(2 * np.pi * TONE_HZ * time_s) * np.sin(0.5 * np.pi * edge) ** 2 * db_to_amplitude(TONE_DBFS)
    gap = np.zeros((2, round(GAP_S * TONE_RATE)))
    parts = []
    for number in (1, 2, 3):
        left = tone * (db_to_amplitude(-6.0) if number == quietest else 1.0)
        parts += [np.stack([left, -left if number == antiphase else left]), gap]
    return np.concatenate(parts[:-1], axis=1).astype(np.float32)


def level_noise(target_lufs: float, rng: np.random.Generator, seconds: float = 10.0) -> NDArray[np.float32]:
    """Pink noise at the loudness of the mixes, for setting the level: shape (2, frames) at `TONE_RATE`."""
    frames = round(seconds * TONE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    hz = np.fft.rfftfreq(frames, 1 / TONE_RATE)
    # Below 40 Hz small loudspeakers have nothing to say.
    shape = np.where(hz >= 40.0, 1.0 / np.sqrt(np.maximum(hz, 40.0)), 0.0)
    mono = np.fft.irfft(spectrum * shape, frames).astype(np.float32)
    noise = np.stack([mono, mono]) / np.max(np.abs(mono))
    return apply_gain(noise, min(target_lufs - lufs(noise, TONE_RATE), PEAK_DBFS))
