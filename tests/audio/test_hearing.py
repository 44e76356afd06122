"""What is heard and measured of a signal does not hang on what nobody hears: a constant offset."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.blocks import resample
from mixlab.audio.files import to_mono
from mixlab.audio.hearing import hear
from mixlab.audio.levels import FLOOR_DBFS, active_frame_ratio, rms_dbfs
from mixlab.audio.loudness import integrated_lufs, k_weighted_power

RATE, MODEL_RATE = 44_100, 16_000


def music(seconds=6.0, channels=2, seed=0):
    """A bass note, noise whose level wanders, and a rest of two seconds in the middle."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE)) / RATE
    noise = rng.standard_normal((channels, time_s.size)) * (0.05 + 0.04 * np.sin(2 * np.pi * time_s))
    noise -= noise.mean(axis=1, keepdims=True)
    return ((noise + 0.1 * np.sin(2 * np.pi * 50 * time_s)) * (np.abs(time_s - 3.0) > 1.0)).astype(np.float32)


def heard(samples, rate=RATE):
    return hear(lambda: np.array_split(samples, 7, axis=1), rate, MODEL_RATE)


def assert_same(one, other):
    """Levels to 0.02 dB, and activity to the quarter of a second in which a cut of three dies away."""
    levels = [
        (
            rms_dbfs(two.samples),
            float(integrated_lufs(two.k_power)),
            float(integrated_lufs(k_weighted_power(two.samples[None], MODEL_RATE))),
            two.mono_loss_db,
        )
        for two in (one, other)
    ]
    assert levels[0] == pytest.approx(levels[1], abs=0.02)
    activity = [active_frame_ratio(two.samples, MODEL_RATE) for two in (one, other)]
    assert activity[0] == pytest.approx(activity[1], abs=3 * 0.25 / one.duration_s)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_signal_without_an_offset_is_heard_bit_for_bit_as_it_is(channels):
    samples = music(channels=channels)
    one = heard(samples)
    assert not one.had_offset
    np.testing.assert_array_equal(one.samples, resample(to_mono(samples), RATE, MODEL_RATE))
    np.testing.assert_array_equal(one.k_power, k_weighted_power(samples, RATE))


@settings(deadline=None, max_examples=25)
@given(left=st.floats(-0.3, 0.3), right=st.floats(-0.3, 0.3), gain_db=st.floats(-50, 0))
def test_a_signal_measures_the_same_with_and_without_an_offset(left, right, gain_db):
    samples = music() * np.float32(10 ** (gain_db / 20))
    offset = samples + np.array([[left], [right]], dtype=np.float32)
    assert_same(heard(offset), heard(samples))


@pytest.mark.parametrize("offset", [0.1, -0.5, 1e-4, 3e-5])
def test_a_silent_signal_with_an_offset_is_silent(offset):
    one = heard(np.full((2, 5 * RATE), offset, dtype=np.float32))
    assert one.had_offset
    assert rms_dbfs(one.samples) == pytest.approx(FLOOR_DBFS)
    assert np.isneginf(integrated_lufs(one.k_power))
    assert active_frame_ratio(one.samples, MODEL_RATE, threshold_dbfs=-110.0) == 0.0
    assert one.mono_loss_db == pytest.approx(0.0, abs=1e-6)


def test_an_offset_that_comes_and_goes_with_the_regions_of_a_track_is_no_activity():
    samples = np.zeros((1, 20 * RATE), dtype=np.float32)
    samples[:, 5 * RATE : 10 * RATE] = 0.02
    samples[:, 15 * RATE :] = -0.02
    one = heard(samples)
    # Where it jumps there is a thud, as there is in a loudspeaker; it is over after a third of a second.
    assert active_frame_ratio(one.samples, MODEL_RATE) < 3 * 0.35 / 20
    assert active_frame_ratio(samples[0], RATE) == pytest.approx(0.5, abs=0.01)


def test_an_offset_in_rests_is_no_activity_though_it_is_nothing_beside_the_sound():
    samples = music(20.0)
    samples[:, 8 * RATE :] = 0.0
    offset = samples + np.float32(0.001)
    assert np.mean(offset) ** 2 < 1e-3 * np.mean(offset**2)
    assert heard(offset).had_offset
    assert_same(heard(offset), heard(samples))


def test_opposite_offsets_are_no_channels_that_cancel():
    samples = music()
    one = heard(samples + np.array([[0.2], [-0.2]], dtype=np.float32))
    assert one.mono_loss_db == pytest.approx(heard(samples).mono_loss_db, abs=0.01)


def test_nothing_has_no_sound():
    one = hear(list, RATE, MODEL_RATE)
    assert (one.samples.size, one.k_power.size, one.duration_s, one.had_offset) == (0, 0, 0.0, False)
