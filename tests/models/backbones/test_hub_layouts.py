"""Checkpoints as their makers publish them load, although they differ from what transformers writes."""

import base64
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen2_5OmniConfig

from mixlab.models.backbones.pretrained import Pretrained

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
