"""Qwen2-Audio of the 7B's shapes, and of small ones, with random weights around the tiny model's tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen2AudioConfig, Qwen2AudioProcessor, WhisperFeatureExtractor

from mixlab.models.backbones.base import Backbone
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.tiny import TINY_FOLDER

SIZES: dict[str, dict[str, Any]] = {
    "7b": {
        "audio": {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
        "text": {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 156032,
        },
    },
    # As assembled out of Whisper tiny.en and SmolLM2-135M.
    "mini": {
        "audio": {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536},
        "text": {
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49155,
        },
    },
    "tiny": {
        "audio": {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
        "text": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": 2048,
        },
    },
}


def processor() -> Qwen2AudioProcessor:
    """The tiny model's words and template with the large models' ears: 128 mels, 100 frames a second, 30 s."""
    tiny = Qwen2Audio().read_processor(str(TINY_FOLDER))
    ears = WhisperFeatureExtractor(feature_size=128)
    return Qwen2AudioProcessor(feature_extractor=ears, tokenizer=tiny.tokenizer, chat_template=tiny.chat_template)


def shapes(size: str, words: Qwen2AudioProcessor) -> Qwen2AudioConfig:
    """The architecture, for a processor's tokens."""
    parts = SIZES[size]
    return Qwen2AudioConfig(
        audio_config={"num_mel_bins": 128, "max_source_positions": 1500, **parts["audio"]},
        text_config={"model_type": "qwen2", "max_position_embeddings": 8192, **parts["text"]},
        audio_token_index=words.tokenizer.convert_tokens_to_ids(words.audio_token),
    )


def random_backbone(size: str, device: torch.device) -> Backbone:
    """The model with random weights, before any adapter; in bfloat16 where there is a GPU or nothing but shapes."""
    torch.manual_seed(0)
    words, family, default = processor(), Qwen2Audio(), torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device.type == "cpu" else torch.bfloat16)
    try:
        with device:
            return Backbone(family.new_model(shapes(size, words)), words, family)
    finally:
        torch.set_default_dtype(default)
