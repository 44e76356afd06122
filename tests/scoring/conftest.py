"""Factories of problems and predictions for the tests of scoring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mixlab.language.advice import Advice, Claim
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


def _problem(
    *errors: tuple[str, float],
    item: str = "song/0",
    prompt: PromptCategory = PromptCategory.AUDIO_ONLY,
    claim: Claim | None = None,
    genre: str | None = "rock",
) -> Problem:
    category = "no_error" if not errors else "loud" if errors[0][1] > 0 else "quiet"
    return Problem(
        item_id=item,
        song_id=item.split("/")[0],
        split="test",
        genre=genre,
        start_s=10.0,
        duration_s=10.0,
        anchor="bass",
        stems=("bass", "drums", "vocals", "other"),
        errors=tuple(GainError(stem, error_db) for stem, error_db in errors),
        error_category=category,
        prompt_category=prompt,
        claim=claim,
        headroom_gain_db=-3.0,
        master_gain_db=1.5,
        wording_seed=7,
    )


@pytest.fixture(scope="session")
def problem() -> Callable[..., Problem]:
    """A function that makes a problem of errors given as (stem, dB)."""
    return _problem


@pytest.fixture(scope="session")
def answers() -> Callable[[list[Problem], Advice | None], list[Prediction]]:
    """A function that makes a broken model's predictions: the same advice for every problem."""
    return lambda problems, advice: [Prediction(problem, "", advice) for problem in problems]


@pytest.fixture(scope="session")
def mixed_problems() -> list[Problem]:
    """Eight problems from four songs: two balanced, two with quiet vocals, four others."""
    errors = [[], [("vocals", -6.0)], [("vocals", -4.0)], [("vocals", 5.0)], [("drums", -9.0)], [("drums", 12.0)],
              [("other", 3.0)], []]  # fmt: skip
    return [_problem(*error, item=f"song{index // 2}/{index}") for index, error in enumerate(errors)]
