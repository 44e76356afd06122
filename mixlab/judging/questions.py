"""What a judge is asked: a text rated by the rubric, or two compared, each beside the truth in words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, field_validator

from mixlab.errors import InputFileError
from mixlab.judging.controls import render_controls
from mixlab.judging.forms import Preference, form_words, scores_form
from mixlab.language.advice import Advice, Move, State
from mixlab.language.parse import parse
from mixlab.language.wording import is_plural, label_name, sentence_name
from mixlab.scoring.prediction import Prediction
from mixlab.settings import Settings
from mixlab.synthesis.problem import Problem

Message = Mapping[str, str]

MODEL, RIGHT, OPPONENT = "model", "right", "opponent"
"""Whose text is judged: the run's, the right advice in our words, the other run's; controls go by their own names."""


CLAIMED = {State.TOO_LOUD: "too loud", State.TOO_QUIET: "too quiet"}


def _no_reason(name: str) -> str:
    if name == "reason":
        raise ValueError("'reason' is a field of every answer; give the criterion another name")
    return name


CriterionName = Annotated[str, Field(pattern=r"^[a-z_]+$"), AfterValidator(_no_reason)]


class Criterion(Settings):
    """A question, and the words of its five points."""

    question: str
    points: dict[int, str]

    @field_validator("points")
    @classmethod
    def _has_five(cls, points: dict[int, str]) -> dict[int, str]:
        if sorted(points) != [1, 2, 3, 4, 5]:
            raise ValueError(f"it has words for {sorted(points)}; word each of 1, 2, 3, 4 and 5")
        return points


class Rubric(Settings):
    """What is judged: the judge's task, and the criteria."""

    task: str
    criteria: dict[CriterionName, Criterion] = Field(min_length=1)


@dataclass(frozen=True)
class Case:
    """An item and the texts that are judged on it, by subject."""

    prediction: Prediction
    texts: Mapping[str, str]

    @property
    def item(self) -> str:
        return self.prediction.problem.item_id

    @property
    def song(self) -> str:
        return self.prediction.problem.song_id


@dataclass(frozen=True)
class Question:
    """One thing asked once: a rating of a subject, or a comparison of two in the order in which they are shown."""

    item: str
    subjects: tuple[str, ...]
    draw: int
    messages: tuple[Message, ...]
    form: type[BaseModel]

    @property
    def digest(self) -> str:
        """Names what is asked, whoever is asked."""
        return hashlib.sha256(repr([dict(message) for message in self.messages]).encode()).hexdigest()[:16]


def choose(predictions: Sequence[Prediction], items: int | None, seed: int) -> list[Prediction]:
    """Some of the predictions; a larger number keeps those of a smaller one, so that answers are used again."""

    def place(prediction: Prediction) -> str:
        return hashlib.sha256(f"{seed} {prediction.problem.item_id}".encode()).hexdigest()

    return sorted(predictions, key=place)[:items]


def make_cases(
    predictions: Sequence[Prediction], controls: Sequence[str], opponents: Sequence[Prediction] | None
) -> list[Case]:
    """The texts to judge on each item: the model's, the right advice, its controls and the opponent's.

    Raises:
        InputFileError: if the opponent did not answer one of the items, or answered it with other errors.
    """
    others = {prediction.problem.item_id: prediction for prediction in opponents or ()}
    cases = []
    for prediction in predictions:
        problem = prediction.problem
        rendered = render_controls(_right(prediction), problem.item_id, problem.candidates, problem.anchor)
        texts = {MODEL: prediction.text, RIGHT: rendered.right}
        texts |= {control: text for control, text in rendered.wrong.items() if control in controls}
        if opponents is not None:
            texts[OPPONENT] = same_item(others, problem, OPPONENT).text
        cases.append(Case(prediction, texts))
    return cases


def same_item(others: Mapping[str, Prediction], problem: Problem, name: str) -> Prediction:
    """What another system says of an item.

    Args:
        others: its predictions by item.
        name: of the system, for the message.

    Raises:
        InputFileError: if it did not answer the item, or answered it with other errors.
    """
    other = others.get(problem.item_id)
    if other is None or other.problem.errors != problem.errors:
        what = "has no answer to" if other is None else "has other errors in"
        raise InputFileError(f"The {name} {what} the item '{problem.item_id}'; give a run evaluated on the same items.")
    return other


