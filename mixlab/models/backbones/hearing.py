"""How a backbone that mixlab joins from parts hears: its front end, its tokens, its conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AddedToken, AutoTokenizer
from transformers.utils import cached_file

from mixlab.audio.log_mel import LogMel
from mixlab.chat.form import Chat, FrontEnd, Samples
from mixlab.errors import ConfigError
from mixlab.synthesis.example import Clip

AUDIO_TOKEN = "<|audio|>"
"""Placeholder of one audio token; its id lies beyond the language model's vocabulary, since it is never embedded."""

TEXT_TOKENS = 512
"""Room that is kept in the context for prompt, labels and response, beside the audio tokens."""

HEARING = "hearing.json"


@dataclass(frozen=True)
class Waveform:
    """The front end of what hears waveforms: nothing is computed, and above all nothing normalised.

    Attributes:
        step: samples of a frame; a sound is filled up with zeros to whole frames.
    """

    sample_rate: int
    step: int
    window_samples: int

    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Shape (sounds, step, frames) from waveforms (sounds, samples); `flat` is the way back.

        Raises:
            ValueError: if the sounds are longer than the window.
        """
        self.check_length(waveforms.shape[1])
        filled = torch.nn.functional.pad(waveforms.float(), (0, -waveforms.shape[1] % self.step))
        return filled.unflatten(1, (-1, self.step)).transpose(1, 2)

    def frames(self, samples: Samples) -> Samples:
        """How many frames a sound of that many samples fills, the last one perhaps in part."""
        return -(-samples // self.step)

    def check_length(self, samples: int) -> None:
        """Raise ValueError if a sound of that many samples is longer than the window."""
        if samples > self.window_samples:
            window_s = self.window_samples / self.sample_rate
            raise ValueError(f"a clip of {samples / self.sample_rate:.1f} s exceeds the model's {window_s:.0f} s")


def flat(features: torch.Tensor) -> torch.Tensor:
    """Waveforms (sounds, samples) from what `Waveform` gives."""
    return features.transpose(1, 2).flatten(1)


@dataclass(frozen=True)
class Hearing:
    """What a joined backbone takes and how many tokens come of it; plain values, kept in its config and its processor.

    Attributes:
        front_end: fields of a `LogMel`, or of a `Waveform`, which alone has a `step`.
        convolutions: kernel and stride of what shortens a sound in the tower, from its frames (for a waveform: from
            its samples) to its states; written so that no padding has to be known.
        per_state: tokens of a state: how many codebooks a codec has, otherwise 1.
        pooled: to how many tokens the states of a clip are averaged; None keeps every state.
        common_scale: whether the tower was trained on sounds of unit power, as an extractor with `do_normalize` gives
            them; then the sounds of an example share one factor that brings them there together.
        hears_level: whether a gain on a whole clip changes what the tower makes of it.
        context: tokens that the language model was trained on at most.
        tower: what hears, for messages.
    """

    front_end: dict[str, Any]
    convolutions: list[list[int]]
    per_state: int
    pooled: int | None
    common_scale: bool
    hears_level: bool
    context: int
    tower: str

    @property
    def step(self) -> int | None:
        """Samples of a frame of a waveform; None for log-mel."""
        return self.front_end.get("step")

    def new_front_end(self) -> FrontEnd:
        """The front end."""
        return LogMel(**self.front_end) if self.step is None else Waveform(**self.front_end)

    def states(self, frames: int) -> int:
        """How many states the tower gives for a sound of so many frames."""
        length = frames * (self.step or 1)
        for kernel, stride in self.convolutions:
            length = (length - kernel) // stride + 1
        return max(length, 0)

    def tokens(self, frames: int) -> int:
        """How many tokens a sound of so many frames takes."""
        tokens = self.states(frames) * self.per_state
        return tokens if self.pooled is None else min(tokens, self.pooled)


@dataclass(frozen=True)
class SoundProcessor:
    """A tokenizer and a hearing: what a processor of transformers is to other families."""

    tokenizer: Any
    hearing: Hearing

    @classmethod
    def read(cls, name: str, revision: str | None) -> SoundProcessor:
        """From a folder that `save_pretrained` wrote, or a hub id of one.

        Raises:
            OSError: if it is not there.
        """
        path = cached_file(name, HEARING, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        return cls(tokenizer, Hearing(**json.loads(Path(path).read_text())))

    def save_pretrained(self, folder: Path) -> None:
        """Write both into a folder."""
        self.tokenizer.save_pretrained(folder)
        (Path(folder) / HEARING).write_text(json.dumps(asdict(self.hearing), indent=2) + "\n")


def prepared(tokenizer: Any, name: str) -> Any:
    """A tokenizer with `AUDIO_TOKEN` and a token to pad with.

    Raises:
        ConfigError: if it has no token that ends a response.
    """
    if tokenizer.eos_token is None:
        raise ConfigError(
            f"model.arguments.language_model is '{name}', whose tokenizer has no eos_token to end a response with; "
            "choose another model, or set one in its tokenizer_config.json."
        )
    tokenizer.add_tokens([AddedToken(AUDIO_TOKEN, special=True)], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


class JoinedChat(Chat):
    """In the words of the language model's own template, or bare where it has none; each clip has a slot of its own."""

    def __init__(self, processor: SoundProcessor) -> None:
        self.hearing = processor.hearing
        end = processor.tokenizer.eos_token
        super().__init__(processor.tokenizer, self.hearing.new_front_end(), AUDIO_TOKEN, end)

    def conversation(self, clips: Sequence[Clip], prompt: str) -> str:
        """As `Chat.conversation`."""
        said = "".join(self.introduced(clip, self.audio_token).strip() + "\n" for clip in clips) + prompt
        if self.tokenizer.chat_template is None:
            return f"{said}\n"
        message = [{"role": "user", "content": said}]
        return self.tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)

    def audio_tokens(self, samples: int) -> int:
        """As many as the tower's convolutions, codebooks and pooling give."""
        return self.hearing.tokens(self.front_end.frames(samples))

    def sounds(self, clips: Sequence[Clip]) -> tuple[NDArray[np.float32], ...]:
        """The clips, all by one factor where the tower wants unit power: what lies between them stays."""
        if not self.hearing.common_scale:
            return super().sounds(clips)
        if not any(clip.audible for clip in clips):
            return ()
        power = np.mean([np.mean(np.square(clip.samples), dtype=np.float64) for clip in clips])
        factor = np.float32(1.0 / np.sqrt(power + 1e-12))
        return tuple(clip.samples * factor for clip in clips)

    def check_inputs(self, layout: str, clips: int, clip_s: float) -> None:
        """Refuse also clips whose level the tower cannot hear, and more of them than the context holds.

        Raises:
            ConfigError: with what would fit.
        """
        super().check_inputs(layout, clips, clip_s)
        if clips > 1 and not self.hearing.hears_level:
            raise ConfigError(
                f"inputs is '{layout}', but {self.hearing.tower} normalises every sound, so that no gain between clips "
                "can be heard; set model.arguments.level=true, which tells the projector how loud each moment is, or "
                "inputs=mixture."
            )
        tokens = self.audio_tokens(round(clip_s * self.front_end.sample_rate))
        if clips * tokens + TEXT_TOKENS > self.hearing.context:
            raise ConfigError(
                f"inputs is '{layout}', up to {clips} clips of {tokens} tokens, which with {TEXT_TOKENS} for the text "
                f"exceed the language model's context of {self.hearing.context}; choose inputs=mixture, shorter "
                "segments (data.segment_s), or fewer tokens a clip."
            )
