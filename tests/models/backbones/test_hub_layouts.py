"""Checkpoints as their makers publish them load, although they differ from what transformers writes."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen2_5OmniConfig

from mixlab.chat.encoder import ChatEncoder
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.synthesis.example import Clip

from .miniatures import miniature


@pytest.fixture
def omni_as_published(tmp_path):
    """A tiny Qwen2.5-Omni whose thinker lies beside talker and voice, with its eyes."""
    backbone = miniature("qwen2_5_omni")
    backbone.save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    whole = {f"thinker.{name}": tensor for name, tensor in weights.items()}
    whole |= {"talker.thinker_to_talker_proj.weight": torch.zeros(2, 2), "token2wav.x": torch.zeros(2)}
    save_file(whole, tmp_path / "model.safetensors", {"format": "pt"})
    Qwen2_5OmniConfig(thinker_config=backbone.model.config.to_dict()).save_pretrained(tmp_path)
    return backbone, tmp_path


def test_the_thinker_loads_out_of_the_whole_omni(omni_as_published):
    backbone, folder = omni_as_published
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen2_5_omni"
    loaded = Pretrained(str(folder)).build()
    expected = backbone.model.state_dict()
    assert loaded.model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.model.state_dict().items())


def test_the_outline_of_the_whole_omni_is_that_of_the_thinker(omni_as_published):
    backbone, folder = omni_as_published
    shapes = {name: parameter.shape for name, parameter in Pretrained(str(folder)).outline().model.named_parameters()}
    assert shapes == {name: parameter.shape for name, parameter in backbone.model.named_parameters()}


def noise_clips(seconds):
    rng = np.random.default_rng(0)
    sounds = [(0.05 * rng.standard_normal(round(seconds * 16000))).astype(np.float32) for _ in range(2)]
    return [Clip("Anchor, bass:", ("bass",), sounds[0]), Clip("Rest:", ("drums",), sounds[1])]


def tekken(path):
    """A vocabulary in Mistral's format: bytes, one merge and the special tokens of Voxtral."""
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", *(f"<SPECIAL_{n}>" for n in range(5, 24))]
    special = [*special, "[AUDIO]", "[BEGIN_AUDIO]"]
    special[11] = "<pad>"
    pieces = [*(bytes([byte]) for byte in range(256)), b"Ba"]
    path.write_text(
        json.dumps(
            {
                "config": {
                    "pattern": r"\p{L}+|\p{N}|[^\p{L}\p{N}]+",
                    "num_vocab_tokens": len(pieces),
                    "default_vocab_size": len(pieces) + len(special),
                    "default_num_special_tokens": len(special),
                    "version": "v7",
                },
                "vocab": [
                    {"rank": rank, "token_bytes": base64.b64encode(piece).decode(), "token_str": None}
                    for rank, piece in enumerate(pieces)
                ],
                "special_tokens": [
                    {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(special)
                ],
            }
        )
    )


def test_voxtral_reads_the_vocabulary_of_mistral_and_writes_a_fast_tokenizer(tmp_path):
    backbone = miniature("voxtral")
    backbone.save(tmp_path)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    tekken(tmp_path / "tekken.json")
    family = backbone.family
    processor = family.read_processor(str(tmp_path))
    chat = family.chat(processor)
    assert (chat.audio_token_id, chat.end_token_id, chat.pad_token_id) == (24, 2, 11)
    ids = chat.tokenizer("<s>[INST]Bass [BEGIN_AUDIO][AUDIO] loud[/INST]", add_special_tokens=False)["input_ids"]
    assert ids[:3] == [1, 3, 26 + 256]
    assert ids.count(24) == 1
    assert chat.tokenizer.decode(ids, skip_special_tokens=True) == "Bass  loud"
    spans = chat.tokenizer("Bass is loud", add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert spans[0] == (0, 2)
    processor.save_pretrained(tmp_path / "written")
    again = AutoTokenizer.from_pretrained(tmp_path / "written")
    assert again("[INST]Bass[/INST]", add_special_tokens=False)["input_ids"] == [3, 26 + 256, 26 + 115, 26 + 115, 4]


@pytest.mark.parametrize("family", ["audio_flamingo_3", "music_flamingo"])
@pytest.mark.parametrize("seconds", [10.0, 7.3, 4.5])
def test_flamingos_get_the_ids_and_features_of_their_own_processor(family, seconds):
    backbone = miniature(family)
    encoder, processor = ChatEncoder(backbone.chat), backbone.processor
    clips = noise_clips(seconds)
    found = encoder.encode_text(clips, "How is it?", None)
    (sound,) = backbone.chat.sounds(clips)
    said = encoder.prompt_text(clips, "How is it?").split(">user\n")[1].split("<|im_end|>")[0]
    content = [{"type": "audio", "audio": ""}, {"type": "text", "text": re.sub(r"(<.*?sound.*?>)+", "", said)}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    expected = processor(text=text, audio=[sound])
    assert found.input_ids.tolist() == expected["input_ids"][0].tolist()
    np.testing.assert_allclose(encoder.features([sound]), expected["input_features"], atol=1e-4)
    # The extractor counts the frame in which a sound ends, too.
    assert int(expected["input_features_mask"].sum()) - backbone.chat.front_end.frames(sound.size) in (0, 1)


def test_flamingos_say_where_each_clip_is():
    encoder = ChatEncoder(miniature("music_flamingo").chat)
    text = encoder.chat.conversation(noise_clips(10.0), "How is it?")
    assert "Anchor, bass: 0 to 10 s. Rest: 11 to 21 s. How is it?" in text


@pytest.mark.parametrize("seconds", [10.0, 7.3, 3.0])
@pytest.mark.parametrize("family", ["qwen2_5_omni", "qwen2_audio"])
def test_a_clip_has_as_many_tokens_as_its_tower_gives_states(family, seconds):
    backbone = miniature(family)
    frames = backbone.chat.front_end.frames(round(seconds * 16000))
    _, states = backbone.part("audio_tower")._get_feat_extract_output_lengths(torch.tensor([frames]))
    assert [slot.ids.size for slot in backbone.chat.slots(noise_clips(seconds))] == [int(states)] * 2
