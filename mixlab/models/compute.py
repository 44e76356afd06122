"""How the language model computes: attention, compilation, activations, padding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2Model

from mixlab.errors import ConfigError
from mixlab.models.backbones.base import Backbone
from mixlab.models.settings import Compute


def apply_compute(compute: Compute, backbone: Backbone) -> None:
    """Set a backbone up, in place, after its adapter.

    Raises:
        ConfigError: if the attention is not there.
    """
    language_model: Any = backbone.part("language_model")
    try:
        language_model.set_attn_implementation(str(compute.attention))
    except (ImportError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ConfigError(
            f"compute.attention is '{compute.attention}', which cannot be used ({reason}); use compute.attention=sdpa."
        ) from error
    if compute.recompute_activations:
        # Of this part alone: asked of the whole model, it would draw the frozen tower into the graph.
        language_model.activation_checkpointing_enable({"use_reentrant": False})
    if compute.compile:
        for layer in language_model.layers:
            layer.compile(dynamic=True)


@contextmanager
def padded_on_the_right(language_model: nn.Module) -> Iterator[None]:
    """While it lasts, leave the language model without a padding mask.

    Where padding stands at the end, causal attention keeps every token from it in any case, and without a mask
    attention runs in its fastest form. States at padding differ, which the loss does not read.
    """
    mask = _no_mask(language_model)

    def without_mask(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, kwargs | {"attention_mask": mask}

    handle = language_model.register_forward_pre_hook(without_mask, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _no_mask(language_model: nn.Module) -> dict[str, None] | None:
    """No mask; said, where it can be, in the form that is not looked into.

    Of a plain None, transformers asks the device whether several texts lie in a row.
    """
    is_plain = isinstance(language_model, Qwen2Model) and not language_model.has_sliding_layers
    if is_plain and language_model.config._attn_implementation == "sdpa":  # type: ignore[union-attr]
        return {"full_attention": None}
    return None
