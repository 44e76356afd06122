"""Room models: Whisper's tower as Qwen2-Audio has it, run on the length of the clips instead of its whole window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder


class ClipLengthEncoder(Qwen2AudioEncoder):
    """transformers' tower, which also takes features that end soon after the clips (`LogMel` with `clip_frames`).

    The padded tower computes its 30 s whatever it hears, though nothing of the padding reaches the clip's positions but
    through the convolutions. Here its layers run on the clip's own positions alone, which come out the same. A tower
    that does not train stays out of the graph.
    """

    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """States of the clips.

        Args:
            input_features: shape (clips, mels, frames): the whole window, or the frames that `clip_frames` keeps.
            attention_mask: shape (clips, 1, positions, positions), of all positions that the frames make, or None.

        Returns:
            With `last_hidden_state` of shape (clips, audio tokens, width).
        """
        trains = any(parameter.requires_grad for parameter in self.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and trains):
            if input_features.shape[-1] == self.max_source_positions * self.conv2.stride[0]:
                return super().forward(input_features, attention_mask=attention_mask, **kwargs)
            return self._on_clips(input_features, attention_mask, **kwargs)

    def _on_clips(self, features: torch.Tensor, mask: torch.Tensor | None, **kwargs: Any) -> BaseModelOutput:
        # The last position only lends its frames to the convolutions of the one before.
        positions = features.shape[-1] // self.conv2.stride[0] - 1
        states = F.gelu(self.conv1(features.to(self.conv1.weight)))
        states = F.gelu(self.conv2(states)).transpose(1, 2)[:, :positions]
        states = states + self.embed_positions.weight[:positions]
        if mask is not None:
            mask = mask[..., :positions, :positions]
        for layer in self.layers:
            states = layer(states, mask, **kwargs)
        pooled = self.avg_pooler(states.transpose(1, 2)).transpose(1, 2)
        return BaseModelOutput(last_hidden_state=self.layer_norm(pooled))


def run_on_clips(tower: nn.Module) -> None:
    """Let a Qwen2-Audio tower be a `ClipLengthEncoder`, in place; its weights and their names stay.

    A tower with dropout of its own (none that is published) is left as it is.
    """
    if type(tower) is Qwen2AudioEncoder and tower.dropout == 0.0 and tower.layerdrop == 0.0:
        tower.__class__ = ClipLengthEncoder
