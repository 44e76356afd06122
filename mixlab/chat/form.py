"""Room chat: what an encoder has to know of a backbone: the form of its conversations and how it hears; no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mixlab.errors import ConfigError
from mixlab.synthesis.example import Clip

Samples = TypeVar("Samples", int, torch.Tensor)


class FrontEnd(Protocol):
    """From waveforms to what a tower takes, such as `LogMel`; what it gives depends on no other clip.

    A front end that normalises what it gets would erase gain errors, so it is none: its backbone scales all sounds
    of an example by one factor in `Chat.sounds` instead, or is refused.
    """

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in hertz."""
        ...

    @property
    def window_samples(self) -> int:
        """The longest sound that fits."""
        ...

    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Features of shape (sounds, ..., frames) from waveforms (sounds, samples), zeros past the end of each."""
        ...

    def frames(self, samples: Samples) -> Samples:
        """How many frames are a sound's own."""
        ...

    def check_length(self, samples: int) -> None:
        """Raise ValueError if a sound of that many samples exceeds the window."""
        ...


@dataclass(frozen=True)
class Slot:
    """What stands in the place of one placeholder of a conversation.

    Attributes:
        ids: token ids, shape (tokens,).
        clip_ends: for each clip heard in it, which token (from the slot's first) has heard it to its end; the token
            that closes the slot counts on.
    """

    ids: NDArray[np.int64]
    clip_ends: tuple[int, ...]


class Chat(ABC):
    """The form in which one backbone takes a conversation. It travels to workers, so it holds no weights.

    Here each clip is a sound in a slot of its own; a backbone that hears otherwise overrides `sounds` and `slots`.

    Args:
        tokenizer: a fast tokenizer of transformers.
        front_end: what a sound becomes.
        audio_token: placeholder of a sound in a conversation, one token.
        end_token: with which a response ends.
        closes: whether a token of its own follows each sound, so that a clip's end is known there.
    """

    def __init__(
        self, tokenizer: Any, front_end: FrontEnd, audio_token: str, end_token: str, closes: bool = False
    ) -> None:
        self.tokenizer = tokenizer
        self.front_end = front_end
        self.audio_token = audio_token
        self.audio_token_id: int = tokenizer.convert_tokens_to_ids(audio_token)
        self.end_token_id: int = tokenizer.convert_tokens_to_ids(end_token)
        self.pad_token_id: int = tokenizer.pad_token_id
        self.closes = closes

    @abstractmethod
    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """The text up to where the response starts, one `audio_token` a slot; of clips only label and length count."""

    @abstractmethod
    def audio_tokens(self, samples: int) -> int:
        """How many tokens a sound of `samples` samples takes."""

    def sounds(self, clips: Sequence[Clip]) -> tuple[NDArray[np.float32], ...]:
        """What is heard in each slot, in prompt order, each of shape (samples,)."""
        return tuple(clip.samples for clip in clips if clip.audible)

    def slots(self, clips: Sequence[Clip]) -> list[Slot]:
        """The slots of a conversation, in prompt order."""
        return [self._slot_of(clip) for clip in clips if clip.has_slot]

    def check_inputs(self, layout: str, clips: int, clip_s: float) -> None:
        """Refuse clips that do not fit.

        Args:
            layout: which clips these are, for the message.
            clips: how many an example has at most.
            clip_s: length of each.

        Raises:
            ConfigError: with what would fit.
        """
        window_s = self.front_end.window_samples / self.front_end.sample_rate
        if clip_s > window_s:
            raise ConfigError(
                f"data.segment_s is {clip_s:g}, but the model hears {window_s:g} s; shorten the segments."
            )

    def introduced(self, clip: Clip, sound: str) -> str:
        """A clip's label, with what stands for its sound where it has a slot."""
        return f"{clip.label} {sound}" if clip.has_slot else f"{clip.label} "

    def _slot_of(self, clip: Clip) -> Slot:
        """The slot of a clip by itself: of what is heard, or one token where there is only a reading to put there."""
        if clip.audible:
            return self._slot(clip.samples.size, [clip.samples.size])
        return Slot(np.array([self.audio_token_id]), (int(self.closes),))

    def _slot(self, samples: int, ends: Sequence[int]) -> Slot:
        """The slot of a sound in which clips end after `ends` samples."""
        ids = np.full(self.audio_tokens(samples), self.audio_token_id)
        return Slot(ids, tuple(self.audio_tokens(end) - 1 + self.closes for end in ends))


class WhisperChat(Chat):
    """A chat with a tower of Whisper's kind, whose states are pooled in pairs."""

    def audio_tokens(self, samples: int) -> int:
        """As many as are left after a convolution of stride 2 and the pooling."""
        return (((self.front_end.frames(samples) - 1) // 2 + 1) - 2) // 2 + 1


class TemplateChat(WhisperChat):
    """A chat in the words of the processor's own template: each clip's label, its sound, then the user's sentence.

    Args:
        template: the processor or tokenizer whose template it is.
    """

    def __init__(self, template: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.template = template

    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """As `Chat.conversation`."""
        content: list[dict[str, str]] = []
        for clip in clips:
            content.append({"type": "text", "text": f"{clip.label} "})
            if clip.has_slot:
                content.append({"type": "audio", "audio_url": ""})
        if prompt:
            content.append({"type": "text", "text": prompt})
        return self.rendered(content)

    def rendered(self, content: list[dict[str, str]]) -> str:
        """The template's text for what a user says.

        Raises:
            ConfigError: if the template, which may be a stranger's, fails or reaches for what is no text.
        """
        from jinja2 import TemplateError

        try:
            return self.template.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        except TemplateError as error:
            raise ConfigError(
                f"The model's chat template cannot be used ({error}); take the one that its publisher ships."
            ) from error
