"""Qwen2-Audio (Chu et al. 2024): a Whisper tower, one linear projector, any causal language model.

Here its tower runs on the length of the clips instead of its whole window, and what was heard is put among the text
without a question to the device.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.qwen2_audio.modeling_qwen2_audio import (
    Qwen2AudioEncoder,
    Qwen2AudioModel,
    Qwen2AudioMultiModalProjector,
)

from mixlab.audio.log_mel import LogMel
from mixlab.chat.form import Chat, TemplateChat
from mixlab.errors import ConfigError
from mixlab.models.backbones.base import FAMILIES, Family, bare

Module = TypeVar("Module", bound=nn.Module)


class Qwen2Audio(Family):
    """Qwen2-Audio; each clip has a slot of its own between two tokens."""

    name = "qwen2_audio"
    model_types = ("qwen2_audio",)
    model_class = "Qwen2AudioForConditionalGeneration"

    def loaded_class(self) -> Any:
        """With a place for readings."""
        return MeteredQwen2Audio

    def with_meter(self, model: nn.Module, meter: str) -> None:
        """As `Family.with_meter`."""
        own: Any = bare(model)
        if (found := getattr(own.config, "meter", None)) not in (None, meter):
            raise ConfigError(f"readings.meter is '{meter}', but the model was taught to read '{found}'; choose that.")
        if found is None:
            own.config.meter = meter
            own.model.multi_modal_projector = metered(own.model.multi_modal_projector, own.config)

    def trimmed(self, model: nn.Module) -> nn.Module:
        """The model with a tower that need not hear silence to the end of its window, asking nothing of the device."""
        inner = model.get_submodule("model")
        inner.audio_tower = on_clips(inner.get_submodule("audio_tower"))
        model.model = filling_slots(inner)
        return model

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A Qwen2AudioProcessor."""
        return Qwen2AudioProcessor.from_pretrained(name, revision=revision, trust_remote_code=False)

    def chat(self, processor: Any) -> Chat:
        """In the words of the processor's template, which numbers the clips."""
        return TemplateChat(
            processor,
            tokenizer=processor.tokenizer,
            front_end=LogMel.of(processor.feature_extractor, to_window=False),
            audio_token=processor.audio_token,
            end_token="<|im_end|>",
            closes=True,
        )


FAMILIES.add(Qwen2Audio())


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


def on_clips(tower: nn.Module) -> nn.Module:
    """A Qwen2-Audio tower as a `ClipLengthEncoder` of the same weights under the same names.

    A tower with dropout of its own (none that is published) is left as it is.
    """
    if type(tower) is Qwen2AudioEncoder and tower.dropout == 0.0 and tower.layerdrop == 0.0:
        return taken_over(tower, ClipLengthEncoder)
    return tower


def taken_over(module: Module, kind: type[Module]) -> Module:
    """A module of a subclass that computes otherwise, with the parts and weights of `module`."""
    own = kind.__new__(kind)
    own.__dict__.update(module.__dict__)
    return own


METER_LOW_DB = {"relative": -24.0, "lufs": -48.0}
"""The lower end of each meter's scale; readings beyond its ends count as the end."""

METER_STEP_DB, METER_STEPS = 1.5, 33


class MeteredProjector(Qwen2AudioMultiModalProjector):
    """transformers' projector, with a matrix that says what a meter shows in the width of the language model.

    A reading is spread over Gaussian bumps along the meter's scale, so that what is near sounds alike and nothing has
    to be linear in dB; its vector is added to all states of the clip.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._add_meter(config)

    def _add_meter(self, config: Any) -> None:
        self.reading = nn.Linear(METER_STEPS, config.text_config.hidden_size, bias=False)
        self.low_db = METER_LOW_DB[config.meter]

    def of_readings(self, readings_db: torch.Tensor) -> torch.Tensor:
        """The vectors of readings of shape (clips,): shape (clips, width), zeros where a meter shows nothing."""
        steps = torch.arange(METER_STEPS, device=readings_db.device)
        places = ((readings_db.float() - self.low_db) / METER_STEP_DB).clamp(0, METER_STEPS - 1)
        bumps = torch.exp(-0.5 * (places[:, None] - steps) ** 2).nan_to_num(0.0)
        return self.reading(bumps.to(self.reading.weight.dtype))


def metered(projector: Any, config: Any) -> nn.Module:
    """A projector as a `MeteredProjector` of the same weights, which does not read yet."""
    own: Any = taken_over(projector, MeteredProjector)
    # A copy, so that the module that was taken over stays as it was.
    own._modules, own._parameters = dict(own._modules), dict(own._parameters)
    own._add_meter(config)
    own.reading.to(own.linear.weight).weight.data.zero_()
    return own


class MeteredQwen2Audio(Qwen2AudioForConditionalGeneration):
    """transformers' model, which may have a meter beside its ears (`meter` of its configuration)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if getattr(config, "meter", None) is not None:
            self.model.multi_modal_projector = MeteredProjector(config)
            self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        readings_db: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As transformers' own, with readings as in `SlotFillingModel`; generation takes no argument without a name."""
        given = {} if readings_db is None else {"readings_db": readings_db}
        return super().forward(input_ids, input_features, attention_mask, feature_attention_mask, **kwargs, **given)


