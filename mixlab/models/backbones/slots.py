"""Room models: Qwen2-Audio that puts what it heard among the text without a question to the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioModel


class SlotFillingModel(Qwen2AudioModel):
    """transformers' model, for texts whose slots have a token for each state of their clip (`Chat.slots`).

    Its own merging reads four answers from the device in every pass (is nothing padded, are the slots laid out, how
    many tokens have they, where are states that were heard), for each of which a GPU runs dry.
    """

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As transformers' own."""
        # In generation, what was heard is asked for once and comes with every token.
        if inputs_embeds is None and input_ids is not None and input_features is not None and input_ids.shape[1] > 1:
            assert feature_attention_mask is not None
            inputs_embeds = self._filled(input_ids, input_features, feature_attention_mask)
        return super().forward(
            input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
        )

    def _filled(self, ids: torch.Tensor, features: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """Embeddings of the texts, shape (batch, tokens, width), with the states of the clips in their slots."""
        text = self.get_input_embeddings()(ids)
        positions, counts = self.audio_tower._get_feat_extract_output_lengths(heard.sum(-1))
        within = torch.arange(features.shape[-1] // 2, device=ids.device) < positions[:, None]
        mask = create_bidirectional_mask(
            config=self.audio_tower.config,
            inputs_embeds=text.new_empty(*within.shape, 1),
            attention_mask=within,
            allow_is_bidirectional_skip=False,
        )
        states = self.multi_modal_projector(self.audio_tower(features, attention_mask=mask).last_hidden_state)
        is_slot = ids == self.config.audio_token_id
        ends = counts.cumsum(0)
        torch._assert_async(is_slot.sum() == ends[-1], "The audio tokens of the texts are not as many as the clips'.")
        # Of the slots' tokens in their order: the number of each, its clip, and its state in that clip.
        number = (is_slot.flatten().cumsum(0) - 1).clamp(min=0)
        clip = torch.searchsorted(ends, number, right=True)
        state = number - (ends - counts)[clip]
        filling = states.flatten(0, 1)[clip * states.shape[1] + state].view_as(text)
        return torch.where(is_slot[..., None], filling.to(text.dtype), text)


def fill_slots(model: nn.Module) -> None:
    """Let a Qwen2-Audio model (without its head) be a `SlotFillingModel`, in place; weights and names stay."""
    if type(model) is Qwen2AudioModel:
        model.__class__ = SlotFillingModel
