"""Room multitrack: bass and accompaniment; every note reads a wavetable of its pitch and is added where it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mixlab.audio.levels import db_to_amplitude
from mixlab.multitrack.demo.drums import noise_band
from mixlab.multitrack.demo.genres import timbre
from mixlab.multitrack.demo.score import Notes

TABLE_SIZE = 4096
"""Samples of one period in a wavetable."""
_HIGHEST = 0.47
"""Highest harmonic, as a share of the sample rate."""
_CLICK_S = 0.012
_CLICK_HZ = (1200.0, 5000.0)


def midi_to_hz(pitch_midi: float) -> float:
    """Frequency of a MIDI note; 69 is 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch_midi - 69.0) / 12.0))


def wavetable(amplitudes: NDArray[np.float64]) -> NDArray[np.float32]:
    """One period of a sum of sines that all start at zero, shape (TABLE_SIZE,).

    Args:
        amplitudes: of harmonic 1 and up, at most TABLE_SIZE / 2 - 1 of them.
    """
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -0.5j * TABLE_SIZE * amplitudes
    return np.fft.irfft(spectrum, TABLE_SIZE).astype(np.float32)


def harmonics_hz(base_hz: float, sample_rate: int) -> NDArray[np.float64]:
    """The harmonics of a tone that the sample rate can carry, at least one."""
    count = min(TABLE_SIZE // 2 - 1, max(1, int(_HIGHEST * sample_rate / base_hz)))
    return base_hz * np.arange(1, count + 1, dtype=np.float64)


def read_table(table: NDArray[np.float32], base_hz: float, count: int, sample_rate: int) -> NDArray[np.float32]:
    """`count` samples of a wavetable repeated at `base_hz`, from its beginning."""
    positions = np.arange(count, dtype=np.float64) * (base_hz * TABLE_SIZE / sample_rate)
    samples: NDArray[np.float32] = table[positions.astype(np.int32) & (TABLE_SIZE - 1)]
    return samples


def tone_amplitudes(
    sound: Mapping[str, Any], base_hz: float, colour_db: float, sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amplitudes of the lasting and of the fading harmonics of a timbre at one pitch."""
    hz = harmonics_hz(base_hz, sample_rate)
    order = np.arange(1, len(hz) + 1, dtype=np.float64)
    if "harmonics" in sound:
        lasting = np.zeros(len(hz))
        written = sound["harmonics"][: len(hz)]
        lasting[: len(written)] = written
    else:
        lasting = order ** -sound["rolloff"]
    lasting[1::2] *= sound.get("even", 1.0)
    lasting /= 1.0 + (hz / sound["cutoff_hz"]) ** 2
    if "resonance" in sound:
        peak_hz, peak_db = sound["resonance"]
        lasting *= 1.0 + (db_to_amplitude(peak_db) - 1.0) / (1.0 + ((hz - peak_hz) / (0.2 * peak_hz)) ** 2)
    fading = sound.get("bright", 0.0) * order**-0.3 / (1.0 + (hz / sound.get("bright_hz", 1.0)) ** 8)
    fading[0] = 0.0
    tilt = order ** (colour_db / 6.02)
    return lasting * tilt, fading * tilt


def render_tones(
    rng: Generator, notes: Notes, role: str, timbre_name: str, colour_db: float, frames: int, sample_rate: int
) -> NDArray[np.float32]:
    """A track of tones, shape (frames,), at no particular level.

    Args:
        rng: where the noise at the onsets comes from.
        role: ``bass`` or ``other``.
        colour_db: tilts the harmonics, in dB an octave.
    """
    sound = timbre(role, timbre_name)
    attack, release = (max(2, round(sound[key] * sample_rate)) for key in ("attack_s", "release_s"))
    starts = np.round(notes.start_s * sample_rate).astype(int)
    counts = np.maximum(np.round(notes.duration_s * sample_rate).astype(int), attack) + release
    counts = np.minimum(counts, frames - starts)
    gains = db_to_amplitude(notes.level_db).astype(np.float32)
    envelope = _envelope(sound, attack, int(counts.max(initial=0)), sample_rate)
    bright = np.exp(-np.arange(len(envelope)) / (sound.get("bright_decay_s", 1.0) * sample_rate)).astype(np.float32)
    fall = (0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, release))).astype(np.float32)
    click = sound.get("click", 0.0) * _click(rng, sample_rate)
    track = np.zeros(frames + len(click), dtype=np.float32)
    for pitch in np.unique(notes.pitch_midi):
        chosen = np.flatnonzero((notes.pitch_midi == pitch) & (counts > release))
        if chosen.size == 0:
            continue
        longest = int(counts[chosen].max())
        body = _body(sound, midi_to_hz(pitch), colour_db, bright[:longest], sample_rate) * envelope[:longest]
        for index in chosen:
            start, count = starts[index], counts[index]
            note = gains[index] * body[:count]
            note[count - release :] *= fall
            track[start : start + count] += note
            if "click" in sound:
                track[start : start + len(click)] += gains[index] * click
    return track[:frames]


def _body(
    sound: Mapping[str, Any], base_hz: float, colour_db: float, bright: NDArray[np.float32], sample_rate: int
) -> NDArray[np.float32]:
    lasting, fading = tone_amplitudes(sound, base_hz, colour_db, sample_rate)
    table = wavetable(lasting)
    detune_cents = sound.get("detune_cents", 0.0)
    if detune_cents:
        apart = 2.0 ** (detune_cents / 2400.0)
        body = 0.5 * read_table(table, base_hz * apart, len(bright), sample_rate)
        body += 0.5 * read_table(table, base_hz / apart, len(bright), sample_rate)
    else:
        body = read_table(table, base_hz, len(bright), sample_rate)
    if sound.get("bright", 0.0) > 0.0:
        body += bright * read_table(wavetable(fading), base_hz, len(bright), sample_rate)
    return body


def _envelope(sound: Mapping[str, Any], attack: int, count: int, sample_rate: int) -> NDArray[np.float32]:
    sustain = sound["sustain"]
    envelope: NDArray[np.float64] = sustain + (1.0 - sustain) * np.exp(
        -np.arange(count) / (sound["decay_s"] * sample_rate)
    )
    rise = min(attack, count)
    envelope[:rise] *= np.linspace(0.0, 1.0, attack)[:rise]
    return envelope.astype(np.float32)


def _click(rng: Generator, sample_rate: int) -> NDArray[np.float32]:
    count = round(_CLICK_S * sample_rate)
    burst = noise_band(rng, count, _CLICK_HZ, 0.0, sample_rate) * np.hanning(count)
    return burst.astype(np.float32)
