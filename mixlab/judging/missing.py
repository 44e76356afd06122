"""Who is judged on how little: answers that a judge owes, and texts that say nothing, by system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixlab.judging.asking import Result
from mixlab.judging.questions import Case, Question
from mixlab.reports.sheets import Line, Sheet, alone, words


@dataclass(frozen=True)
class Missing:
    """Counts of one subject: questions about it, those without a usable answer, and empty texts of its own."""

    asked: int
    unanswered: int
    silent: int


def missing_by_subject(cases: Sequence[Case], answered: Sequence[tuple[Question, Result]]) -> dict[str, Missing]:
    """Subject -> what is missing of it; a question about several subjects counts for each.

    Args:
        cases: those of all questions; an item may stand in several.
    """
    asked, unanswered = Counter[str](), Counter[str]()
    for question, result in answered:
        asked.update(question.subjects)
        unanswered.update(question.subjects if result.value is None else ())
    silent = {(case.item, name) for case in cases for name, text in case.texts.items() if not text.strip()}
    empty = Counter(name for _, name in silent)
    return {name: Missing(count, unanswered[name], empty[name]) for name, count in asked.items()}


def missing_sheet(missing: Mapping[str, Missing]) -> Sheet:
    """The counts as a table."""
    columns = {"asked": "questions", "unanswered": "no usable answer", "silent": "empty texts"}
    lines = [
        Line(words(name), {key: alone(float(getattr(found, key))) for key in columns})
        for name, found in missing.items()
    ]
    return Sheet("missing", "Missing", columns, lines, counts=True)


def missing_flat(missing: Mapping[str, Missing]) -> dict[str, float]:
    """The counts as ``missing/model/unanswered``, ..."""
    return {f"missing/{name}/{key}": float(count) for name, of in missing.items() for key, count in vars(of).items()}
