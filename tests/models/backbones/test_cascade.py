"""A cascade hears with any encoder as the encoder itself does, keeps the level, and refuses what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mixlab.chat.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.models.adapters import trainable_state
from mixlab.models.backbones.cascade import Cascade
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.checkpoints import load_trained, save_trained
from mixlab.models.footprint import footprint
from mixlab.synthesis.example import Clip

from ..conftest import small_lora
from ..test_checkpoints import describe
from . import components as tiny


@pytest.fixture
def words(tmp_path):
    """A language model with tied embeddings."""
    tiny.language_model(tmp_path / "words")
    return str(tmp_path / "words")


@pytest.fixture
def recipe(words, tmp_path):
    """The recipe of a cascade with the encoder in the folder `ear`."""

    def make(**changes):
        settings = {"projector": "linear", "audio_tokens": None, "level": False} | changes
        return Cascade(**({"audio_encoder": str(tmp_path / "ear"), "language_model": words} | settings))

    return make


def noise_clips(rate=16000, gains_db=(0.0, 0.0), seconds=2.0):
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.05, round(rate * seconds)).astype(np.float32) for _ in gains_db]
    return [
        Clip(f"Clip {index}:", ("bass",), sound * np.float32(10 ** (gain_db / 20)))
        for index, (sound, gain_db) in enumerate(zip(sounds, gains_db, strict=True))
    ]


def heard(backbone, clips):
    """The embeddings of the clips' audio tokens, shape (tokens, width) each."""
    encoder = ChatEncoder(backbone.chat)
    waveforms, lengths = encoder.line_up(backbone.chat.sounds(clips))
    frames = backbone.chat.front_end.frames(lengths)
    features = backbone.chat.front_end(waveforms)
    mask = (torch.arange(features.shape[-1])[None] < frames[:, None]).long()
    with torch.no_grad():
        embeddings = backbone.model.model.audio_embeddings(features, mask)
    return embeddings.split([backbone.chat.audio_tokens(clip.samples.size) for clip in clips])


def test_a_whisper_encoder_hears_as_it_does_by_itself(recipe, tmp_path):
    encoder = tiny.whisper(tmp_path / "ear")
    backbone = recipe().build()
    clips = noise_clips(gains_db=(0.0,), seconds=4.0)
    states = encoder(backbone.chat.front_end(torch.from_numpy(clips[0].samples)[None])).last_hidden_state[0, :6]
    projected = backbone.model.model.multi_modal_projector(states)
    torch.testing.assert_close(heard(backbone, clips)[0], projected)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
def test_an_encoder_of_waveforms_hears_every_clip_as_it_does_alone_and_unpadded(recipe, tmp_path, kind):
    encoder = tiny.wave_encoder(tmp_path / "ear", kind)
    backbone = recipe().build()
    clips = [noise_clips()[0], noise_clips(seconds=3.0)[1]]
    for clip, found in zip(clips, heard(backbone, clips), strict=True):
        states = encoder(torch.from_numpy(clip.samples)[None]).last_hidden_state[0]
        torch.testing.assert_close(found, backbone.model.model.multi_modal_projector(states), rtol=1e-4, atol=1e-6)


def test_mert_is_served_by_hubert_and_its_own_code_never_runs(recipe, tmp_path):
    encoder = tiny.mert(tmp_path / "ear")
    backbone = recipe().build()
    assert backbone.chat.front_end.sample_rate == 24000
    clips = noise_clips(24000, (0.0,))
    states = encoder(torch.from_numpy(clips[0].samples)[None]).last_hidden_state[0]
    projected = backbone.model.model.multi_modal_projector(states)
    torch.testing.assert_close(heard(backbone, clips)[0], projected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("extra", [{"feature_extractor_cqt": True}, {"deepnorm": True, "do_stable_layer_norm": False}])
def test_a_mert_that_needs_its_own_code_is_refused(recipe, tmp_path, extra):
    tiny.mert(tmp_path / "ear", **extra)
    with pytest.raises(ConfigError, match="that only its own remote code computes"):
        recipe().read_chat()


def test_six_db_on_one_clip_change_its_embeddings_alone(recipe, tmp_path):
    tiny.wave_encoder(tmp_path / "ear")
    backbone = recipe().build()
    before, after = (heard(backbone, noise_clips(gains_db=(0.0, gain_db))) for gain_db in (0.0, 6.0))
    assert torch.equal(before[0], after[0])
    assert (before[1] - after[1]).abs().amax(dim=-1).min() > 1e-5


@pytest.mark.parametrize("changes", [{"feat_extract_norm": "group"}, {"conv_bias": False}])
def test_an_encoder_that_cannot_hear_level_is_refused_for_clips_and_hears_it_with_its_loudness(
    recipe, tmp_path, changes
):
    tiny.wave_encoder(tmp_path / "ear", **changes)
    deaf = recipe().read_chat()
    with pytest.raises(ConfigError, match=r"inputs is 'stems'.*normalises every sound.*model\.arguments\.level=true"):
        deaf.check_inputs("stems", 4, 10.0)
    deaf.check_inputs("mixture", 1, 10.0)
    backbone = recipe(level=True).build()
    backbone.chat.check_inputs("stems", 4, 10.0)
    before, after = (heard(backbone, noise_clips(gains_db=(0.0, gain_db))) for gain_db in (0.0, 6.0))
    assert torch.equal(before[0], after[0])
    assert (before[1] - after[1]).abs().amax(dim=-1).min() > 1e-3


def test_an_extractor_that_normalises_gets_one_factor_for_all_sounds_of_an_example(recipe, tmp_path):
    tiny.wave_encoder(tmp_path / "ear", normalises=True)
    chat = recipe().read_chat()
    quiet, loud = noise_clips(gains_db=(0.0, 6.0))
    scaled = chat.sounds([quiet, loud])
    assert np.mean([np.mean(sound**2) for sound in scaled]) == pytest.approx(1.0, rel=1e-3)
    ratios = [
        np.abs(sound).max() / np.abs(clip.samples).max() for sound, clip in zip(scaled, (quiet, loud), strict=True)
    ]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-5)


