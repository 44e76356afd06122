"""Reading the binary format of CTranslate2, version 6, and Whisper's encoder from it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Qwen2AudioEncoderConfig

from mixlab.errors import InputFileError

VERSION = 6
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By their numbers in the format."""

LAYER_NAMES = {
    "self_attention/layer_norm/gamma": "self_attn_layer_norm.weight",
    "self_attention/layer_norm/beta": "self_attn_layer_norm.bias",
    "self_attention/linear_1/weight": "self_attn.out_proj.weight",
    "self_attention/linear_1/bias": "self_attn.out_proj.bias",
    "ffn/layer_norm/gamma": "final_layer_norm.weight",
    "ffn/layer_norm/beta": "final_layer_norm.bias",
    "ffn/linear_0/weight": "fc1.weight",
    "ffn/linear_0/bias": "fc1.bias",
    "ffn/linear_1/weight": "fc2.weight",
    "ffn/linear_1/bias": "fc2.bias",
}
"""Names in a layer, in the file and in transformers; `self_attention/linear_0` is q, k and v in one."""

NAMES = {
    "conv1/weight": "conv1.weight",
    "conv1/bias": "conv1.bias",
    "conv2/weight": "conv2.weight",
    "conv2/bias": "conv2.bias",
    "position_encodings/encodings": "embed_positions.weight",
    "layer_norm/gamma": "layer_norm.weight",
    "layer_norm/beta": "layer_norm.bias",
}
"""Names outside the layers."""


def read_variables(path: Path) -> dict[str, NDArray[np.generic]]:
    """All variables of a model file, by name; little-endian throughout.

    Raises:
        InputFileError: if it is no such file, of another version, or cut short.
    """
    try:
        with path.open("rb") as file:
            if (version := _number(file, "I")) != VERSION:
                raise ValueError(f"its version is {version}, not {VERSION}")
            _text(file)  # the kind of model
            _number(file, "I")  # its revision
            return dict(_variable(file) for _ in range(_number(file, "I")))
    except (OSError, ValueError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise InputFileError(
            f"{path} is no model of CTranslate2 that can be read ({error}); install it again."
        ) from error


def _number(file: BinaryIO, code: str) -> int:
    return struct.unpack(f"<{code}", file.read(struct.calcsize(code)))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _variable(file: BinaryIO) -> tuple[str, NDArray[np.generic]]:
    name = _text(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    dtype = np.dtype(DTYPES[_number(file, "B")])
    data = file.read(_number(file, "I"))
    return name, np.frombuffer(data, dtype=dtype).reshape(shape)


def whisper_encoder(path: Path) -> tuple[Qwen2AudioEncoderConfig, dict[str, torch.Tensor]]:
    """The encoder of a Whisper as a tower of Qwen2-Audio: its configuration and its weights, in float32.

    The tower is the same network, except that states are averaged in pairs before the last normalisation.

    Raises:
        InputFileError: as `read_variables`, or if the file holds no Whisper.
    """
    variables = read_variables(path)
    try:
        return _tower(variables)
    except KeyError as error:
        raise InputFileError(f"{path} holds no Whisper (it lacks {error}); install it again.") from error


def _tower(variables: dict[str, NDArray[np.generic]]) -> tuple[Qwen2AudioEncoderConfig, dict[str, torch.Tensor]]:
    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(variables[f"encoder/{name}"].astype(np.float32))

    weights = {ours: tensor(theirs) for theirs, ours in NAMES.items()}
    width, mels, _ = weights["conv1.weight"].shape
    layers = len({name.split("/")[1] for name in variables if name.startswith("encoder/layer_") and "ffn" in name})
    for layer in range(layers):
        here = f"layer_{layer}"
        weights |= {f"layers.{layer}.{ours}": tensor(f"{here}/{theirs}") for theirs, ours in LAYER_NAMES.items()}
        for kind in ("weight", "bias"):
            fused = tensor(f"{here}/self_attention/linear_0/{kind}")
            for part, name in zip(fused.split(width), "qkv", strict=True):
                # Whisper's keys have no bias; the file fills its place with zeros.
                if (name, kind) != ("k", "bias"):
                    weights[f"layers.{layer}.self_attn.{name}_proj.{kind}"] = part.clone()
    config = Qwen2AudioEncoderConfig(
        num_mel_bins=mels,
        d_model=width,
        encoder_layers=layers,
        encoder_attention_heads=int(variables["encoder/num_heads"]),
        encoder_ffn_dim=weights["layers.0.fc1.weight"].shape[0],
        max_source_positions=weights["embed_positions.weight"].shape[0],
    )
    return config, weights
