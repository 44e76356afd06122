"""Models joined from parts, as transformers would have them: what hears, a projector, a language model."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, AutoModel, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import SubConfigSpec
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mixlab.chat.form import Chat
from mixlab.models.backbones.base import FAMILIES, Family
from mixlab.models.backbones.codecs import codes_of
from mixlab.models.backbones.hearing import Hearing, JoinedChat, SoundProcessor, flat

LEVEL_FLOOR = 1e-12
"""Power below which a moment counts as silent: -120 dB."""


def _sub_configs(audio: str) -> dict[str, SubConfigSpec]:
    of = {"audio_config": audio, "text_config": "qwen2"}
    return {key: SubConfigSpec(config_class=AutoConfig, model_type=kind) for key, kind in of.items()}


class CascadeConfig(PreTrainedConfig):
    """Configuration of a `CascadeModel`.

    Attributes:
        audio_config: of the audio encoder.
        text_config: of the language model.
        hearing: fields of a `Hearing`; None only for counting parameters.
        projector: ``linear`` or ``mlp``.
        level: the projector also sees how loud each moment is, in units of 20 dB; for encoders that normalise.
        audio_token_id: of the placeholder.
    """

    model_type = "mixlab_cascade"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = _sub_configs("whisper")

    audio_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    hearing: dict | None = None
    projector: str = "mlp"
    level: bool = False
    audio_token_id: int = 0
    tie_word_embeddings: bool = False


class UnifiedConfig(PreTrainedConfig):
    """Configuration of a `UnifiedModel`, as a `CascadeConfig`: of the codec and its `codebooks` codes a frame."""

    model_type = "mixlab_unified"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = _sub_configs("encodec")

    audio_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    hearing: dict | None = None
    codebooks: int = 1
    audio_token_id: int = 0
    tie_word_embeddings: bool = False


def encoder_width(config: Any) -> int:
    """Width of an audio encoder's states."""
    return int(getattr(config, "d_model", None) or config.hidden_size)


def new_projector(config: Any) -> nn.Module:
    """From the encoder's states to the language model's width; or the embeddings of audio codes."""
    width = config.text_config.hidden_size
    if config.model_type == "mixlab_unified":
        return nn.Embedding(config.audio_config.codebook_size * config.codebooks, width)
    heard = encoder_width(config.audio_config) + config.level
    if config.projector == "linear":
        return nn.Linear(heard, width)
    return nn.Sequential(nn.Linear(heard, width), nn.GELU(), nn.Linear(width, width))


def scale_projector(projector: nn.Module, deviation: float) -> None:
    """Let a fresh projector start in the range of the language model's embeddings, whose deviation is given."""
    with torch.no_grad():
        if isinstance(projector, nn.Embedding):
            projector.weight.normal_(std=deviation)
            return
        last: Any = projector[-1] if isinstance(projector, nn.Sequential) else projector
        last.weight.normal_(std=deviation / math.sqrt(last.in_features))
        last.bias.zero_()


class JoinedModel(PreTrainedModel):
    """What hears, the projector and the language model without its head.

    The sounds of a batch are heard in groups of equal length and without padding, so that a sound is heard the same
    whatever stands beside it.
    """

    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        whisper = config.audio_config.model_type == "whisper"
        self.audio_tower = (WhisperEncoder if whisper else AutoModel.from_config)(config.audio_config)
        self.multi_modal_projector = new_projector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Of words."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Of words."""
        self.language_model.set_input_embeddings(value)

    def states(self, features: torch.Tensor, hearing: Hearing, frames: int) -> torch.Tensor:
        """What the tower makes of sounds of equal length: states, or codes."""
        raise NotImplementedError

    def audio_embeddings(self, input_features: torch.Tensor, feature_attention_mask: torch.Tensor) -> torch.Tensor:
        """The embeddings of all audio tokens of all sounds, in order: shape (tokens, width)."""
        hearing = Hearing(**self.config.hearing)
        lengths = feature_attention_mask.sum(dim=-1).tolist()
        found: list[Any] = [None] * len(lengths)
        # A frozen tower stays out of the graph, also where its own code would call for gradients of its input.
        trains = any(parameter.requires_grad for parameter in self.audio_tower.parameters())
        with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
            for frames in sorted(set(lengths)):
                rows = [row for row, length in enumerate(lengths) if length == frames]
                states = self.states(input_features[rows], hearing, frames)
                for row, state in zip(rows, states, strict=True):
                    found[row] = state
        return self.multi_modal_projector(torch.cat(found))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **arguments: Any,
    ) -> BaseModelOutputWithPast:
        """As in other audio-language models; the tokens `audio_token_id` stand for what is heard.

        Raises:
            ValueError: if they are not as many as the sounds give.
        """
        if inputs_embeds is None:
            assert input_ids is not None
            heard = input_ids == self.config.audio_token_id
            inputs_embeds = self.get_input_embeddings()(input_ids.masked_fill(heard, 0))
            if input_features is not None and feature_attention_mask is not None:
                audio = self.audio_embeddings(input_features, feature_attention_mask).to(inputs_embeds)
                if int(heard.sum()) != len(audio):
                    raise ValueError(f"there are {int(heard.sum())} audio tokens in the text, the sounds {len(audio)}")
                inputs_embeds = inputs_embeds.masked_scatter(heard[..., None], audio)
        return self.language_model(inputs_embeds=inputs_embeds, attention_mask=attention_mask, **arguments)


