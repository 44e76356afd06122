"""For the tests of judging: answers to problems, a rubric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mixlab.judging.questions import Rubric
from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import GainError, Problem, PromptCategory
from tests.calling.conftest import serve

__all__ = ["serve"]


def _answered(
    *errors: tuple[str, float],
    item: str = "song0/0",
    text: str = "",
    prompt: str = "",
    reference: str = "",
    **others: Any,
) -> Prediction:
    category = others.pop("prompt_category", PromptCategory.ADVICE_SEEKING if prompt else PromptCategory.AUDIO_ONLY)
    problem = Problem(
        item_id=item, song_id=item.split("/")[0], split="test", genre=others.pop("genre", "rock"), start_s=0.0,
        duration_s=10.0, anchor="bass", stems=("bass", "drums", "vocals", "other"),
        errors=tuple(GainError(stem, gain_db) for stem, gain_db in errors), error_category="x",
        prompt_category=category, claim=others.pop("claim", None), headroom_gain_db=0.0, master_gain_db=0.0,
        wording_seed=1,
    )  # fmt: skip
    assert not others
    return Prediction(problem, text, None, prompt, reference)


@pytest.fixture(scope="session")
def answered() -> Callable[..., Prediction]:
    """A function that makes an answer to a mix with errors given as (stem, dB)."""
    return _answered


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    """Two criteria in few words."""
    points = {point: f"worth {point}" for point in range(1, 6)}
    criteria = {name: {"question": f"Is it of {name}?", "points": points} for name in ("effectiveness", "helpfulness")}
    return Rubric.model_validate({"task": "Judge.", "criteria": criteria})


@pytest.fixture(scope="session")
def raise_vocals() -> Advice:
    return Advice((Move.of("vocals", 6.0),))
