"""Room evaluation: a model behind a server of chat completions answers, from the same clips as everybody."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixlab.audio.files import wav_bytes
from mixlab.audio.levels import db_to_amplitude
from mixlab.calling.asking import (
    CHARACTERS_PER_TOKEN,
    Estimate,
    Server,
    Unanswered,
    ask_each,
    missing_in_words,
    output_bound,
    reply_of,
)
from mixlab.calling.call_log import CallLog, request_key
from mixlab.calling.endpoint import CallFailed
from mixlab.errors import ConfigError, MixlabError
from mixlab.evaluation.answering import Answerer, Answering
from mixlab.items.bank import ItemBank
from mixlab.language.parse import parse
from mixlab.runs.settings import AnswererSettings
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import Kind
from mixlab.synthesis.example import Clip, Example
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator

PEAK_DBFS = -1.0
"""The highest peak among the clips of a question, after the one gain that all of them get."""

Part = Mapping[str, Any]
"""A part of a message: a text, or a sound."""


@dataclass(frozen=True)
class Question:
    """What is asked of one item.

    Attributes:
        problem: the item.
        heard: the one whose clips are heard, mostly itself.
        key: names the request by its content.
        prompt, reference: what the user says and what would be right.
        characters: of text in the request.
        audio_s: seconds of sound in it.
    """

    problem: Problem
    heard: Problem
    key: str
    prompt: str
    reference: str
    characters: int
    audio_s: float


class ServedModel(Answerer):
    """A model that is asked item by item; what it answered once is never asked again.

    Args:
        settings: how it is asked.
        bank: of the items; the solved examples come from its training songs.
        seed: of the choice of solved examples.
        tuning_items: how many items of training songs they are chosen from.
        log: keeps the answers.
        server: answers.
    """

    name: str = "model"
    kind: Kind = "model"
    detail: str = ""

    def __init__(
        self, settings: AnswererSettings, bank: ItemBank, seed: int, tuning_items: int, log: CallLog, server: Server
    ) -> None:
        self.settings, self.bank, self.log, self.server = settings, bank, log, server
        self._seed, self._tuning_items = seed, tuning_items
        self._rendering = threading.Lock()
        self._questions: dict[tuple[Problem, Problem], Question] = {}
        self._missing: dict[str, str] = {}
        self._asked: set[str] = set()

    def estimate(self, asked: Sequence[tuple[Sequence[Problem], Sequence[Problem] | None]]) -> Estimate:
        """What is left to ask.

        Args:
            asked: problems, each with those whose clips are heard in their place, as for `answer`.
        """
        questions = {q.key: q for problems, audio_of in asked for q in self._questions_of(problems, audio_of)}
        left = [question for question in questions.values() if self.log.get(question.key) is None]
        audio_s = sum(question.audio_s for question in left)
        return Estimate(
            len(left),
            len(questions) - len(left),
            round(sum(question.characters for question in left) / CHARACTERS_PER_TOKEN),
            output_bound(self.settings.request, len(left)),
            audio_s,
            round(audio_s * self.settings.audio_tokens_per_s),
        )

    def try_out(self, problem: Problem) -> None:
        """Ask one question by itself, before long work and before all others are paid for.

        Raises:
            MixlabError: if the server leaves it without an answer.
        """
        try:
            self._ask(self._question(problem, problem))
        except CallFailed as error:
            raise MixlabError(
                f"{self.settings.endpoint} left the first question without an answer: {error}; correct "
                "answerer.endpoint or answerer.model, or start again when it works."
            ) from None

    def answer(
        self, asked: Answering, problems: Sequence[Problem], audio_of: Sequence[Problem] | None
    ) -> list[Prediction]:
        """As `Answering.answer`; a question that has no answer after all tries is answered by nothing at all.

        Raises:
            MixlabError: if the server refuses, or fails too often in a row; what it answered is kept.
        """
        from rich.progress import Progress

        questions = self._questions_of(problems, audio_of)
        left = {question.key: question for question in questions if self.log.get(question.key) is None}
        settings = self.settings
        with Progress(transient=True) as progress:
            bar = progress.add_task("Asking", total=len(left))
            found = ask_each(
                left, self._ask, settings.endpoint, settings.concurrency, settings.give_up_after,
                lambda: progress.advance(bar),
            )  # fmt: skip
        self._asked |= {question.key for question in questions}
        self._missing |= {key: answer.reason for key, answer in found.items() if isinstance(answer, Unanswered)}
        return [self._prediction(question) for question in questions]

    def notes(self) -> list[str]:
        """How many questions are without an answer, and why; they count as wrong."""
        told = f"Asked: {self.settings.model} at {self.settings.endpoint}, {shots_in_words(self.settings.shots)}."
        return [f"{told} {missing_in_words(Counter(self._missing.values()), len(self._asked))}"]

    def request(self, problem: Problem, heard: Problem) -> dict[str, Any]:
        """The request about a problem with the clips of another (mostly the same): its body, sounds and all."""
        example = self._example(problem)
        clips = example.clips if heard is problem else self._example(heard).clips
        system = {"role": "system", "content": self.settings.instruction}
        user = {"role": "user", "content": spoken(clips, example.prompt, self.bank.sample_rate)}
        messages = [system, *self._shots, user]
        return {"model": self.settings.model, "messages": messages, **self.settings.request}

    @cached_property
    def _shots(self) -> list[dict[str, Any]]:
        """Solved examples as turns of the conversation.

        Raises:
            ConfigError: if there are too few.
        """
        count = self.settings.shots
        problems = self.bank.tuning_problems(self._tuning_items) if count else []
        if len(problems) < count:
            raise ConfigError(f"answerer.shots is {count}, but there are {len(problems)} training items; lower it.")
        turns: list[dict[str, Any]] = []
        for place in generator(self._seed, "shots").permutation(len(problems))[:count].tolist():
            example = self._example(problems[place])
            parts = spoken(example.clips, example.prompt, self.bank.sample_rate)
            turns += [{"role": "user", "content": parts}, {"role": "assistant", "content": example.response}]
        return turns

    def _example(self, problem: Problem) -> Example:
        with self._rendering:
            return self.bank.examples.example(problem)

    def _questions_of(self, problems: Sequence[Problem], audio_of: Sequence[Problem] | None) -> list[Question]:
        return [self._question(*pair) for pair in zip(problems, audio_of or problems, strict=True)]

    def _question(self, problem: Problem, heard: Problem) -> Question:
        """The question, without its sounds, of which there would be too many at once."""
        if (problem, heard) not in self._questions:
            request, example = self.request(problem, heard), self._example(problem)
            texts = [text for message in request["messages"] for text in _texts(message["content"])]
            self._questions[problem, heard] = Question(
                problem,
                heard,
                request_key(self.settings.endpoint, request, 0),
                example.prompt,
                example.response,
                sum(map(len, texts)),
                sum(_audio_s(message["content"], self.bank.sample_rate) for message in request["messages"]),
            )
        return self._questions[problem, heard]

    def _ask(self, question: Question) -> str:
        request = self.request(question.problem, question.heard)
        return reply_of(self.log, question.key, request, self.server).text

    def _prediction(self, question: Question) -> Prediction:
        reply = self.log.get(question.key)
        text = "" if reply is None else reply.text.strip()
        advice = parse(text, question.problem.stems).advice
        return Prediction(question.problem, text, advice, question.prompt, question.reference)


def spoken(clips: Sequence[Clip], prompt: str, sample_rate: int) -> list[Part]:
    """What a user says: each clip's label and its sound, then the sentence where there is one.

    All clips get one gain, so that what they are beside each other is heard, and nothing is clipped by 16 bits.
    """
    peak = max(float(np.max(np.abs(clip.samples), initial=0.0)) for clip in clips)
    gain = np.float32(db_to_amplitude(PEAK_DBFS) / peak if peak > 0.0 else 1.0)
    parts: list[Part] = []
    for clip in clips:
        data = b64encode(wav_bytes((clip.samples * gain)[np.newaxis], sample_rate, "pcm16")).decode()
        parts.append({"type": "text", "text": clip.label})
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    return [*parts, {"type": "text", "text": prompt}] if prompt else parts


def shots_in_words(shots: int) -> str:
    """How many solved examples a model gets."""
    return "zero-shot" if shots == 0 else f"{shots}-shot"


def _texts(content: str | Sequence[Part]) -> list[str]:
    """The texts of a message."""
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


def _audio_s(content: str | Sequence[Part], sample_rate: int) -> float:
    """Seconds of 16-bit sound in a message: base64 has four characters for three bytes."""
    sounds = [] if isinstance(content, str) else [part for part in content if part["type"] == "input_audio"]
    return sum(len(part["input_audio"]["data"]) * 3 / 4 for part in sounds) / (2 * sample_rate)
