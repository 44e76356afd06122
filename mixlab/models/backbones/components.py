"""The audio encoders and language models that joined backbones are made of, read without remote code."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    FeatureExtractionMixin,
    HubertConfig,
    HubertModel,
    Qwen2AudioForConditionalGeneration,
    WhisperFeatureExtractor,
    WhisperModel,
)

from mixlab.audio.log_mel import LogMel
from mixlab.errors import ConfigError
from mixlab.models.backbones.codecs import WINDOW_S
from mixlab.models.backbones.hearing import Hearing, prepared
from mixlab.models.backbones.source import Architectures, Source

WAVEFORM_ENCODERS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat", "mert_model")
ENCODERS = ("whisper", "qwen2_audio", *WAVEFORM_ENCODERS)
"""Model types that a cascade takes as its audio encoder."""

CONVOLUTIONS = {"whisper": [[1, 2]], "qwen2_audio_encoder": [[1, 2], [2, 2]]}
"""What shortens log-mel frames in a tower, as `Hearing` has it."""

RANDOM = (
    "hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "dropout", "layerdrop",
    "encoder_layerdrop", "mask_time_prob", "mask_feature_prob",
)  # fmt: skip
"""What an encoder does by chance while it is in training; it is frozen here, and hears."""

LOGIT_KEYS = ("final_logit_softcapping", "logits_scaling", "logit_scale")
"""What some language models do to their logits after the head, which mixlab's loss would not do."""


def encoder_config(source: Source, known: Architectures | None = None) -> Any:
    """The configuration of an audio encoder.

    MERT comes with code of its own, which is never run: its published models are HuBERTs in all that computes, so that
    transformers' own class takes their weights; those with a constant-Q transform beside or DeepNorm are refused.

    Raises:
        ConfigError: if it is of an unknown type, or such a MERT.
    """
    found = source.config(known)
    kind = found.get("model_type")
    if kind not in ENCODERS:
        raise ConfigError(
            f"model.arguments.audio_encoder is '{source.value}', a model of type '{kind}'; "
            f"mixlab hears with {', '.join(ENCODERS)}."
        )
    if kind == "mert_model":
        extra = found.get("feature_extractor_cqt") or (found.get("deepnorm") and not found.get("do_stable_layer_norm"))
        if extra:
            raise ConfigError(
                f"model.arguments.audio_encoder is '{source.value}', a MERT with a constant-Q transform or DeepNorm "
                "that only its own remote code computes; take one without, such as m-a-p/MERT-v1-330M."
            )
        known = HubertConfig().to_dict()
        config: Any = HubertConfig(**{k: v for k, v in found.items() if k in known and k != "model_type"})
    else:
        config = AutoConfig.for_model(**found)
    config = config.audio_config if kind == "qwen2_audio" else config
    for key in RANDOM:
        if hasattr(config, key):
            setattr(config, key, 0.0)
    return config


def load_encoder(source: Source, config: Any, dtype: torch.dtype) -> nn.Module:
    """An audio encoder with its weights: safetensors, or where there are none, a pickle of tensors and nothing else."""
    if config.model_type == "qwen2_audio_encoder":
        return source.whole(Qwen2AudioForConditionalGeneration, dtype=dtype).model.audio_tower
    if config.model_type == "whisper":
        return source.whole(WhisperModel, config=config, dtype=dtype).encoder
    model_class = HubertModel if config.model_type == "hubert" else AutoModel
    return source.whole(model_class, config=config, dtype=dtype)


def encoder_hearing(source: Source, config: Any, level: bool, pooled: int | None, context: int) -> Hearing:
    """How a cascade with this encoder hears.

    Raises:
        ConfigError: if its extractor is of an unknown kind, or `level` is asked where it says nothing.
    """
    extractor = source.read(FeatureExtractionMixin.get_feature_extractor_dict)[0]
    common: dict[str, Any] = {"per_state": 1, "pooled": pooled, "context": context, "tower": source.value}
    if config.model_type in CONVOLUTIONS:
        if level:
            raise ConfigError(
                f"model.arguments.level is true, but {source.value} hears log-mel, which keeps the level; set it to "
                "false."
            )
        front_end = LogMel.of(source.read(WhisperFeatureExtractor.from_pretrained))
        fields = {name: getattr(front_end, name) for name in LogMel.__dataclass_fields__}
        return Hearing(fields, CONVOLUTIONS[config.model_type], common_scale=False, hears_level=True, **common)
    rate = int(extractor.get("sampling_rate", 16000))
    convolutions = [list(pair) for pair in zip(config.conv_kernel, config.conv_stride, strict=True)]
    step = math.prod(stride for _, stride in convolutions)
    front = {"sample_rate": rate, "step": step, "window_samples": WINDOW_S * rate}
    # A group norm over time, and a layer norm over channels after a convolution without a bias, undo every gain.
    hears = level or (config.feat_extract_norm == "layer" and bool(config.conv_bias))
    # Where the file is silent, the extractor normalises.
    normalises = bool(extractor.get("do_normalize", True))
    return Hearing(front, convolutions, common_scale=normalises, hears_level=hears, **common)


def text_config(source: Source, known: Architectures | None = None) -> Any:
    """The configuration of a language model.

    Raises:
        ConfigError: if transformers does not know it without remote code, or it changes its logits after the head.
    """
    found = source.config(known)
    if found.get("model_type") == "qwen2_audio":
        return AutoConfig.for_model(**found).text_config
    try:
        config = AutoConfig.for_model(**found)
        AutoModelForCausalLM._model_mapping[type(config)]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"model.arguments.language_model is '{source.value}', of type '{found.get('model_type')}', which is no "
            "causal language model that transformers has itself; choose another."
        ) from error
    changed = [key for key in LOGIT_KEYS if getattr(config, key, None) not in (None, 1, 1.0)]
    if changed:
        raise ConfigError(
            f"model.arguments.language_model is '{source.value}', which changes its logits after the head "
            f"({changed[0]}), as mixlab's loss does not; choose a plain one, such as a Qwen, a Llama or a Mistral."
        )
    return config


def load_language_model(source: Source, config: Any, dtype: torch.dtype) -> tuple[nn.Module, nn.Linear]:
    """The layers and embeddings of a language model, and its head.

    Raises:
        ConfigError: if its head has a bias.
    """
    if source.config().get("model_type") == "qwen2_audio":
        whole = source.whole(Qwen2AudioForConditionalGeneration, dtype=dtype, use_safetensors=True)
        return whole.model.language_model, whole.lm_head
    whole = source.whole(AutoModelForCausalLM, config=config, dtype=dtype, use_safetensors=True)
    head = whole.get_output_embeddings()
    if head.bias is not None:
        raise ConfigError(
            f"model.arguments.language_model is '{source.value}', whose head has a bias; choose one without."
        )
    return whole.base_model, head


def load_tokenizer(source: Source) -> Any:
    """The tokenizer of a language model, with the tokens that mixlab needs."""
    return prepared(source.read(AutoTokenizer.from_pretrained, trust_remote_code=False), source.value)


def embedding_deviation(language_model: Any) -> float:
    """The standard deviation of its embeddings of words."""
    return float(language_model.get_input_embeddings().weight[:4096].detach().float().std())
