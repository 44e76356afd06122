"""Room models: the audio-language backbones, all through transformers' own Qwen2-Audio classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)
from transformers.utils import logging

from mixlab.errors import CheckpointError, ConfigError

logging.disable_progress_bar()  # a bar for each folder of weights would drown the run's own

TINY_FOLDER = Path(str(resources.files("mixlab.models"))) / "tiny_listener"
"""The tiny describing base that comes with the package: configuration, processor, weights, card and log."""


@dataclass
class Backbone:
    """A model with its processor, before any adapter."""

    model: Qwen2AudioForConditionalGeneration
    processor: Qwen2AudioProcessor


def tiny(base: str | None, seed: int = 0) -> Backbone:
    """The embedded Qwen2-Audio of about a million parameters; needs no download.

    Args:
        base: ``listener`` for the describing base that comes with the package, a folder of another one, or None for
            untrained weights of the same architecture.
        seed: of the untrained weights.

    Raises:
        ConfigError: if `base` is neither.
    """
    if base is None:
        config = Qwen2AudioConfig.from_pretrained(TINY_FOLDER)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Qwen2AudioForConditionalGeneration(config)
        return Backbone(model, Qwen2AudioProcessor.from_pretrained(TINY_FOLDER))
    return from_pretrained(str(_tiny_folder(base)))


def _tiny_folder(base: str | None) -> Path:
    folder = TINY_FOLDER if base in (None, "listener") else Path(base)
    if not (folder / "model.safetensors").is_file():
        raise ConfigError(
            f"model.arguments.base is '{base}', but {folder} holds no model.safetensors; "
            "use 'listener', null, or a folder that python -m mixlab.pretrain wrote."
        )
    return folder


def from_pretrained(name: str, revision: str | None = None, dtype: str = "float32") -> Backbone:
    """A Qwen2-Audio from the Hugging Face Hub or a local folder, safetensors only, without remote code.

    Args:
        name: hub id such as ``Qwen/Qwen2-Audio-7B-Instruct``, or a folder.
        revision: commit or tag on the hub.
        dtype: of the frozen weights, such as ``bfloat16``.

    Raises:
        ConfigError: if the model cannot be found (no network, wrong id or folder).
    """
    try:
        model, loading = Qwen2AudioForConditionalGeneration.from_pretrained(
            name, revision=revision, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True
        )
        processor = Qwen2AudioProcessor.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise _not_found(name, error) from error
    if loading["missing_keys"] or loading["mismatched_keys"]:
        raise CheckpointError(f"The weights of '{name}' do not fit: {sorted(loading['missing_keys'])[:5]} are missing.")
    return Backbone(model, processor)


def skeleton(builder: str, **arguments: Any) -> Qwen2AudioForConditionalGeneration:
    """The model that a builder would give, on the current device, of its data type but with weights of no meaning.

    With ``torch.device("meta")`` it takes no memory.

    Raises:
        ConfigError: if the model's configuration cannot be found.
    """
    name = str(_tiny_folder(arguments.get("base"))) if builder == "tiny" else arguments["name"]
    try:
        config = Qwen2AudioConfig.from_pretrained(name, revision=arguments.get("revision"))
    except (OSError, ValueError) as error:
        raise _not_found(name, error) from error
    return Qwen2AudioForConditionalGeneration(config).to(getattr(torch, arguments.get("dtype", "float32")))


def _not_found(name: str, error: Exception) -> ConfigError:
    first_line = str(error).strip().splitlines()[0]
    return ConfigError(
        f"model.arguments.name is '{name}', which cannot be loaded ({first_line}); "
        "check the id and the network, or give the path of a local folder."
    )


def tiny_config(vocabulary: dict[str, int], mels: int, window_frames: int) -> Qwen2AudioConfig:
    """The architecture of the tiny model: a tower 96 wide with two layers, a language model 128 wide with four.

    Weights start with a deviation of 0.08, since a model this small hardly moves from the usual 0.02.
    """
    end = vocabulary["<|im_end|>"]
    return Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": mels,
            "d_model": 96,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 384,
            "max_source_positions": window_frames // 2,
            "initializer_range": 0.08,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(vocabulary),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "initializer_range": 0.08,
            "tie_word_embeddings": False,
            "bos_token_id": end,
            "eos_token_id": end,
            "pad_token_id": vocabulary["<|endoftext|>"],
        },
        audio_token_index=vocabulary["<|AUDIO|>"],
        initializer_range=0.08,
        tie_word_embeddings=False,
    )


def tiny_processor(corpus: list[str], segment_s: int = 10) -> Qwen2AudioProcessor:
    """A processor with a small byte-level tokenizer learnt from `corpus` and a coarse Whisper front end.

    The front end has 64 mel bands and one frame in 312.5 ms (n_fft 8192, hop 5000), so that a 10 s clip becomes eight
    audio tokens and a laptop can train on it.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )
    extractor = WhisperFeatureExtractor(feature_size=64, hop_length=5000, n_fft=8192, chunk_length=segment_s)
    return Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=fast)


def fold_feature_statistics(model: Qwen2AudioForConditionalGeneration, mean: torch.Tensor, deviation: float) -> None:
    """Let an untrained tower see features of mean 0 and deviation 1, by folding the scaling into its first layer.

    Args:
        mean: of each mel band over the data, shape (mels,).
        deviation: one for all bands, so that a decibel weighs the same in each.
    """
    convolution: Any = model.model.audio_tower.conv1
    with torch.no_grad():
        convolution.weight /= deviation
        convolution.bias -= (convolution.weight.sum(dim=-1) @ mean.to(convolution.weight)).to(convolution.bias)


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write a backbone as a folder that `from_pretrained` loads."""
    backbone.model.save_pretrained(folder)
    backbone.processor.save_pretrained(folder)


def describe(name: str) -> dict[str, Any]:
    """The configuration of a saved backbone, as JSON values."""
    return json.loads((Path(name) / "config.json").read_text())