# Folders that it writes name the class that everybody has, and transformers renames the keys of older folders for
# classes that are not its own only where it is told so.
MeteredQwen2Audio.__name__ = Qwen2AudioForConditionalGeneration.__name__
register_checkpoint_conversion_mapping(MeteredQwen2Audio.__name__, get_checkpoint_conversion_mapping("qwen2_audio"))


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
        readings_db: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As transformers' own.

        Args:
            readings_db: what a meter shows of each clip, shape (clips,), NaN where it shows nothing.
        """
        told = input_features is not None or readings_db is not None
        # In generation, what was heard is asked for once and comes with every token.
        if inputs_embeds is None and input_ids is not None and told and input_ids.shape[1] > 1:
            inputs_embeds = self._filled(input_ids, input_features, feature_attention_mask, readings_db)
        return super().forward(
            input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
        )

    def _filled(
        self,
        ids: torch.Tensor,
        features: torch.Tensor | None,
        heard: torch.Tensor | None,
        readings_db: torch.Tensor | None,
    ) -> torch.Tensor:
        """Embeddings of the texts, shape (batch, tokens, width), with the states of the clips in their slots.

        A clip that is not heard has one state, its reading.
        """
        text = self.get_input_embeddings()(ids)
        if features is None or heard is None:
            assert readings_db is not None
            states = text.new_zeros(len(readings_db), 1, text.shape[-1])
            counts = torch.ones(len(readings_db), dtype=torch.long, device=ids.device)
        else:
            states, counts = self._heard(features, heard, text)
        if readings_db is not None:
            states = states + self.multi_modal_projector.of_readings(readings_db).to(states.dtype)[:, None]
        is_slot = ids == self.config.audio_token_id
        ends = counts.cumsum(0)
        torch._assert_async(is_slot.sum() == ends[-1], "The audio tokens of the texts are not as many as the clips'.")
        # Of the slots' tokens in their order: the number of each, its clip, and its state in that clip.
        number = (is_slot.flatten().cumsum(0) - 1).clamp(min=0)
        clip = torch.searchsorted(ends, number, right=True)
        state = number - (ends - counts)[clip]
        filling = states.flatten(0, 1)[clip * states.shape[1] + state].view_as(text)
        return torch.where(is_slot[..., None], filling.to(text.dtype), text)

    def _heard(
        self, features: torch.Tensor, heard: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The projected states of the clips, shape (clips, states, width), and how many of them each has, (clips,)."""
        positions, counts = self.audio_tower._get_feat_extract_output_lengths(heard.sum(-1))
        within = torch.arange(features.shape[-1] // 2, device=text.device) < positions[:, None]
        mask = create_bidirectional_mask(
            config=self.audio_tower.config,
            inputs_embeds=text.new_empty(*within.shape, 1),
            attention_mask=within,
            allow_is_bidirectional_skip=False,
        )
        states = self.multi_modal_projector(self.audio_tower(features, attention_mask=mask).last_hidden_state)
        return states, counts


def filling_slots(model: nn.Module) -> nn.Module:
    """A Qwen2-Audio model (without its head) as a `SlotFillingModel` of the same weights under the same names."""
    return taken_over(model, SlotFillingModel) if type(model) is Qwen2AudioModel else model
