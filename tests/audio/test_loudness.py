"""Loudness after BS.1770: pyloudnorm's figures, EBU Tech 3341's sine cases, and gains that shift it exactly."""

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.levels import db_to_amplitude
from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs, k_weighted_power, mean_square


def lufs(signal: np.ndarray, sample_rate: int) -> float:
    return float(integrated_lufs(k_weighted_power(signal, sample_rate)))


def programme(sample_rate: int, channels: int, seed: int = 0, seconds: float = 8.0) -> np.ndarray:
    """Coloured noise whose level wanders by tens of dB, so that both gates matter."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * sample_rate)
    envelope_db = np.interp(np.arange(samples), np.linspace(0, samples, 12), rng.uniform(-60, 0, 12))
    noise = rng.standard_normal((channels, samples))
    noise += 4 * np.cumsum(noise, axis=1) / np.sqrt(samples)
    return 0.1 * noise * 10 ** (envelope_db / 20)


def sine(level_dbfs: float, seconds: float, sample_rate: int = 48000) -> np.ndarray:
    """A stereo 1 kHz sine whose peak is at `level_dbfs`, as EBU Tech 3341 defines its test signals."""
    wave = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * sample_rate)) / sample_rate)
    return np.stack([wave, wave])


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_integrated_loudness_is_pyloudnorms(sample_rate, channels):
    signal = programme(sample_rate, channels, seed=sample_rate)
    reference = pyloudnorm.Meter(sample_rate).integrated_loudness(signal.T)
    assert lufs(signal, sample_rate) == pytest.approx(reference, abs=0.01)


@pytest.mark.parametrize(
    "parts",
    [
        [(-23.0, 20)],
        [(-36.0, 10), (-23.0, 30), (-36.0, 10)],
        [(-72.0, 10), (-36.0, 10), (-23.0, 30), (-36.0, 10), (-72.0, 10)],
        [(-26.0, 20), (-20.0, 20.1), (-26.0, 20)],
    ],
    ids=["case 1: one level", "case 3: relative gate", "case 4: both gates", "case 5: three levels"],
)
def test_sines_of_ebu_tech_3341_read_minus_23_lufs(parts):
    """Cases 1, 3, 4 and 5, with shorter loud parts in 3 and 4; the tolerance of 0.1 LU is the document's."""
    signal = np.concatenate([sine(level, seconds) for level, seconds in parts], axis=1)
    assert lufs(signal, 48000) == pytest.approx(-23.0, abs=0.1)


@given(st.floats(-20, 20))
def test_a_gain_shifts_loudness_by_its_decibels(gain_db):
    # Half the range of levels that `programme` has, so that no block meets the absolute gate, which does not shift.
    signal = programme(16000, 1, seconds=4.0)
    signal = np.sign(signal) * np.sqrt(np.abs(signal))
    louder = lufs(signal * db_to_amplitude(gain_db), 16000)
    assert louder - lufs(signal, 16000) == pytest.approx(gain_db, abs=1e-6)


@given(st.floats(-40, 40))
def test_a_gain_multiplies_every_power_so_that_errors_can_be_added_to_a_measured_stem(gain_db):
    signal = programme(16000, 2, seconds=1.0)
    louder = k_weighted_power(signal * db_to_amplitude(gain_db), 16000)
    np.testing.assert_allclose(louder, k_weighted_power(signal, 16000) * 10 ** (gain_db / 10), rtol=1e-9)


def test_two_equal_channels_are_3_db_louder_than_one():
    signal = programme(48000, 1)
    assert lufs(np.concatenate([signal, signal]), 48000) - lufs(signal, 48000) == pytest.approx(3.01, abs=0.01)


def test_silence_and_less_than_a_block_have_no_loudness():
    assert lufs(np.zeros((1, 48000)), 48000) == -np.inf
    assert lufs(sine(-20.0, 0.39), 48000) == -np.inf
    assert lufs(sine(-80.0, 3.0), 48000) == -np.inf


def test_tracks_measured_together_read_as_each_alone():
    tracks = np.stack([k_weighted_power(programme(16000, 1, seed), 16000) for seed in range(4)])
    tracks[2] = 0.0
    together = integrated_lufs(tracks)
    assert together.tolist() == [float(integrated_lufs(track)) for track in tracks]
    assert np.isneginf(together[2])


def test_a_hop_is_a_tenth_of_a_second_and_an_incomplete_one_is_dropped():
    assert k_weighted_power(np.zeros((1, 44100 + 4000)), 44100).shape == (10,)
    np.testing.assert_allclose(mean_square(np.full((2, 1000), 0.5), 1000, POWER_HOP_S), np.full(10, 0.5))
