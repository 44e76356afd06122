"""Room models: the audio encoders and language models that joined backbones are made of, read without remote code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    FeatureExtractionMixin,
    HubertConfig,
    HubertModel,
    PreTrainedConfig,
    Qwen2AudioForConditionalGeneration,
    WhisperFeatureExtractor,
    WhisperModel,
)

from mixlab.audio.log_mel import LogMel
from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.backbones.codecs import WINDOW_S
from mixlab.models.backbones.hearing import Hearing, prepared
from mixlab.models.backbones.pretrained import ARCHITECTURES
from mixlab.models.backbones.tiny import TINY_FOLDER

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

Read = TypeVar("Read")


class Component:
    """A model on the hub or in a folder, and the key of the configuration that names it.

    Args:
        key: such as ``audio_encoder``.
        remedy: what else to do about one that cannot be loaded.
        value: ``listener`` for the parts of the tiny base that comes with the package, a folder, or a hub id, to which
            ``@`` and a revision may be added.
    """

    def __init__(self, key: str, value: str, remedy: str = "") -> None:
        self.key, self.value, self.remedy = key, value, remedy
        self.name, self.revision = value, None
        if value == "listener":
            self.name = str(TINY_FOLDER)
        elif not Path(value).is_dir() and "@" in value:
            self.name, _, self.revision = value.partition("@")

    def read(self, load: Callable[..., Read], **arguments: Any) -> Read:
        """What `load` reads from there.

        Raises:
            ConfigError: if it cannot.
        """
        try:
            return load(self.name, revision=self.revision, trust_remote_code=False, **arguments)
        except (OSError, ValueError) as error:
            first_line = str(error).strip().splitlines()[0].rstrip(".")
            raise ConfigError(
                f"model.arguments.{self.key} is '{self.value}', which cannot be loaded ({first_line}); {self.remedy}"
                "check the id and the network, or give a local folder that holds it, as in "
                f"model.arguments.{self.key}=/path/to/folder."
            ) from error

    def weights(self, model_class: Any, **arguments: Any) -> Any:
        """A model with all its weights.

        Raises:
            ConfigError: if it cannot be loaded.
            CheckpointError: if weights are missing.
        """
        model, loading = self.read(model_class.from_pretrained, output_loading_info=True, **arguments)
        if missing := sorted({*loading["missing_keys"], *loading["mismatched_keys"]}):
            raise CheckpointError(f"The weights of '{self.value}' do not fit: {missing[:5]} are missing.")
        return model

    def raw_config(self, shapes_only: bool = False) -> dict[str, Any]:
        """Its config.json, without looking up a class.

        Args:
            shapes_only: what `architectures.yaml` knows of its shapes is enough, and needs no network.

        Raises:
            ConfigError: if it cannot be loaded.
        """
        known = yaml.safe_load(ARCHITECTURES.read_text()).get(self.name) if shapes_only else None
        return known["config"] if known else self.read(PreTrainedConfig.get_config_dict)[0]


def encoder_config(component: Component, shapes_only: bool = False) -> Any:
    """The configuration of an audio encoder.

    MERT comes with code of its own, which is never run: its published models are HuBERTs in all that computes, so that
    transformers' own class takes their weights; those with a constant-Q transform beside or DeepNorm are refused.

    Raises:
        ConfigError: if it is of an unknown type, or such a MERT.
    """
    found = component.raw_config(shapes_only)
    kind = found.get("model_type")
    if kind not in ENCODERS:
        raise ConfigError(
            f"model.arguments.audio_encoder is '{component.value}', a model of type '{kind}'; "
            f"mixlab hears with {', '.join(ENCODERS)}."
        )
    if kind == "mert_model":
        extra = found.get("feature_extractor_cqt") or (found.get("deepnorm") and not found.get("do_stable_layer_norm"))
        if extra:
            raise ConfigError(
                f"model.arguments.audio_encoder is '{component.value}', a MERT with a constant-Q transform or DeepNorm "
                "that only its own remote code computes; take one without, such as m-a-p/MERT-v1-330M."
            )
        known = HubertConfig().to_dict()
        config: Any = HubertConfig(**{k: v for k, v in found.items() if k in known and k != "model_type"})
    else:
        config = AutoConfig.for_model(**{key: value for key, value in found.items() if key != "auto_map"})
    config = config.audio_config if kind == "qwen2_audio" else config
    for key in RANDOM:
        if hasattr(config, key):
            setattr(config, key, 0.0)
    return config


def load_encoder(component: Component, config: Any, dtype: torch.dtype) -> nn.Module:
    """An audio encoder with its weights: safetensors, or where there are none, a pickle of tensors and nothing else."""
    if config.model_type == "qwen2_audio_encoder":
        return component.weights(Qwen2AudioForConditionalGeneration, dtype=dtype).model.audio_tower
    if config.model_type == "whisper":
        return component.weights(WhisperModel, config=config, dtype=dtype).encoder
    model_class = HubertModel if config.model_type == "hubert" else AutoModel
    return component.weights(model_class, config=config, dtype=dtype)


def encoder_hearing(component: Component, config: Any, level: bool, pooled: int | None, context: int) -> Hearing:
    """How a cascade with this encoder hears.

    Raises:
        ConfigError: if its extractor is of an unknown kind, or `level` is asked where it says nothing.
    """
    extractor = component.read(FeatureExtractionMixin.get_feature_extractor_dict)[0]
    common: dict[str, Any] = {"per_state": 1, "pooled": pooled, "context": context, "tower": component.value}
    if config.model_type in CONVOLUTIONS:
        if level:
            raise ConfigError(
                f"model.arguments.level is true, but {component.value} hears log-mel, which keeps the level; set it to "
                "false."
            )
        front_end = LogMel.of(component.read(WhisperFeatureExtractor.from_pretrained))
        fields = {name: getattr(front_end, name) for name in LogMel.__dataclass_fields__}
        return Hearing(fields, CONVOLUTIONS[config.model_type], common_scale=False, hears_level=True, **common)
    rate = int(extractor.get("sampling_rate", 16000))
    convolutions = [list(pair) for pair in zip(config.conv_kernel, config.conv_stride, strict=True)]
    step = 1
    for _, stride in convolutions:
        step *= stride
    front = {"sample_rate": rate, "step": step, "window_samples": WINDOW_S * rate}
    # A group norm over time, and a layer norm over channels after a convolution without a bias, undo every gain.
    hears = level or (config.feat_extract_norm == "layer" and bool(config.conv_bias))
    # Where the file is silent, the extractor normalises.
    normalises = bool(extractor.get("do_normalize", True))
    return Hearing(front, convolutions, common_scale=normalises, hears_level=hears, **common)


def text_config(component: Component, shapes_only: bool = False) -> Any:
    """The configuration of a language model.

    Raises:
        ConfigError: if transformers does not know it without remote code, or it changes its logits after the head.
    """
    found = component.raw_config(shapes_only)
    if found.get("model_type") == "qwen2_audio":
        return component.read(AutoConfig.from_pretrained).text_config
    try:
        config = AutoConfig.for_model(**{key: value for key, value in found.items() if key != "auto_map"})
        AutoModelForCausalLM._model_mapping[type(config)]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"model.arguments.language_model is '{component.value}', of type '{found.get('model_type')}', which is no "
            "causal language model that transformers has itself; choose another."
        ) from error
    changed = [key for key in LOGIT_KEYS if getattr(config, key, None) not in (None, 1, 1.0)]
    if changed:
        raise ConfigError(
            f"model.arguments.language_model is '{component.value}', which changes its logits after the head "
            f"({changed[0]}), as mixlab's loss does not; choose a plain one, such as a Qwen, a Llama or a Mistral."
        )
    return config


def load_language_model(component: Component, config: Any, dtype: torch.dtype) -> tuple[nn.Module, nn.Linear]:
    """The layers and embeddings of a language model, and its head.

    Raises:
        ConfigError: if its head has a bias.
    """
    if component.raw_config().get("model_type") == "qwen2_audio":
        whole = component.weights(Qwen2AudioForConditionalGeneration, dtype=dtype, use_safetensors=True)
        return whole.model.language_model, whole.lm_head
    whole = component.weights(AutoModelForCausalLM, config=config, dtype=dtype, use_safetensors=True)
    head = whole.get_output_embeddings()
    if head.bias is not None:
        raise ConfigError(
            f"model.arguments.language_model is '{component.value}', whose head has a bias; choose one without."
        )
    return whole.base_model, head


def load_tokenizer(component: Component) -> Any:
    """The tokenizer of a language model, with the tokens that mixlab needs."""
    return prepared(component.read(AutoTokenizer.from_pretrained), component.value)


def embedding_deviation(language_model: Any) -> float:
    """The standard deviation of its embeddings of words."""
    return float(language_model.get_input_embeddings().weight[:4096].detach().float().std())
