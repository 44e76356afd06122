"""The frozen language model in four bits, for QLoRA."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from mixlab.errors import ConfigError
from mixlab.models.backbones.base import Backbone

NF4: Literal["nf4"] = "nf4"
BYTES_PER_WEIGHT = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Four bits, an 8-bit scale a block of 64, a 32-bit scale for 256 of those (double quantisation): 4.127 bits."""


def quantize_language_model(backbone: Backbone) -> None:
    """Replace the language model's linear layers, in place and one by one, by layers that hold NF4 weights.

    What hears, the projector that trains beside, and the head that puts into words keep their precision.

    NF4 with double quantisation (Dettmers et al. 2023). Layers compute in float32 without a GPU, where shorter formats
    are slow, else in the format that their weights came in. A model on the meta device gets layers without weights.

    Raises:
        ConfigError: if bitsandbytes is missing.
    """
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit
    except ImportError as error:
        raise ConfigError(
            "adapter=qlora needs bitsandbytes, which cannot be imported here; "
            "pip install bitsandbytes, or choose adapter=lora."
        ) from error
    model, inside = backbone.model, f"{backbone.family.parts.language_model}."
    for name, layer in list(model.named_modules()):
        if type(layer) is not nn.Linear or not name.startswith(inside) or name == backbone.family.parts.head:
            continue
        dtype = layer.weight.dtype if torch.cuda.is_available() else torch.float32
        with torch.device("meta"):
            short: Any = Linear4bit(layer.in_features, layer.out_features, layer.bias is not None, dtype)
        short.weight = Params4bit(
            layer.weight.data, requires_grad=False, compress_statistics=True, quant_type=NF4, module=short
        )
        short.bias = layer.bias
        # On CPUs with bfloat16 units the layer would reorder its weights in evaluation and compute in bfloat16 from
        # then on: other answers than in training, and a validation after which training fails.
        short.support_avx512bf16_for_cpu = False
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, short.to(layer.weight.device))
    model.requires_grad_(False)
    # PEFT and transformers ask the model by these names whether its layers are short.
    model.is_loaded_in_4bit = True


def weights_in(parameter: torch.Tensor) -> int:
    """How many weights a parameter holds, also where several share a byte."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else state.shape.numel()


def is_quantized(parameter: torch.Tensor) -> bool:
    """Whether a parameter holds, or on a real device would hold, NF4 weights."""
    return getattr(parameter, "quant_type", None) == NF4
