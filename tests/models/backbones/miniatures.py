"""A tiny random model of every family, of the real transformers class, with a processor of the real kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from transformers import (
    AudioFlamingo3Processor,
    AutoConfig,
    MusicFlamingoProcessor,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from mixlab.models.backbones.base import FAMILIES, Backbone
from mixlab.models.backbones.hearing import AUDIO_TOKEN, Hearing, SoundProcessor, prepared
from mixlab.models.backbones.source import Pair
from mixlab.models.backbones.tiny import Tiny

WIDTH = 32
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
}
TOWER = {
    "d_model": 24,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 64,
    "initializer_range": 0.2,
}
SOUND_FIRST = (
    "<|im_start|>user\n{% for part in messages[0]['content'] if part['type'] == 'audio' %}<sound>{% endfor %}"
    "{% for part in messages[0]['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}<|im_end|>\n"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As the template of the Flamingos: the sound before all words."""


def _tokenizer(*more: str) -> Any:
    tokenizer = Tiny("listener").read_chat().tokenizer
    tokenizer.add_tokens(list(more), special_tokens=True)
    return tokenizer


def _extractor(window_s: int) -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=64, hop_length=5000, n_fft=8192, chunk_length=window_s)


def _text(tokenizer: Any, **changes: Any) -> dict[str, Any]:
    return TEXT | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id} | changes


def _qwen2_audio() -> tuple[dict[str, Any], Any]:
    tokenizer = _tokenizer()
    config = {
        "model_type": "qwen2_audio",
        "audio_config": TOWER | {"model_type": "qwen2_audio_encoder", "max_source_positions": 16},
        "text_config": _text(tokenizer, model_type="qwen2"),
        "audio_token_index": tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    }
    processor = Qwen2AudioProcessor(
        feature_extractor=_extractor(10),
        tokenizer=tokenizer,
        chat_template=Tiny("listener").read_chat().template.chat_template,
    )
    return config, processor


def _qwen2_5_omni() -> tuple[dict[str, Any], Any]:
    tokenizer = _tokenizer("<|IMAGE|>", "<|VIDEO|>", "<|vision_bos|>")
    config = {
        "model_type": "qwen2_5_omni_thinker",
        "initializer_range": 0.2,
        "audio_config": TOWER | {"max_source_positions": 16, "n_window": 8, "output_dim": WIDTH},
        "vision_config": {
            "depth": 1,
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_heads": 1,
            "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [0],
        },
        "text_config": _text(
            tokenizer, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
        ),
        "audio_token_index": tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        "image_token_index": tokenizer.convert_tokens_to_ids("<|IMAGE|>"),
        "video_token_index": tokenizer.convert_tokens_to_ids("<|VIDEO|>"),
        "audio_start_token_id": tokenizer.convert_tokens_to_ids("<|audio_bos|>"),
        "audio_end_token_id": tokenizer.convert_tokens_to_ids("<|audio_eos|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_bos|>"),
    }
    return config, Pair(tokenizer, _extractor(10))


def _voxtral() -> tuple[dict[str, Any], Any]:
    tokenizer = _tokenizer("<s>", "</s>", "[INST]", "[/INST]", "[BEGIN_AUDIO]", "[AUDIO]")
    tower = TOWER | {"hidden_size": 24, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = {
        "model_type": "voxtral",
        "audio_config": {
            **{key: value for key, value in tower.items() if not key.startswith(("d_", "encoder_"))},
            "model_type": "voxtral_encoder",
            "max_source_positions": 16,
        },
        "text_config": _text(tokenizer, model_type="llama", head_dim=8),
        "audio_token_id": tokenizer.convert_tokens_to_ids("[AUDIO]"),
    }
    return config, Pair(tokenizer, _extractor(10))


def _flamingo(model_type: str, processor_class: Any, **more: Any) -> tuple[dict[str, Any], Any]:
    tokenizer = _tokenizer("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    config = {
        "model_type": model_type,
        "audio_config": TOWER | {"model_type": "audioflamingo3_encoder", "max_source_positions": 48},
        "text_config": _text(tokenizer, model_type="qwen2"),
        "audio_token_id": tokenizer.convert_tokens_to_ids("<sound>"),
        **more,
    }
    return config, processor_class(_extractor(30), tokenizer, chat_template=SOUND_FIRST)


def _audio_flamingo_3() -> tuple[dict[str, Any], Any]:
    return _flamingo("audioflamingo3", AudioFlamingo3Processor)


def _music_flamingo() -> tuple[dict[str, Any], Any]:
    frame_step_s = 5000 / 16000
    rope = {"rope_type": "default", "rope_theta": 1200}
    return _flamingo("musicflamingo", MusicFlamingoProcessor, audio_frame_step=frame_step_s, rope_parameters=rope)


def _hearing(**changes: Any) -> Hearing:
    front_end = {"sample_rate": 16000, "n_fft": 8192, "hop_length": 5000, "mels": 64, "window_samples": 160000}
    given = {"per_state": 1, "pooled": None, "common_scale": False, "hears_level": True, "context": 2048, "tower": "it"}
    return Hearing(front_end, **(given | {"convolutions": []} | changes))


def _joined(model_type: str, hearing: Hearing, audio: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Any]:
    tokenizer = _tokenizer()
    text = _text(tokenizer, model_type="qwen2")
    prepared(tokenizer, "it")
    config = {
        "model_type": model_type,
        "audio_config": audio,
        "text_config": text,
        "hearing": asdict(hearing),
        "audio_token_id": tokenizer.convert_tokens_to_ids(AUDIO_TOKEN),
        **more,
    }
    return config, SoundProcessor(tokenizer, hearing)


def _cascade() -> tuple[dict[str, Any], Any]:
    tower = TOWER | {"model_type": "whisper", "max_source_positions": 16}
    return _joined("mixlab_cascade", _hearing(convolutions=[[1, 2]], pooled=5), tower, projector="mlp")


def _unified() -> tuple[dict[str, Any], Any]:
    return _joined("mixlab_unified", _hearing(), {"model_type": "mixlab_kmeans_codec", "codebook_size": 64})


PARTS: dict[str, Callable[[], tuple[dict[str, Any], Any]]] = {
    "qwen2_audio": _qwen2_audio,
    "qwen2_5_omni": _qwen2_5_omni,
    "voxtral": _voxtral,
    "audio_flamingo_3": _audio_flamingo_3,
    "music_flamingo": _music_flamingo,
    "cascade": _cascade,
    "unified": _unified,
}


def miniature(family: str, seed: int = 0) -> Backbone:
    """The tiny model of a family."""
    config, processor = PARTS[family]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FAMILIES[family].new_model(AutoConfig.for_model(**config))
        if family == "unified":
            levels = torch.linspace(-1.0, 2.0, 64)[:, None]  # less than 2 dB apart
            model.model.audio_tower.centroids.data = levels + 0.05 * torch.randn(64, 64)
    return Backbone(model.eval(), processor, FAMILIES[family])
