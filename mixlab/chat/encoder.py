"""Room chat: an example as token ids and waveforms, in the chat form of the model's own backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mixlab.chat.form import Chat
from mixlab.chat.readings import NO_READINGS, Readings
from mixlab.language.spans import decisive_spans
from mixlab.synthesis.example import Clip, Example

IGNORED = -100
"""Label of a position that the loss leaves out."""

KEPT_PROMPTS = 4096
"""Conversations whose token ids an encoder keeps; a run has a few hundred."""


@dataclass(frozen=True)
class EncodedText:
    """Token ids of one conversation, all of shape (tokens,).

    Attributes:
        input_ids: prompt, and for training the response with its end token.
        labels: `input_ids` on the response, `IGNORED` on the prompt.
        decisive: True on response tokens that carry the meaning (stem, direction, number).
        clip_ends: True where a clip has just been heard to its end, in the order of the clips.
    """

    input_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    decisive: NDArray[np.bool_]
    clip_ends: NDArray[np.bool_]


class ChatEncoder:
    """Turns clips and texts into what a backbone takes.

    The form of the conversation, the slots of its sounds and the front end are the backbone's own (`Chat`).

    Args:
        readings: what a meter shows of the clips, and how the model is told.
    """

    def __init__(self, chat: Chat, readings: Readings = NO_READINGS) -> None:
        self.chat, self.readings = chat, readings
        self.tokenizer = chat.tokenizer
        self.front_end = chat.front_end
        self.sample_rate = chat.front_end.sample_rate
        self.pad_token_id = chat.pad_token_id
        self.end_token_id = chat.end_token_id
        self._prompts: dict[tuple[tuple[tuple[str, int, bool], ...], str], NDArray[np.int64]] = {}

    def line_up(self, sounds: Sequence[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Sounds of shape (samples,) each as one tensor (sounds, samples), zeros at the ends, and lengths (sounds,).

        Raises:
            ValueError: if a sound is longer than the model's window; nothing is cut silently.
        """
        lengths = [sound.size for sound in sounds]
        self.front_end.check_length(max(lengths))
        waveforms = np.empty((len(sounds), max(lengths)), dtype=np.float32)
        for sound, row in zip(sounds, waveforms, strict=True):
            row[: sound.size] = sound
            row[sound.size :] = 0.0
        return torch.from_numpy(waveforms), torch.tensor(lengths)

    def features(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Features of sounds of shape (samples,) each, such as log-mel: shape (sounds, mels, window frames).

        Raises:
            ValueError: if a sound is longer than the model's window.
        """
        return self.front_end(self.line_up(sounds)[0]).numpy()

    def shown(self, clips: Sequence[Clip]) -> list[Clip]:
        """The clips with what a meter shows of them, as the model is told."""
        return self.readings.of(clips, self.sample_rate)

    def prompt_text(self, clips: Sequence[Clip], prompt: str) -> str:
        """The conversation up to the point where the response starts, audio placeholders expanded.

        The clips are as `shown`.
        """
        before, *after = self.chat.conversation(clips, prompt).split(self.chat.audio_token)
        for slot, rest in zip(self.chat.slots(clips), after, strict=True):
            before += self.chat.audio_token * slot.ids.size + rest
        return before

    def prompt_ids(self, clips: Sequence[Clip], prompt: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The token ids of a conversation, and where a clip has been heard to its end, both of shape (tokens,).

        The clips are as `shown`.
        Every label and user sentence occurs again and again, so the ids with one placeholder a sound are kept; what is
        between placeholders is tokenized by itself in any case.
        """
        key = (tuple((clip.label, clip.samples.size, clip.has_slot) for clip in clips), prompt)
        ids = self._prompts.get(key)
        if ids is None:
            text = self.chat.conversation(clips, prompt)
            ids = np.asarray(self.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int64)
            if len(self._prompts) >= KEPT_PROMPTS:
                self._prompts.clear()
            self._prompts[key] = ids
        pieces, ends, done, length = [], [], 0, 0
        places = np.flatnonzero(ids == self.chat.audio_token_id).tolist()
        for place, slot in zip(places, self.chat.slots(clips), strict=True):
            pieces += [ids[done:place], slot.ids]
            length += place - done
            ends += [length + end for end in slot.clip_ends]
            length += slot.ids.size
            done = place + 1
        whole = np.concatenate([*pieces, ids[done:]])
        clip_ends = np.zeros(whole.size, dtype=bool)
        clip_ends[np.array(ends, dtype=np.int64)] = True
        return whole, clip_ends

    def encode_text(self, clips: Sequence[Clip], prompt: str, response: str | None) -> EncodedText:
        """Token ids of a conversation; without a response, of the prompt alone."""
        prompt_ids, clip_ends = self.prompt_ids(clips, prompt)
        if response is None:
            nothing = np.zeros(prompt_ids.size, dtype=bool)
            return EncodedText(prompt_ids, np.full_like(prompt_ids, IGNORED), nothing, clip_ends)
        answer = self.tokenizer(response, add_special_tokens=False, return_offsets_mapping=True)
        ids = np.concatenate([prompt_ids, np.asarray([*answer["input_ids"], self.end_token_id], dtype=np.int64)])
        labels = ids.copy()
        labels[: prompt_ids.size] = IGNORED
        decisive = np.zeros(ids.size, dtype=bool)
        decisive[prompt_ids.size : -1] = overlap(answer["offset_mapping"], decisive_spans(response))
        return EncodedText(ids, labels, decisive, np.pad(clip_ends, (0, ids.size - clip_ends.size)))


@dataclass(frozen=True)
class EncodedExample:
    """An example ready to be collated.

    A question that people ask has no example.

    Attributes:
        waveforms: its sounds (mostly its clips), each of shape (samples,).
        readings_db: what the model is told of each clip's level as a number; empty where it is told none.
    """

    example: Example | None
    text: EncodedText
    waveforms: tuple[NDArray[np.float32], ...]
    readings_db: tuple[float, ...] = ()

    @classmethod
    def of(cls, encoder: ChatEncoder, example: Example, with_response: bool) -> EncodedExample:
        """The encoded example; without the response for generation."""
        return cls._of(encoder, example.clips, example.prompt, example.response if with_response else None, example)

    @classmethod
    def of_question(cls, encoder: ChatEncoder, clips: Sequence[Clip], prompt: str) -> EncodedExample:
        """A question that nobody knows the answer to."""
        return cls._of(encoder, clips, prompt, None, None)

    @classmethod
    def _of(
        cls, encoder: ChatEncoder, clips: Sequence[Clip], prompt: str, response: str | None, example: Example | None
    ) -> EncodedExample:
        shown = encoder.shown(clips)
        readings_db = tuple(clip.reading_db for clip in shown if clip.reading_db is not None)
        text = encoder.encode_text(shown, prompt, response)
        return cls(example, text, encoder.chat.sounds(shown), readings_db)


def overlap(pieces: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each piece of a text shares a character with one of the spans; both in order."""
    found = []
    index = 0
    for start, end in pieces:
        while index < len(spans) and spans[index][1] <= start:
            index += 1
        found.append(index < len(spans) and spans[index][0] < end)
    return found
