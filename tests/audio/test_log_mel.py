"""The log-mel features: transformers' own to 1e-4, and a gain moves them by g / 40."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from mixlab.audio.levels import apply_gain
from mixlab.audio.log_mel import LogMel, shift_gain

SAMPLE_RATE = 16000
TINY = {"feature_size": 64, "hop_length": 5000, "n_fft": 8192, "chunk_length": 10}
QWEN2_AUDIO_7B = {"feature_size": 128, "hop_length": 160, "n_fft": 400, "chunk_length": 30}


def front_end(settings: dict) -> LogMel:
    return LogMel(SAMPLE_RATE, settings["n_fft"], settings["hop_length"], settings["feature_size"])


def clip(kind: str, seconds: float = 10.0) -> np.ndarray:
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    rng = np.random.default_rng(0)
    signals = {
        "noise": 0.1 * rng.standard_normal(time_s.size),
        "tones": 0.3 * np.sin(2 * np.pi * 110 * time_s) + 0.01 * np.sin(2 * np.pi * 3000 * time_s),
        "bursts": 0.3 * rng.standard_normal(time_s.size) * (time_s % 1.0 < 0.1),
        "quiet": 1e-4 * rng.standard_normal(time_s.size),
        "silence": np.zeros(time_s.size),
    }
    return signals[kind].astype(np.float32)


@pytest.mark.parametrize("settings", [TINY, QWEN2_AUDIO_7B], ids=["tiny", "7b"])
@pytest.mark.parametrize("kind", ["noise", "tones", "bursts", "quiet", "silence"])
def test_features_are_those_of_transformers(settings, kind):
    extractor = WhisperFeatureExtractor(**settings)
    sound = clip(kind)
    reference = extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features[0]
    window = np.pad(sound, (0, extractor.n_samples - sound.size))
    features = front_end(settings)(window)
    assert features.dtype == np.float32
    assert features.shape == reference.shape
    np.testing.assert_allclose(features, reference, atol=1e-4)


@settings(max_examples=8)
@given(gain_db=st.floats(-20, 12), kind=st.sampled_from(["noise", "bursts"]))
def test_a_gain_moves_every_unclamped_feature_by_a_fortieth(gain_db, kind):
    sound = clip(kind)
    before, after = front_end(TINY)(sound), front_end(TINY)(apply_gain(sound, gain_db))
    unclamped = before > before.max() - 2.0 + 1e-3
    assert unclamped.mean() > 0.5
    np.testing.assert_allclose((after - before)[unclamped], gain_db / 40, atol=2e-5)


def test_6_db_are_0_15():
    sound = clip("noise")
    moved = front_end(QWEN2_AUDIO_7B)(apply_gain(sound, 6.0)) - front_end(QWEN2_AUDIO_7B)(sound)
    np.testing.assert_allclose(moved, 0.15, atol=1e-4)


@pytest.mark.parametrize("bad", [np.zeros((2, 16000), np.float32), np.zeros(200, np.float32)], ids=["stereo", "short"])
def test_what_is_no_mono_clip_of_half_a_window_is_refused(bad):
    with pytest.raises(ValueError, match="a clip needs shape"):
        front_end(QWEN2_AUDIO_7B)(bad)


@settings(max_examples=20, deadline=None)
@given(st.floats(-40.0, 40.0), st.sampled_from(["noise", "tones", "bursts"]))
def test_features_after_a_gain_need_no_second_analysis(gain_db, kind):
    features, sound = front_end(TINY), clip(kind)
    expected = features(apply_gain(sound, gain_db))
    np.testing.assert_allclose(shift_gain(features(sound), gain_db), expected, atol=1e-4)
