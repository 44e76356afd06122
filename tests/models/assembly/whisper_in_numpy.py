"""Whisper's encoder written out in NumPy from the paper (Radford et al. 2022), on the variables of a CTranslate2 file.

It shares no code with mixlab, torch or transformers, so that agreement says something.
"""

import struct

import numpy as np
from scipy.special import erf

TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def variables_of(path):
    """The encoder's variables, read at byte positions of the whole file."""
    data, found = path.read_bytes(), {}
    position = 4
    (length,) = struct.unpack_from("<H", data, position)
    position += 2 + length + 4
    (count,) = struct.unpack_from("<I", data, position)
    position += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, position)
        name = data[position + 2 : position + 1 + length].decode()
        rank = data[position + 2 + length]
        position += 3 + length
        shape = struct.unpack_from(f"<{rank}I", data, position)
        kind, size = struct.unpack_from("<BI", data, position + 4 * rank)
        position += 4 * rank + 5
        array = np.ndarray(shape, TYPES[kind], data, position)
        found[name] = array.astype(np.float64)
        position += size
    return {name.removeprefix("encoder/"): array for name, array in found.items() if name.startswith("encoder/")}


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def normalised(x, v, name):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * v[f"{name}/gamma"] + v[f"{name}/beta"]


def linear(x, v, name):
    return x @ v[f"{name}/weight"].T + v[f"{name}/bias"]


def convolved(x, v, name, stride):
    """x of shape (positions, channels), with a kernel of three positions."""
    padded = np.pad(x, ((1, 1), (0, 0)))
    windows = np.stack([padded[k : k + len(x)] for k in range(3)], axis=-1)[::stride]
    return np.einsum("pck,ock->po", windows, v[f"{name}/weight"]) + v[f"{name}/bias"]


def attended(x, v, name, heads):
    q, k, w = (part.reshape(len(x), heads, -1) for part in np.split(linear(x, v, f"{name}/linear_0"), 3, axis=-1))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return linear(np.einsum("hqk,khd->qhd", scores, w).reshape(x.shape), v, f"{name}/linear_1")


def encoded(features, v):
    """States before the last normalisation, shape (positions, width), of features (mels, frames)."""
    x = gelu(convolved(features.T, v, "conv1", 1))
    x = gelu(convolved(x, v, "conv2", 2)) + v["position_encodings/encodings"]
    layer = 0
    while f"layer_{layer}/ffn/linear_0/weight" in v:
        here = f"layer_{layer}"
        attention = f"{here}/self_attention"
        x = x + attended(normalised(x, v, f"{attention}/layer_norm"), v, attention, int(v["num_heads"]))
        hidden = gelu(linear(normalised(x, v, f"{here}/ffn/layer_norm"), v, f"{here}/ffn/linear_0"))
        x = x + linear(hidden, v, f"{here}/ffn/linear_1")
        layer += 1
    return x
