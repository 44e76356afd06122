"""Broken models in words, and one that listens, for the tests that hold them against every figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixlab.baselines.base import ListenedItem
from mixlab.language.advice import Advice, Move, State, Verdict
from mixlab.language.parse import parse
from mixlab.language.templates import render_prompt, render_response
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import PromptCategory

VERDICTS = {
    PromptCategory.CORRECT_DESCRIPTION: Verdict.CONFIRMED,
    PromptCategory.INCORRECT_DESCRIPTION: Verdict.CORRECTED,
}
SIZE_DB = 6.0


@dataclass(frozen=True)
class Item:
    """An item in words: what the user said, and the right response."""

    listened: ListenedItem
    prompt: str
    response: str


Model = Callable[[Item], str]


def worded(listened: list[ListenedItem]) -> list[Item]:
    """Items with prompts and right responses, drawn as in training."""
    rng = np.random.default_rng(0)
    found = []
    for one in listened:
        problem = one.problem
        is_silent = problem.prompt_category is PromptCategory.AUDIO_ONLY
        prompt = "" if is_silent else render_prompt(problem.claim, problem.anchor, rng)
        right = Advice(one.reference.moves, VERDICTS.get(problem.prompt_category))
        found.append(Item(one, prompt, render_response(right, problem.anchor, problem.claim, rng)))
    return found


def answered(items: list[Item], model: Model) -> list[Prediction]:
    """What the parser understands of the answers of a model."""
    texts = [(item, model(item)) for item in items]
    return [
        Prediction(item.listened.problem, text, parse(text, item.listened.problem.stems).advice, item.prompt)
        for item, text in texts
    ]


def raises_the_vocals(item: Item) -> str:
    return "Raise the vocals by 6 dB."


def says_nothing(item: Item) -> str:
    return ""


def echoes(item: Item) -> str:
    return item.prompt


def listens(item: Item) -> str:
    return item.response


def believes(item: Item) -> str:
    """Whatever the user claims, and without a claim that the mix is balanced: it reads the text alone."""
    problem = item.listened.problem
    claim = problem.claim
    rng = np.random.default_rng(0)
    if claim is None or claim.stem is None:
        verdict = None if claim is None else Verdict.CONFIRMED
        return render_response(Advice((), verdict), problem.anchor, claim, rng)
    gain_db = SIZE_DB if claim.state is State.TOO_QUIET else -SIZE_DB
    return render_response(Advice((Move.of(claim.stem, gain_db),), Verdict.CONFIRMED), problem.anchor, claim, rng)
