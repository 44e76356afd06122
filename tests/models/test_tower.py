"""The audio tower on the length of the clips gives what the padded one gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from mixlab.audio.log_mel import LogMel
from mixlab.chat.collate import Batch, with_features
from mixlab.models.backbones.qwen2_audio import Qwen2Audio

from .conftest import make_problem

AUDIO_TOKEN = 9
CLIPPED = LogMel.of(WhisperFeatureExtractor(feature_size=16, chunk_length=3), to_window=False)
"""Qwen2-Audio's own frame rate, with a window of 3 s in place of 30 s."""

PADDED = replace(CLIPPED, to_window=True)


def model():
    """A Qwen2-Audio of that window with random weights."""
    torch.manual_seed(0)
    return Qwen2AudioForConditionalGeneration(config()).eval()


def config(**audio):
    """Its configuration."""
    layers = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "initializer_range": 0.2}
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 10}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    return Qwen2AudioConfig(
        audio_config={"num_mel_bins": 16, "d_model": 16, "max_source_positions": 150, **layers, **audio},
        text_config={"model_type": "qwen2", **text, **heads},
        audio_token_index=AUDIO_TOKEN,
    )


def hear(of, front_end, samples):
    """States of the language model on a prompt of clips of those lengths."""
    rng = np.random.default_rng(0)
    waveforms = torch.zeros(len(samples), max(samples))
    for row, length in zip(waveforms, samples, strict=True):
        row[:length] = torch.from_numpy(rng.standard_normal(length).astype(np.float32))
    batch = with_features(Batch(waveforms=waveforms, clip_samples=torch.tensor(samples)), front_end)
    tokens = sum((((length // 160 - 1) // 2 + 1) - 2) // 2 + 1 for length in samples)
    with torch.no_grad():
        return of.model(
            input_ids=torch.tensor([[1, *[AUDIO_TOKEN] * tokens, 2]]),
            input_features=batch["input_features"],
            feature_attention_mask=batch["feature_attention_mask"],
        ).last_hidden_state


@settings(max_examples=25)
@given(st.lists(st.integers(1600, 48000), min_size=1, max_size=3))
def test_states_are_those_of_the_padded_tower_at_every_position(samples):
    padded, clipped = model(), Qwen2Audio().trimmed(model())
    expected, found = hear(padded, PADDED, samples), hear(clipped, CLIPPED, samples)
    assert (found - expected).abs().amax() <= 1e-4 * expected.abs().amax()


def test_the_layers_run_on_the_clips_positions_alone():
    clipped = Qwen2Audio().trimmed(model())
    seen = []
    tower = clipped.model.audio_tower
    tower.layers[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].shape[1]))
    hear(clipped, CLIPPED, [16000])
    hear(clipped, CLIPPED, [48000])
    assert seen == [50, 150]


def test_a_clip_that_fills_the_window_is_heard_bit_for_bit_as_before():
    assert torch.equal(hear(model(), PADDED, [48000]), hear(Qwen2Audio().trimmed(model()), CLIPPED, [48000]))


def test_two_frames_past_the_last_position_are_enough_and_one_is_not():
    padded, clipped = model(), Qwen2Audio().trimmed(model())
    features = PADDED(torch.randn(1, 16000))
    with torch.no_grad():
        expected = padded.model.audio_tower.conv2(padded.model.audio_tower.conv1(features))[..., :50]
        for frames, same in ((CLIPPED.clip_frames(16000), True), (CLIPPED.clip_frames(16000) - 2, False)):
            cut = clipped.model.audio_tower.conv2(clipped.model.audio_tower.conv1(features[..., :frames]))[..., :50]
            assert torch.allclose(cut, expected, atol=1e-5) == same


def test_a_tower_that_is_frozen_stays_out_of_the_graph(base, make_batch):
    base.model.requires_grad_(False)
    base.model.model.multi_modal_projector.requires_grad_(True)
    heard = []
    base.model.model.audio_tower.register_forward_hook(
        lambda tower, inputs, output: heard.append(output.last_hidden_state.requires_grad)
    )
    batch = make_batch([make_problem(0)])
    # What gradient checkpointing of a whole model does to the inputs of its first layer.
    batch["input_features"].requires_grad_(True)
    base.model(**base.family.inputs(batch)).logits.sum().backward()
    base.model.model.audio_tower.layer_norm.requires_grad_(True)
    base.model(**base.family.inputs(batch))
    assert heard == [False, True]


@pytest.mark.parametrize("setting", ["dropout", "encoder_layerdrop"])
def test_a_tower_with_dropout_of_its_own_is_left_as_it_is(setting):
    tower = Qwen2Audio().new_model(config(**{setting: 0.1})).model.audio_tower
    assert type(tower) is Qwen2AudioEncoder
