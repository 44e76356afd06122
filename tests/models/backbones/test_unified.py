"""Audio codes as words: what they tell of level, what of the model trains, and which codecs give them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mixlab.audio.log_mel import LogMel
from mixlab.chat.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.models.adapters import trainable_state
from mixlab.models.backbones.cascade import Unified
from mixlab.models.backbones.codecs import codes_of, fit_codebook
from mixlab.models.backbones.hearing import Hearing
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.checkpoints import load_trained, save_trained
from mixlab.models.footprint import footprint

from ..conftest import small_lora
from ..test_checkpoints import describe
from . import components as tiny
from .test_cascade import noise_clips

LOG_MEL = LogMel(16000, 8192, 5000, 64, 160000)


@pytest.fixture
def codebook(tmp_path):
    """A codebook fitted on noise at many levels, in its folder."""
    rng = np.random.default_rng(1)
    sounds = rng.normal(0, 1, (24, 160000)) * 10 ** (rng.uniform(-60, -10, (24, 1)) / 20)
    frames = LOG_MEL(torch.from_numpy(sounds.astype(np.float32))).transpose(1, 2).reshape(-1, 64).numpy()
    fit_codebook(frames, 32, LOG_MEL, seed=0).save_pretrained(tmp_path / "codes")
    return str(tmp_path / "codes")


def codes(backbone, clips):
    """The codes of each clip, shape (tokens,)."""
    waveforms, _ = ChatEncoder(backbone.chat).line_up(backbone.chat.sounds(clips))
    model = backbone.model.model
    with torch.no_grad():
        return list(codes_of(model.audio_tower, backbone.chat.front_end(waveforms), model.config.codebooks))


def test_six_db_on_one_clip_change_its_codes_alone(codebook):
    backbone = Unified(codec=codebook, language_model="listener", codebooks=1).build()
    before, after = (codes(backbone, noise_clips(gains_db=(0.0, gain_db), seconds=10.0)) for gain_db in (0.0, 6.0))
    assert before[1].shape == (32,)
    assert torch.equal(before[0], after[0])
    assert (before[1] != after[1]).all()


@pytest.mark.parametrize(("kind", "codebooks"), [("encodec", 2), ("dac", 2), ("mimi", 3)])
def test_codecs_of_transformers_give_their_own_codes_one_codebook_after_the_other(tmp_path, kind, codebooks):
    codec = tiny.codec(tmp_path / kind, kind)
    backbone = Unified(codec=str(tmp_path / kind), language_model="listener", codebooks=codebooks).build()
    clips = noise_clips(gains_db=(0.0,), seconds=2.1)
    tokens = backbone.chat.audio_tokens(clips[0].samples.size)
    (found,) = codes(backbone, clips)
    assert found.shape == (tokens,)
    padded = np.pad(clips[0].samples, (0, -clips[0].samples.size % 3200))
    with torch.no_grad():
        given = codec.encode(torch.from_numpy(padded)[None, None]).audio_codes.reshape(-1, 11)[:codebooks]
    assert torch.equal(found, (given + 32 * torch.arange(codebooks)[:, None]).T.flatten())


def test_six_db_change_the_codes_of_a_codec(tmp_path):
    tiny.codec(tmp_path / "encodec", "encodec")
    backbone = Unified(codec=str(tmp_path / "encodec"), language_model="listener", codebooks=2).build()
    before, after = (codes(backbone, noise_clips(gains_db=(0.0, gain_db))) for gain_db in (0.0, 6.0))
    assert torch.equal(before[0], after[0])
    assert (before[1] != after[1]).any()
    assert len(set(before[1].tolist())) > 2


def test_the_new_words_train_beside_the_adapter_and_the_old_ones_stay(codebook, tmp_path):
    recipe = Unified(codec=codebook, language_model="listener", codebooks=1)
    backbone = recipe.build()
    adapted = replace(backbone, model=small_lora(backbone))
    table = {part.part: part for part in footprint(adapted).parts}
    assert table["projector"].trainable == 32 * 128
    assert (table["audio_tower"].trainable, table["head"].trainable) == (0, 0)
    assert not adapted.model.get_base_model().get_input_embeddings().weight.requires_grad
    with torch.no_grad():
        for tensor in trainable_state(adapted.model).values():
            tensor.normal_(std=0.1)
    description = describe(
        builder="unified", arguments=dict(recipe.__dict__), feature_mean=None, feature_deviation=None, family="unified"
    )
    save_trained(tmp_path / "run" / "adapter", adapted, description)
    loaded = load_trained(tmp_path / "run").backbone
    expected = dict(adapted.model.named_parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.model.named_parameters())


def test_the_codebook_is_saved_with_the_backbone(codebook, tmp_path):
    backbone = Unified(codec=codebook, language_model="listener", codebooks=1).build()
    backbone.save(tmp_path / "saved")
    again = Pretrained(str(tmp_path / "saved")).build()
    assert torch.equal(again.model.model.audio_tower.centroids, backbone.model.model.audio_tower.centroids)
    assert again.chat.hearing == backbone.chat.hearing


def test_a_codec_that_normalises_is_refused(tmp_path):
    tiny.codec(tmp_path / "encodec", "encodec", normalize=True)
    with pytest.raises(ConfigError, match="which normalises every sound, so that no code would tell a gain"):
        Unified(codec=str(tmp_path / "encodec"), language_model="listener", codebooks=1).read_chat()


def test_a_missing_codebook_is_named_with_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for missing in (f"{tmp_path}/none", "cache/codebook"):
        with pytest.raises(ConfigError, match=rf"codec is '{missing}'.*mixlab codebook out={missing}"):
            Unified(codec=missing, language_model="listener", codebooks=1).read_chat()


def test_what_gives_no_codes_or_not_so_many_is_refused(codebook, tmp_path):
    tiny.language_model(tmp_path / "words")
    with pytest.raises(ConfigError, match="a model of type 'llama'; mixlab takes codes from"):
        Unified(codec=str(tmp_path / "words"), language_model="listener", codebooks=1).read_chat()
    with pytest.raises(ConfigError, match=r"model\.arguments\.codebooks is 2, but .* has 1"):
        Unified(codec=codebook, language_model="listener", codebooks=2).outline()


def test_more_codes_than_the_context_holds_are_refused(codebook):
    chat = Unified(codec=codebook, language_model="listener", codebooks=1).read_chat()
    chat.check_inputs("stems", 4, 10.0)
    chat.hearing = replace(chat.hearing, context=600)
    with pytest.raises(ConfigError, match=r"up to 4 clips of 32 tokens.*context of 600"):
        chat.check_inputs("stems", 4, 10.0)


def test_more_codes_than_frames_are_refused():
    with pytest.raises(ConfigError, match="codes is 8, but there are only 3 frames"):
        fit_codebook(np.zeros((3, 64), dtype=np.float32), 8, LOG_MEL, seed=0)


def test_a_waveform_is_as_long_as_its_whole_frames():
    front_end = Hearing(
        {"sample_rate": 16000, "step": 320, "window_samples": 480000}, [], 1, None, False, True, 9, "it"
    )
    features = front_end.new_front_end()(torch.ones(1, 1000))
    assert features.shape == (1, 320, 4)
    assert float(features.sum()) == 1000.0
