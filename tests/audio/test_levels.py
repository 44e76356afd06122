"""Levels: gains in dB, and the activity of a signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.levels import (
    FLOOR_DBFS,
    active_frame_ratio,
    amplitude_to_db,
    apply_gain,
    db_to_amplitude,
    rms_dbfs,
)

GAINS = st.floats(-60, 60)


def noise(level_dbfs: float = -20.0, samples: int = 16000) -> np.ndarray:
    signal = np.random.default_rng(0).standard_normal(samples)
    return (signal / np.sqrt(np.mean(signal**2)) * 10 ** (level_dbfs / 20)).astype(np.float32)


@given(GAINS)
def test_amplitude_and_db_are_inverse(gain_db):
    assert float(amplitude_to_db(db_to_amplitude(gain_db))) == pytest.approx(gain_db, abs=1e-9)


@given(GAINS)
def test_a_gain_moves_the_level_by_its_decibels(gain_db):
    assert rms_dbfs(apply_gain(noise(), gain_db)) - rms_dbfs(noise()) == pytest.approx(gain_db, abs=1e-3)


@given(GAINS)
def test_opposite_gains_undo_each_other(gain_db):
    np.testing.assert_allclose(apply_gain(apply_gain(noise(), gain_db), -gain_db), noise(), rtol=1e-6)


def test_a_gain_neither_clips_nor_leaves_float32():
    louder = apply_gain(noise(-3.0), 40.0)
    assert louder.dtype == np.float32
    assert np.abs(louder).max() > 50


def test_a_full_scale_square_wave_is_0_dbfs_and_a_sine_3_db_below():
    phase = np.arange(16000) / 16000 * 440 * 2 * np.pi
    assert rms_dbfs(np.sign(np.sin(phase + 1e-3))) == pytest.approx(0.0, abs=1e-9)
    assert rms_dbfs(np.sin(phase)) == pytest.approx(-3.01, abs=0.01)


def test_silence_and_nothing_have_the_floor_as_level():
    assert rms_dbfs(np.zeros(100, dtype=np.float32)) == pytest.approx(FLOOR_DBFS)
    assert rms_dbfs(np.zeros(0, dtype=np.float32)) == FLOOR_DBFS


def test_the_active_share_counts_the_frames_above_the_threshold():
    signal = np.concatenate([noise(-20.0, 4000), np.zeros(12000, dtype=np.float32)])
    assert active_frame_ratio(signal, 16000) == pytest.approx(0.25)
    assert active_frame_ratio(signal * np.float32(1e-4), 16000) == 0.0
    assert active_frame_ratio(noise(-20.0, 10), 16000) == 0.0