def test_level_is_refused_where_the_features_keep_it(recipe, tmp_path):
    tiny.whisper(tmp_path / "ear")
    with pytest.raises(ConfigError, match=r"model\.arguments\.level is true.*keeps the level"):
        recipe(level=True).read_chat()


@pytest.mark.parametrize(("pooled", "tokens"), [(None, 16), (5, 5), (64, 16)])
def test_a_clip_is_averaged_to_as_many_tokens_as_asked(recipe, tmp_path, pooled, tokens):
    tiny.whisper(tmp_path / "ear")
    backbone = recipe(audio_tokens=pooled, projector="mlp").build()
    assert backbone.chat.audio_tokens(160000) == tokens
    assert len(heard(backbone, noise_clips(gains_db=(0.0,), seconds=10.0))[0]) == tokens


def test_the_language_model_goes_in_whole_and_its_head_stays_tied(recipe, words, tmp_path):
    from transformers import AutoModelForCausalLM

    tiny.whisper(tmp_path / "ear")
    backbone = recipe().build()
    plain = AutoModelForCausalLM.from_pretrained(words)
    ids = torch.arange(10)[None]
    torch.testing.assert_close(backbone.model(input_ids=ids).logits, plain(input_ids=ids).logits)
    backbone.save(tmp_path / "saved")
    again = Pretrained(str(tmp_path / "saved")).build()
    for joined in (backbone.model, again.model):
        assert joined.lm_head.weight is joined.get_input_embeddings().weight
    assert all(
        torch.equal(tensor, again.model.state_dict()[name]) for name, tensor in backbone.model.state_dict().items()
    )


def test_a_language_model_without_a_template_is_asked_in_bare_words(recipe, tmp_path):
    tiny.whisper(tmp_path / "ear")
    tiny.language_model(
        tmp_path / "bare", "gpt2", template=False, n_embd=32, n_layer=1, n_head=2, max_position_embeddings=512
    )
    backbone = recipe(language_model=str(tmp_path / "bare"), audio_tokens=4).build()
    text = ChatEncoder(backbone.chat).prompt_text(noise_clips(), "How is it?")
    assert text == "Clip 0: " + "<|audio|>" * 3 + "\nClip 1: " + "<|audio|>" * 3 + "\nHow is it?\n"
    with pytest.raises(ConfigError, match=r"up to 4 clips of 4 tokens.*context of 512.*inputs=mixture"):
        backbone.chat.check_inputs("stems", 4, 10.0)


def test_what_a_recipe_trained_loads_again_from_its_parts(recipe, tmp_path):
    tiny.wave_encoder(tmp_path / "ear", normalises=True)
    made = recipe(projector="mlp", audio_tokens=3)
    backbone = made.build()
    adapted = replace(backbone, model=small_lora(backbone))
    counts = {part.part: part.trainable for part in footprint(adapted).parts}
    assert (counts["audio_tower"], counts["head"]) == (0, 0)
    with torch.no_grad():
        for tensor in trainable_state(adapted.model).values():
            tensor.normal_(std=0.1)
    description = describe(
        builder="cascade", arguments=dict(made.__dict__), feature_mean=None, feature_deviation=None, family="cascade"
    )
    save_trained(tmp_path / "run" / "adapter", adapted, description)
    loaded = load_trained(tmp_path / "run").backbone
    clips = noise_clips()
    before, after = (heard(replace(joined, model=joined.model.get_base_model()), clips) for joined in (adapted, loaded))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_parts_that_are_not_there_or_of_no_known_kind_are_named(recipe, words, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"model\.arguments\.audio_encoder is 'nobody/nothing'.*local folder"):
        recipe(audio_encoder="nobody/nothing").read_chat()
    with pytest.raises(
        ConfigError, match=r"audio_encoder is '.*words', a model of type 'llama'; mixlab hears with whisp"
    ):
        recipe(audio_encoder=words).read_chat()
    tiny.whisper(tmp_path / "ear")
    with pytest.raises(ConfigError, match=r"model\.arguments\.language_model is 'nobody/nothing'.*local folder"):
        recipe(language_model="nobody/nothing").read_chat()
    tiny.wave_encoder(tmp_path / "ear2")
    with pytest.raises(ConfigError, match="of type 'wav2vec2', which is no causal language model"):
        recipe(language_model=str(tmp_path / "ear2")).outline()
    with pytest.raises(ConfigError, match=r"model\.arguments\.projector is 'cubic'; choose linear or mlp"):
        recipe(projector="cubic")
    with pytest.raises(ConfigError, match=r"model\.arguments\.audio_tokens is 0"):
        recipe(audio_tokens=0)
