"""Signals in blocks: resampled, summed and measured as if they came whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.blocks import in_steps, resample, resampled, summed
from mixlab.audio.loudness import k_weighted_power, true_peak_dbtp


def noise(channels=2, frames=16_000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def cut(samples, cuts):
    """The signal in blocks that end at the given shares of it."""
    return np.split(samples, sorted(round(share * samples.shape[1]) for share in cuts), axis=1)


SHARES = st.lists(st.floats(0, 1), max_size=6)
RATES = st.sampled_from([8000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000, 191_999])


@settings(deadline=None, max_examples=40)
@given(from_rate=RATES, to_rate=st.sampled_from([16_000, 44_100, 48_000]), frames=st.integers(1, 400_000), cuts=SHARES)
def test_a_signal_in_blocks_is_resampled_bit_for_bit_as_a_whole_one(from_rate, to_rate, frames, cuts):
    samples = noise(2, frames)
    whole = resample(samples, from_rate, to_rate)
    assert whole.shape == (2, -(-frames * to_rate // from_rate))
    np.testing.assert_array_equal(
        np.concatenate(list(resampled(cut(samples, cuts), from_rate, to_rate)), axis=1), whole
    )


@given(frames=st.integers(0, 500), step=st.integers(1, 70), cuts=SHARES)
def test_steps_are_whole_but_for_the_last_and_lose_nothing(frames, step, cuts):
    samples = noise(1, frames)
    *first, last = [np.zeros((1, 0)), *in_steps(cut(samples, cuts), step)]
    assert all(block.shape[1] % step == 0 for block in first)
    np.testing.assert_array_equal(np.concatenate([*first, last], axis=1), samples)


@given(cuts=SHARES, others=SHARES, frames=st.integers(1, 900))
def test_a_sum_goes_on_to_the_end_of_its_longest_part(cuts, others, frames):
    mono, stereo = noise(1, frames, 1), noise(2, 600, 2)
    total = np.concatenate(list(summed([(cut(mono, cuts), None), (cut(stereo, others), None)], 2)), axis=1)
    assert total.shape == (2, max(600, frames))
    wanted = np.zeros(total.shape, dtype=np.float32)
    wanted[:, :frames] += mono
    wanted[:, :600] += stereo
    np.testing.assert_array_equal(total, wanted)


def test_a_mono_signal_may_go_to_one_channel_of_a_sum():
    left, right = noise(1, 50, 1), noise(1, 70, 2)
    (first, rest) = summed([([left], 0), ([right], 1)], 2)
    np.testing.assert_array_equal(first, np.concatenate([left, right[:, :50]]))
    np.testing.assert_array_equal(rest, np.concatenate([np.zeros((1, 20)), right[:, 50:]]))


def test_loudness_of_a_signal_longer_than_a_block_has_no_seams():
    samples = noise(2, 400_000)
    power = k_weighted_power(samples, 44_100)
    assert power.shape == (90,)
    np.testing.assert_array_equal(power[:20], k_weighted_power(samples[:, :88_200], 44_100))
    np.testing.assert_allclose(power[40:], power[:40].mean(), rtol=0.2)


def test_the_true_peak_between_samples_is_found_wherever_blocks_end():
    # A quarter of the rate, 45 degrees off: samples at 0.71, peaks at 1 (EBU Tech 3341, case 15).
    wave = np.sin(np.pi / 2 * np.arange(400_000) + np.pi / 4).astype(np.float32)[None]
    assert np.abs(wave).max() == pytest.approx(np.sqrt(0.5), abs=1e-4)
    for blocks in ([wave], cut(wave, [0.1, 0.33, 0.6])):
        assert true_peak_dbtp(blocks, 48_000) == pytest.approx(0.0, abs=0.2)
    assert true_peak_dbtp([], 48_000) == -120.0


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (48000, 16000), (8000, 16000), (16000, 44100)])
def test_resampling_keeps_duration_level_and_pitch(from_rate, to_rate):
    def sine(rate):
        return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)).astype(np.float32)

    heard = resample(sine(from_rate)[None], from_rate, to_rate)
    assert heard.shape == (1, to_rate)
    assert heard.dtype == np.float32
    inner = slice(to_rate // 10, -to_rate // 10)
    np.testing.assert_allclose(heard[0, inner], sine(to_rate)[inner], atol=5e-3)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    high = np.sin(2 * np.pi * 12000 * np.arange(44100) / 44100).astype(np.float32)
    assert np.abs(resample(high[None], 44100, 16000)[:, 1000:-1000]).max() < 0.01


def test_the_same_rate_returns_the_same_samples():
    samples = noise()
    assert resample(samples, 16000, 16000) is samples
