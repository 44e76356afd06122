"""The embedded Qwen2-Audio of about a million parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2AudioConfig, Qwen2AudioProcessor, WhisperFeatureExtractor
from transformers.utils import logging

from mixlab.chat.form import Chat
from mixlab.errors import ConfigError
from mixlab.models.backbones.base import Backbone, Recipe
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.source import TINY_FOLDER

logging.disable_progress_bar()  # a bar for each folder of weights would drown the run's own


@dataclass(frozen=True)
class Tiny(Recipe):
    """The embedded Qwen2-Audio; needs no download.

    Attributes:
        base: ``listener`` for the describing base that comes with the package, a folder of another one, or None for
            untrained weights of the same architecture.
        seed: of the untrained weights.
    """

    base: str | None
    seed: int = 0

    def read_chat(self) -> Chat:
        """As `Recipe.read_chat`."""
        family = Qwen2Audio()
        return family.chat(family.read_processor(str(self._folder())))

    def build(self) -> Backbone:
        """As `Recipe.build`."""
        folder = str(self._folder())
        if self.base is not None:
            return Pretrained(folder).build()
        family = Qwen2Audio()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = family.new_model(Qwen2AudioConfig.from_pretrained(folder))
        return Backbone(model, family.read_processor(folder), family)

    def outline(self) -> Backbone:
        """As `Recipe.outline`."""
        return Qwen2Audio().outline(Qwen2AudioConfig.from_pretrained(self._folder()))

    def _folder(self) -> Path:
        folder = TINY_FOLDER if self.base in (None, "listener") else Path(str(self.base))
        if not (folder / "model.safetensors").is_file():
            raise ConfigError(
                f"model.arguments.base is '{self.base}', but {folder} holds no model.safetensors; "
                "use 'listener', null, or a folder that mixlab pretrain wrote."
            )
        return folder


def tiny_config(vocabulary: dict[str, int], mels: int, window_frames: int) -> Qwen2AudioConfig:
    """The architecture of the tiny model: a tower 96 wide with two layers, a language model 128 wide with four.

    Weights start with a deviation of 0.08, since a model this small hardly moves from the usual 0.02.
    """
    end = vocabulary["<|im_end|>"]
    return Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder", "num_mel_bins": mels, "d_model": 96, "encoder_layers": 2,
            "encoder_attention_heads": 4, "encoder_ffn_dim": 384, "max_source_positions": window_frames // 2,
            "initializer_range": 0.08,
        },
        text_config={
            "model_type": "qwen2", "vocab_size": len(vocabulary), "hidden_size": 128, "intermediate_size": 256,
            "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": 2048, "initializer_range": 0.08, "tie_word_embeddings": False,
            "bos_token_id": end, "eos_token_id": end, "pad_token_id": vocabulary["<|endoftext|>"],
        },
        audio_token_index=vocabulary["<|AUDIO|>"],
        initializer_range=0.08,
        tie_word_embeddings=False,
    )  # fmt: skip


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
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    own = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "padding_side": "left"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **own)
    extractor = WhisperFeatureExtractor(feature_size=64, hop_length=5000, n_fft=8192, chunk_length=segment_s)
    return Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=fast)


def fold_feature_statistics(model: torch.nn.Module, mean: torch.Tensor, deviation: float) -> None:
    """Let an untrained tower see features of mean 0 and deviation 1, by folding the scaling into its first layer.

    Args:
        mean: of each mel band over the data, shape (mels,).
        deviation: one for all bands, so that a decibel weighs the same in each.
    """
    convolution: Any = model.get_submodule(f"{Qwen2Audio.parts.audio_tower}.conv1")
    with torch.no_grad():
        convolution.weight /= deviation
        convolution.bias -= (convolution.weight.sum(dim=-1) @ mean.to(convolution.weight)).to(convolution.bias)
