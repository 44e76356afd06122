"""The log-mel features: transformers' own to 1e-4 for clips of any length, and a gain moves them by g / 40."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from mixlab.audio.levels import apply_gain
from mixlab.audio.log_mel import LogMel, _constants, shift_gain
from mixlab.errors import ConfigError

SAMPLE_RATE = 16000
TINY = {"feature_size": 64, "hop_length": 5000, "n_fft": 8192, "chunk_length": 10}
QWEN2_AUDIO_7B = {"feature_size": 128, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
KINDS = ["noise", "tones", "bursts", "quiet", "silence"]


def front_end(settings: dict) -> LogMel:
    return LogMel.of(WhisperFeatureExtractor(**settings))


def features_of(settings: dict, *clips: np.ndarray) -> np.ndarray:
    waveforms = np.zeros((len(clips), max(clip.size for clip in clips)), np.float32)
    for row, clip in zip(waveforms, clips, strict=True):
        row[: clip.size] = clip
    return front_end(settings)(torch.from_numpy(waveforms)).numpy()


def extracted(settings: dict, sound: np.ndarray) -> np.ndarray:
    """What transformers' extractor makes of a clip."""
    extractor = WhisperFeatureExtractor(**settings)
    return extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features[0]


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


@pytest.mark.parametrize(("settings", "seconds"), [(TINY, 10.0), (QWEN2_AUDIO_7B, 10.0), (QWEN2_AUDIO_7B, 30.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_transformers(settings, seconds, kind):
    sound = clip(kind, seconds)
    features = features_of(settings, sound)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[0], extracted(settings, sound), atol=1e-4)


@settings(max_examples=30)
@given(
    st.sampled_from([TINY, QWEN2_AUDIO_7B]),
    st.one_of(st.floats(0.01, 10.0), st.floats(9.6, 10.0), st.floats(0.0001, 0.3)),
    st.sampled_from(["noise", "bursts"]),
)
def test_a_clip_of_any_length_ends_in_the_silence_that_transformers_pads_it_with(model, seconds, kind):
    sound = clip(kind, seconds)
    np.testing.assert_allclose(features_of(model, sound)[0], extracted(model, sound), atol=1e-4)


@pytest.mark.parametrize("samples", [479_999, 479_900, 479_801, 479_799])
def test_a_clip_that_ends_just_before_the_window_is_reflected_there_with_its_silence(samples):
    sound = clip("noise", 30.0)[:samples]
    np.testing.assert_allclose(features_of(QWEN2_AUDIO_7B, sound)[0], extracted(QWEN2_AUDIO_7B, sound), atol=1e-4)


@pytest.mark.parametrize(("n_fft", "mels"), [(400, 80), (400, 128), (8192, 64)])
def test_the_mel_filters_are_those_of_whisper_to_the_bit(n_fft, mels):
    bank = _constants(SAMPLE_RATE, n_fft, mels, torch.device("cpu"))[1]
    expected = mel_filter_bank(1 + n_fft // 2, mels, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
    np.testing.assert_array_equal(bank.numpy(), expected.astype(np.float32))


def test_past_a_clips_end_there_is_one_value_80_db_below_its_maximum():
    features = features_of(QWEN2_AUDIO_7B, clip("noise"))[0]
    assert (features[:, 1002:] == features[0, -1]).all()
    assert features[0, -1] == pytest.approx(features.max() - 2.0)


@pytest.mark.parametrize("settings", [TINY, QWEN2_AUDIO_7B], ids=["tiny", "7b"])
def test_a_clip_has_the_same_bits_whatever_stands_beside_it(settings):
    clips = [clip(kind) for kind in KINDS]
    together = features_of(settings, *clips)
    for row, sound in zip(together, clips, strict=True):
        np.testing.assert_array_equal(row, features_of(settings, sound)[0])


def test_a_batch_of_mixed_lengths_gives_the_features_of_single_clips():
    clips = [clip("noise", 3.0), clip("bursts", 10.0), clip("tones", 6.43)]
    for model in (TINY, QWEN2_AUDIO_7B):
        for row, sound in zip(features_of(model, *clips), clips, strict=True):
            np.testing.assert_allclose(row, features_of(model, sound)[0], atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_features_of_a_cpu():
    waveforms = torch.from_numpy(np.stack([clip(kind) for kind in KINDS]))
    for model in (TINY, QWEN2_AUDIO_7B):
        there = front_end(model)(waveforms.cuda())
        torch.testing.assert_close(there.cpu(), front_end(model)(waveforms), atol=1e-4, rtol=0.0)


def test_features_are_float32_where_training_runs_in_bfloat16():
    with torch.autocast("cpu", torch.bfloat16):
        inside = features_of(TINY, clip("noise"))
    np.testing.assert_array_equal(inside, features_of(TINY, clip("noise")))


@settings(max_examples=8)
@given(gain_db=st.floats(-20, 12), kind=st.sampled_from(["noise", "bursts"]))
def test_a_gain_moves_every_unclamped_feature_by_a_fortieth(gain_db, kind):
    sound = clip(kind)
    before, after = features_of(TINY, sound, apply_gain(sound, gain_db))
    unclamped = before > before.max() - 2.0 + 1e-3
    assert unclamped.mean() > 0.5
    np.testing.assert_allclose((after - before)[unclamped], gain_db / 40, atol=2e-5)


def test_6_db_are_0_15():
    sound = clip("noise")
    before, after = features_of(QWEN2_AUDIO_7B, sound, apply_gain(sound, 6.0))
    np.testing.assert_allclose((after - before)[:, :1000], 0.15, atol=1e-4)


def test_a_clip_longer_than_the_window_is_refused_and_not_cut():
    with pytest.raises(ValueError, match=r"a clip of 10\.5 s exceeds the model's 10 s"):
        features_of(TINY, clip("noise", 10.5))


def test_what_is_no_batch_of_mono_clips_is_refused():
    with pytest.raises(ValueError, match=r"waveforms need shape \(clips, samples\), got \(2, 2, 16000\)"):
        front_end(TINY)(torch.zeros(2, 2, 16000))


@settings(max_examples=20, deadline=None)
@given(st.floats(-40.0, 40.0), st.sampled_from(["noise", "tones", "bursts"]))
def test_features_after_a_gain_need_no_second_analysis(gain_db, kind):
    before, expected = features_of(TINY, clip(kind), apply_gain(clip(kind), gain_db))
    np.testing.assert_allclose(shift_gain(before, gain_db), expected, atol=1e-4)


def test_an_extractor_that_may_normalise_every_clip_is_refused():
    with pytest.raises(ConfigError, match=r"Wav2Vec2FeatureExtractor.*normalise every clip"):
        LogMel.of(Wav2Vec2FeatureExtractor())
