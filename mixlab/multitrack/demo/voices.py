"""Room multitrack: voice-like leads; harmonics behind the formants of two vowels, between which a syllable moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mixlab.audio.levels import db_to_amplitude
from mixlab.multitrack.demo.drums import noise_band
from mixlab.multitrack.demo.genres import timbre, vowel
from mixlab.multitrack.demo.score import Notes
from mixlab.multitrack.demo.tones import TABLE_SIZE, harmonics_hz, midi_to_hz, wavetable

_BANDWIDTH_HZ = (90.0, 110.0, 170.0, 250.0)
_RELEASE_S = 0.05
_GLIDE_S = 0.05
_CONSONANT_S = 0.06
_BREATH_S = 1.0
_BREATH_HZ = (900.0, 5500.0)
_UNISON_CENTS = (0.0, 11.0, -9.0)


def formant_gain(hz: NDArray[np.float64], vowel_name: str, formant_scale: float) -> NDArray[np.float64]:
    """Amplitude of the vocal tract at the frequencies `hz`, shape as given, for a vowel.

    Args:
        formant_scale: multiplies the formants' frequencies; above 1 for a shorter tract.
    """
    gain = np.full(hz.shape, 0.003)
    for (centre_hz, level_db), width_hz in zip(vowel(vowel_name), _BANDWIDTH_HZ, strict=True):
        offset = (hz - formant_scale * centre_hz) / (0.5 * width_hz)
        gain += float(db_to_amplitude(level_db)) / np.sqrt(1.0 + offset**2)
    return gain


def vowel_table(
    voice: Mapping[str, Any], vowel_name: str, pitch_midi: float, colour_db: float, sample_rate: int
) -> NDArray[np.float32]:
    """One period of a vowel sung at a pitch, with an RMS of about 1: singers keep vowels equally loud."""
    hz = harmonics_hz(midi_to_hz(pitch_midi), sample_rate)
    order = np.arange(1, len(hz) + 1)
    amplitudes = order ** ((colour_db - voice["tilt_db"]) / 6.02) * formant_gain(hz, vowel_name, voice["formant_scale"])
    return wavetable(amplitudes / np.sqrt(0.5 * np.sum(amplitudes**2)))


def render_voice(
    rng: Generator, notes: Notes, timbre_name: str, colour_db: float, frames: int, sample_rate: int
) -> NDArray[np.float32]:
    """The vocal track, shape (frames,), at no particular level.

    Args:
        rng: where breath and consonants come from.
        timbre_name: a voice of `timbres.yaml`.
        colour_db: tilts the harmonics, in dB an octave.
    """
    voice = timbre("vocals", timbre_name)
    vowels = voice["vowels"]
    attack, release = round(voice["attack_s"] * sample_rate), round(_RELEASE_S * sample_rate)
    breath = _noise(rng, _BREATH_S, _BREATH_HZ, sample_rate) * np.float32(4.0 * voice["breath"])
    consonant = _noise(rng, _CONSONANT_S, voice["consonant_hz"], sample_rate)
    consonant *= np.float32(4.0 * db_to_amplitude(voice["consonant_db"]))
    consonant *= np.hanning(len(consonant)).astype(np.float32)
    tables: dict[tuple[int, float], NDArray[np.float32]] = {}
    gains = db_to_amplitude(notes.level_db).astype(np.float32)
    track = np.zeros(frames + len(consonant), dtype=np.float32)
    before = float(notes.pitch_midi[0]) if len(notes) else 0.0
    for index in range(len(notes)):
        start = round(notes.start_s[index] * sample_rate)
        count = min(max(attack, round(notes.duration_s[index] * sample_rate)) + release, frames - start)
        pitch, sound = float(notes.pitch_midi[index]), int(notes.sound[index])
        if count <= attack + release:
            continue
        for place in range(len(vowels)):
            if (place, pitch) not in tables:
                tables[place, pitch] = vowel_table(voice, vowels[place], pitch, colour_db, sample_rate)
        first, second = sound % len(vowels), (sound // 2) % len(vowels)
        sung = _syllable(voice, tables[first, pitch], tables[second, pitch], pitch, before, count, sample_rate)
        if voice["breath"] > 0.0:
            sung += np.resize(breath[sound:], count)
        sung[:attack] *= np.linspace(0.0, 1.0, attack, dtype=np.float32)
        sung[count - release :] *= np.linspace(1.0, 0.0, release, dtype=np.float32)
        track[start : start + count] += gains[index] * sung
        if sound & 4:
            onset = max(0, start - len(consonant) // 2)
            track[onset : onset + len(consonant)] += gains[index] * consonant
        before = pitch
    return track[:frames]


def _syllable(
    voice: Mapping[str, Any],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    pitch_midi: float,
    pitch_before: float,
    count: int,
    sample_rate: int,
) -> NDArray[np.float32]:
    seconds = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
    cents = voice["vibrato_cents"] * np.minimum(1.0, 3.0 * seconds) * np.sin(2 * np.pi * voice["vibrato_hz"] * seconds)
    glide = min(count, round(_GLIDE_S * sample_rate))
    cents[:glide] += 100.0 * float(np.clip(pitch_before - pitch_midi, -4.0, 4.0)) * np.linspace(1.0, 0.0, glide) ** 2
    ratio = np.exp2(cents * np.float32(1.0 / 1200.0))
    step = midi_to_hz(pitch_midi) * TABLE_SIZE / sample_rate
    cycles = np.cumsum(ratio, dtype=np.float64) * step
    moved = seconds * np.float32(sample_rate / count)
    sung = np.zeros(count, dtype=np.float32)
    for unison in _UNISON_CENTS[: voice["unison"]]:
        detuned = cycles * 2.0 ** (unison / 1200.0) if unison else cycles
        positions = detuned.astype(np.int32) & (TABLE_SIZE - 1)
        if first is second:
            sung += first[positions]
        else:
            sung += (1.0 - moved) * first[positions] + moved * second[positions]
    return sung / np.float32(np.sqrt(voice["unison"]))


def _noise(rng: Generator, length_s: float, band_hz: tuple[float, float], sample_rate: int) -> NDArray[np.float32]:
    return noise_band(rng, round(length_s * sample_rate), band_hz, 0.0, sample_rate).astype(np.float32)