def rating_questions(cases: Sequence[Case], rubric: Rubric, draws: int) -> Iterator[Question]:
    """Each text of each item, rated by all criteria at once."""
    form = scores_form(list(rubric.criteria))
    lines = [f"{rubric.task}\n\nThe criteria, each scored from 1 to 5:"]
    for name, criterion in rubric.criteria.items():
        lines.append(f"{name}: {criterion.question}")
        lines += [f"  {point}: {criterion.points[point]}" for point in sorted(criterion.points)]
    system = "\n".join([*lines, "", form_words(form)])
    for case in cases:
        for subject, text in case.texts.items():
            user = f"{truth_of(case)}\n\nThe advice to judge:\n<advice>\n{shown(text)}\n</advice>"
            for draw in range(draws):
                yield Question(case.item, (subject,), draw, messages_of(system, user), form)


def preference_questions(cases: Sequence[Case], rubric: Rubric, draws: int) -> Iterator[Question]:
    """The model against the opponent, and the right advice against each control, in both orders."""
    criteria = "\n".join(f"- {criterion.question}" for criterion in rubric.criteria.values())
    system = (
        f"{rubric.task}\n\nYou compare two texts. The better one is the one that does better on these questions taken "
        f"together, the first of them before all others:\n{criteria}\n\n{form_words(Preference)}"
    )
    for case in cases:
        for pair in compared(case.texts):
            for first, second in (pair, pair[::-1]):
                user = "".join(
                    f"\n\nThe {name} advice:\n<advice>\n{shown(case.texts[subject])}\n</advice>"
                    for name, subject in (("first", first), ("second", second))
                )
                messages = messages_of(system, truth_of(case) + user)
                for draw in range(draws):
                    yield Question(case.item, (first, second), draw, messages, Preference)


def compared(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """The pairs of subjects that are compared on an item."""
    pairs = [(MODEL, OPPONENT)] if OPPONENT in texts else []
    return pairs + [(RIGHT, subject) for subject in texts if subject not in (MODEL, RIGHT, OPPONENT)]


def describe(problem: Problem, prompt: str) -> str:
    """The mix, what it needs, and what the user said of it and whether that is so.

    Args:
        prompt: the user's sentence; empty where only audio was given.
    """
    genre = f" of {problem.genre}" if problem.genre else ""
    stems = ", ".join(label_name(stem) for stem in problem.stems)
    lines = [
        f"The mix is an excerpt{genre} of {problem.duration_s:g} seconds with these stems: {stems}.",
        f"The {sentence_name(problem.anchor)} is the anchor: its fader stays where it is, the others are set by it.",
        *_faults(problem),
        _said(problem, prompt),
    ]
    return "\n".join(lines)


def _faults(problem: Problem) -> list[str]:
    needed = problem.needed_gains_db
    if not needed:
        return ["Nothing is wrong: every stem is in balance. The right advice is to change nothing."]
    lines = []
    for stem, gain_db in needed.items():
        what, move = ("quiet", "raise") if gain_db > 0 else ("loud", "lower")
        verb, pronoun = ("are", "them") if is_plural(stem) else ("is", "it")
        lines.append(
            f"The {sentence_name(stem)} {verb} {abs(gain_db):.1f} dB too {what}: the right advice is to {move} "
            f"{pronoun} by {abs(gain_db):.1f} dB."
        )
    return [*lines, "All other stems are right."]


def _said(problem: Problem, prompt: str) -> str:
    if not prompt:
        return "The user said nothing and only asked for advice."
    said = f'The user said: "{prompt}"'
    if problem.claim is None:
        return said
    verdict = "right" if problem.holds(problem.claim) else "wrong"
    if problem.claim.stem is None:
        return f"{said} The claim that the mix is balanced is {verdict}."
    stem = sentence_name(problem.claim.stem)
    verb = "are" if is_plural(problem.claim.stem) else "is"
    return f"{said} The claim that the {stem} {verb} {CLAIMED[problem.claim.state]} is {verdict}."


def _right(prediction: Prediction) -> Advice:
    """The right advice as the run had it; where it is not on record, what the problem needs to the nearest dB."""
    problem = prediction.problem
    reference = parse(prediction.reference, problem.stems).advice
    if reference is not None:
        return reference
    needed = problem.needed_gains_db.items()
    return Advice(tuple(Move.of(stem, math.copysign(max(1.0, round(abs(db))), db)) for stem, db in needed))


def truth_of(case: Case) -> str:
    """What the judge is told of an item."""
    return f"The truth about the mix:\n{describe(case.prediction.problem, case.prediction.prompt)}"


def shown(text: str) -> str:
    """A text between its marks, which it cannot close by itself."""
    return text.replace("</advice>", "< /advice>").strip() or "(nothing was said)"


def messages_of(system: str, user: str) -> tuple[Message, ...]:
    """A question as messages."""
    return ({"role": "system", "content": system}, {"role": "user", "content": user})
