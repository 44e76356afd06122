"""Tiny random parts of joined backbones, of the real classes, in folders as the hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    HubertConfig,
    HubertModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from mixlab.models.backbones.tiny import Tiny

WAVE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8, 8, 8],
    "conv_kernel": [40, 20, 8],
    "conv_stride": [20, 20, 8],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
    "do_stable_layer_norm": True,
}
"""An encoder of waveforms with five states a second."""


def whisper(folder: Path) -> Any:
    config = WhisperConfig(
        d_model=24, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=48, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=48, num_mel_bins=64, max_source_positions=16, vocab_size=8,
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0, init_std=0.2,
    )  # fmt: skip
    model = WhisperModel(config).eval()
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=64, hop_length=5000, n_fft=8192, chunk_length=10).save_pretrained(folder)
    return model.encoder


def wave_encoder(folder: Path, kind: str = "wav2vec2", normalises: bool = False, **changes: Any) -> Any:
    heard = {"feat_extract_norm": "layer", "conv_bias": True} | changes
    model = AutoModel.from_config(AutoConfig.for_model(kind, **(WAVE | heard))).eval()
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalises).save_pretrained(folder)
    return model


def mert(folder: Path, **changes: Any) -> Any:
    """As the hub has it: code of its own, weights of an older format with the older names of a weight norm."""
    config = HubertConfig(**WAVE, feat_extract_norm="layer", conv_bias=True)
    model = HubertModel(config).eval()
    named = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in model.state_dict().items()
    }
    folder.mkdir()
    torch.save(named, folder / "pytorch_model.bin")
    code = {"AutoConfig": "configuration_MERT.MERTConfig", "AutoModel": "modeling_MERT.MERTModel"}
    own = {"model_type": "mert_model", "auto_map": code, "feature_extractor_cqt": False, "attention_relax": 32.0}
    (folder / "config.json").write_text(json.dumps(config.to_dict() | own | changes))
    (folder / "configuration_MERT.py").write_text("raise SystemExit('remote code ran')\n")
    (folder / "modeling_MERT.py").write_text("raise SystemExit('remote code ran')\n")
    Wav2Vec2FeatureExtractor(do_normalize=False, sampling_rate=24000).save_pretrained(folder)
    return model


def language_model(folder: Path, kind: str = "llama", template: bool = True, **changes: Any) -> Any:
    tokenizer = Tiny("listener").read_chat().tokenizer
    if not template:
        tokenizer.chat_template = None
    sizes = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 2048, "vocab_size": len(tokenizer), "bos_token_id": 2,
        "eos_token_id": 2, "tie_word_embeddings": True, "initializer_range": 0.2,
    }  # fmt: skip
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(sizes | changes))).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def codec(folder: Path, kind: str, **changes: Any) -> Any:
    """A codec with codebooks that are not empty."""
    sizes: dict[str, Any] = {
        "encodec": {
            "sampling_rate": 16000, "upsampling_ratios": [20, 20, 8], "num_filters": 4, "hidden_size": 8,
            "codebook_dim": 8, "codebook_size": 32, "num_lstm_layers": 1, "target_bandwidths": [0.05],
        },
        "dac": {
            "sampling_rate": 16000, "encoder_hidden_size": 4, "downsampling_ratios": [20, 20, 8], "codebook_dim": 4,
            "decoder_hidden_size": 16, "upsampling_ratios": [8, 20, 20], "codebook_size": 32, "n_codebooks": 2,
        },
        "mimi": {
            "sampling_rate": 16000, "hidden_size": 16, "num_filters": 4, "upsampling_ratios": [20, 20, 4],
            "codebook_size": 32, "codebook_dim": 8, "num_quantizers": 3, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 16, "frame_rate": 5,
            "upsample_groups": 16,
            "vector_quantization_hidden_dimension": 8,
        },
    }[kind]  # fmt: skip
    model = AutoModel.from_config(AutoConfig.for_model(kind, **(sizes | changes))).eval()
    for name, buffer in model.named_buffers():
        if name.endswith((".embed", ".embed_sum", ".embed_avg")):
            buffer.normal_()
        elif name.endswith("cluster_usage"):
            buffer.fill_(1.0)
    if kind == "encodec":
        # The first codebook is of what the encoder makes of sounds at many levels, the others of what is left over.
        generator = torch.Generator().manual_seed(0)
        levels_db = torch.linspace(-60.0, 0.0, 32)[:, None, None]
        with torch.no_grad():
            for name, parameter in model.encoder.named_parameters():
                if "bias" in name:  # which would drown the sound in a random encoder
                    parameter.zero_()
            found = model.encoder(torch.randn(32, 1, 16000, generator=generator) * 10 ** (levels_db / 20))[..., 2]
            model.quantizer.layers[0].codebook.embed.copy_(found)
            for layer in model.quantizer.layers[1:]:
                layer.codebook.embed.mul_(found.std() / 4)
    model.save_pretrained(folder)
    return model
