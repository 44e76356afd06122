"""Room multitrack: drum kits; every drum is one short sample, added wherever it is struck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mixlab.audio.levels import db_to_amplitude
from mixlab.multitrack.demo.genres import DRUM_VOICES, timbre
from mixlab.multitrack.demo.score import Notes

_FADE_S = 0.005
_CLICK_DECAY_S = 0.004
_CLICK_HZ = (1500.0, 5000.0)
_TAIL = 6.0
"""Length of a sample in time constants of its decay (52 dB)."""


def render_drums(
    rng: Generator, notes: Notes, kit_name: str, colour_db: float, frames: int, sample_rate: int
) -> NDArray[np.float32]:
    """The drum track, shape (frames,), at no particular level.

    Args:
        rng: where the noise of the drums comes from.
        kit_name: a kit of `timbres.yaml`.
        colour_db: tilts the noise bands, in dB an octave above 1 kHz.
    """
    kit = timbre("drums", kit_name)
    samples = [drum_sample(rng, kit[voice], voice, colour_db, sample_rate) for voice in DRUM_VOICES]
    track = np.zeros(frames + max(map(len, samples)), dtype=np.float32)
    starts = np.round(notes.start_s * sample_rate).astype(int)
    gains = db_to_amplitude(notes.level_db).astype(np.float32)
    for start, gain, voice in zip(starts, gains, notes.sound, strict=True):
        if start < frames:
            sample = samples[voice]
            track[start : start + len(sample)] += gain * sample
    return track[:frames]


def drum_sample(
    rng: Generator, drum: Mapping[str, Any], voice: str, colour_db: float, sample_rate: int
) -> NDArray[np.float32]:
    """One stroke, shape (samples,), with a peak at the drum's `level_db`."""
    decay_s = drum["decay_s"]
    count = round((_TAIL * decay_s + drum.get("attack_s", 0.0)) * sample_rate)
    seconds = np.arange(count) / sample_rate
    if voice in ("kick", "tom"):
        click = _click(rng, seconds, sample_rate)
        sound = _falling_tone(seconds, drum) + float(db_to_amplitude(drum["click_db"])) * click
    else:
        sound = noise_band(rng, count, drum["band_hz"], colour_db, sample_rate)
        if voice == "snare":
            tone = np.sin(2 * np.pi * drum["tone_hz"] * seconds) + 0.5 * np.sin(3.2 * np.pi * drum["tone_hz"] * seconds)
            sound = sound + float(db_to_amplitude(drum["tone_db"])) * tone
        sound = sound * np.exp(-seconds / decay_s)
        if "attack_s" in drum:
            sound = sound * np.minimum(1.0, seconds / drum["attack_s"])
    fade = min(count, round(_FADE_S * sample_rate))
    sound[count - fade :] *= np.linspace(1.0, 0.0, fade)
    sound *= float(db_to_amplitude(drum["level_db"])) / np.max(np.abs(sound))
    return sound.astype(np.float32)


def noise_band(
    rng: Generator, count: int, band_hz: tuple[float, float], colour_db: float, sample_rate: int
) -> NDArray[np.float64]:
    """Noise within a band with slopes of 24 dB an octave, shape (count,), peak about 1.

    A band that reaches beyond half the sample rate is cut there.
    """
    low_hz, high_hz = band_hz
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.maximum(np.fft.rfftfreq(count, 1.0 / sample_rate), 1.0)
    shape = 1.0 / np.sqrt((1.0 + (low_hz / hz) ** 8) * (1.0 + (hz / high_hz) ** 8))
    spectrum *= shape * (hz / 1000.0) ** (colour_db / 6.02)
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, count)
    return noise / float(np.max(np.abs(noise)))


def _falling_tone(seconds: NDArray[np.float64], drum: Mapping[str, Any]) -> NDArray[np.float64]:
    start_hz, end_hz, sweep_s = (float(drum[key]) for key in ("start_hz", "end_hz", "sweep_s"))
    cycles = end_hz * seconds + (start_hz - end_hz) * sweep_s * (1.0 - np.exp(-seconds / sweep_s))
    decay: NDArray[np.float64] = np.exp(-seconds / drum["decay_s"])
    return np.sin(2 * np.pi * cycles) * decay


def _click(rng: Generator, seconds: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    decay: NDArray[np.float64] = np.exp(-seconds / _CLICK_DECAY_S)
    return noise_band(rng, len(seconds), _CLICK_HZ, 0.0, sample_rate) * decay