class CascadeModel(JoinedModel):
    """With an audio encoder, whose states a linear or MLP projector translates."""

    config_class = CascadeConfig

    def states(self, features: torch.Tensor, hearing: Hearing, frames: int) -> torch.Tensor:
        """States of shape (sounds, tokens, width)."""
        count = hearing.states(frames)
        if hearing.step is None:
            states = self.audio_tower(features.to(self.audio_tower.dtype)).last_hidden_state[:, :count]
        else:
            waveforms = flat(features[..., :frames])
            states = self.audio_tower(waveforms.to(self.audio_tower.dtype)).last_hidden_state
            if self.config.level:
                stride = math.prod(stride for _, stride in hearing.convolutions)
                power = F.avg_pool1d(waveforms.float().square()[:, None], stride)[:, 0, :count]
                level = power.clamp(min=LEVEL_FLOOR).log10() / 2  # dB / 20
                states = torch.cat([states, level[..., None].to(states)], dim=-1)
        if hearing.pooled is not None and hearing.pooled < count:
            states = F.adaptive_avg_pool1d(states.transpose(1, 2), hearing.pooled).transpose(1, 2)
        return states.to(next(self.multi_modal_projector.parameters()).dtype)


class UnifiedModel(JoinedModel):
    """With a codec, whose codes are words that the language model learns.

    They are rows of a table of their own beside the frozen one: the same computation as with a longer table, but only
    the new rows train and are saved. The head has no rows for them, since no response holds one.
    """

    config_class = UnifiedConfig

    def states(self, features: torch.Tensor, hearing: Hearing, frames: int) -> torch.Tensor:
        """Codes of shape (sounds, tokens)."""
        return codes_of(self.audio_tower, features[..., :frames], self.config.codebooks)


class JoinedForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A joined model with the language model's head."""

    model_class: type[JoinedModel]
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _tied_weights_keys: dict[str, str]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.model_class(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self._tied_weights_keys = {}
        if config.tie_word_embeddings:
            words = self.model.get_input_embeddings()
            name = next(name for name, module in self.named_modules() if module is words)
            self._tied_weights_keys = {"lm_head.weight": f"{name}.weight"}
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.lm_head

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        feature_attention_mask: torch.Tensor | None = None,
        logits_to_keep: int = 0,
        **arguments: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of every position, or of the last `logits_to_keep`; the other arguments are those of `JoinedModel`."""
        output = self.model(input_ids, attention_mask, input_features, feature_attention_mask, **arguments)
        logits = self.lm_head(output.last_hidden_state[:, -logits_to_keep:])
        return CausalLMOutputWithPast(logits=logits, past_key_values=output.past_key_values)


class CascadeForConditionalGeneration(JoinedForConditionalGeneration):
    """`CascadeModel` with a head."""

    config_class, model_class = CascadeConfig, CascadeModel


class UnifiedForConditionalGeneration(JoinedForConditionalGeneration):
    """`UnifiedModel` with a head."""

    config_class, model_class = UnifiedConfig, UnifiedModel


class CascadeFamily(Family):
    """An audio encoder, a projector and a language model; each clip has a slot of its own."""

    name = "cascade"
    model_types = (CascadeConfig.model_type,)
    joined_class: type[JoinedForConditionalGeneration] = CascadeForConditionalGeneration

    def loaded_class(self) -> Any:
        """Mixlab's own."""
        return self.joined_class

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A SoundProcessor."""
        return SoundProcessor.read(name, revision)

    def chat(self, processor: Any) -> Chat:
        """In the words of the language model's own template."""
        return JoinedChat(processor)


class UnifiedFamily(CascadeFamily):
    """Audio codes as words of a language model; otherwise as a cascade."""

    name = "unified"
    model_types = (UnifiedConfig.model_type,)
    joined_class = UnifiedForConditionalGeneration


for _config, _family in ((CascadeConfig, CascadeFamily()), (UnifiedConfig, UnifiedFamily())):
    AutoConfig.register(_config.model_type, _config)
    FAMILIES.add(_family)
