"""Listwise ranking as in MixAssist (Clemens and Marasovic 2025): all systems' texts in one prompt, by criteria."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mixlab.judging.asking import Result
from mixlab.judging.discrimination import Figure, Figures
from mixlab.judging.forms import form_words, ranks_form
from mixlab.judging.questions import (
    MODEL,
    RIGHT,
    Case,
    CriterionName,
    Question,
    messages_of,
    same_item,
    shown,
    truth_of,
)
from mixlab.judging.truth import Truth, against_truth
from mixlab.reports.sheets import Line, Sheet, words
from mixlab.scoring.bootstrap import mean_outcome
from mixlab.scoring.prediction import Prediction
from mixlab.settings import Settings
from mixlab.synthesis.seeds import generator


class Ranking(Settings):
    """The group `ranking`: what texts are ranked by: the judge's task, and criteria with their questions."""

    task: str
    criteria: dict[CriterionName, str] = Field(min_length=1)


@dataclass(frozen=True)
class Rankings:
    """What rankings come to.

    Attributes:
        ranks: by subject, then criterion: mean rank, 1 the best.
        wins: by subject, then criterion: share of the other texts that rank below.
        first_place: by criterion: share of rankings won by the text shown first; `chance` without a bias.
        truth: by criterion: whether ranks only repeat the given truth.
    """

    ranks: Mapping[str, Mapping[str, Figure]]
    wins: Mapping[str, Mapping[str, Figure]]
    first_place: Mapping[str, float]
    truth: Mapping[str, Truth]
    chance: float

    def flat(self) -> dict[str, float]:
        """All figures as ``rank/model/fluency``, ``rank_wins/model/fluency``, ... with intervals."""
        flat = {"rank_first_place/chance": self.chance}
        for name, table in (("rank", self.ranks), ("rank_wins", self.wins)):
            for subject, figures in table.items():
                for criterion, figure in figures.items():
                    flat |= figure.flat(f"{name}/{subject}/{criterion}")
        flat |= {f"rank_first_place/{c}": share for c, share in self.first_place.items() if np.isfinite(share)}
        for criterion, found in self.truth.items():
            flat |= found.flat(f"rank_truth/{criterion}")
        return flat

    def sheets(self) -> list[Sheet]:
        """Mean ranks and the shares of others beaten."""
        criteria = {name: name for name in self.first_place}
        shares = ", ".join(f"{words(name)} {share:.3f}" for name, share in self.first_place.items())
        caption = f"Shares of rankings that the text shown first wins ({self.chance:.3f} by chance): {shares}."
        return [
            Sheet("ranks", "Mean rank (1: best)", criteria, _lines(self.ranks), caption=caption),
            Sheet("rank_wins", "Share of the other texts that rank below", criteria, _lines(self.wins)),
        ]


def ranked_cases(cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]]) -> list[Case]:
    """The texts to rank on each item: the model's, the right advice and the systems'.

    Raises:
        InputFileError: if a system did not answer one of the items, or answered it with other errors.
    """
    others = {name: {p.problem.item_id: p for p in predictions} for name, predictions in systems.items()}
    ranked = []
    for case in cases:
        texts = {MODEL: case.texts[MODEL], RIGHT: case.texts[RIGHT]}
        texts |= {name: same_item(found, case.prediction.problem, name).text for name, found in others.items()}
        ranked.append(replace(case, texts=texts))
    return ranked


def ranking_questions(cases: Sequence[Case], ranking: Ranking, draws: int, seed: int) -> Iterator[Question]:
    """All texts of each item ranked by all criteria, in an order that each draw shuffles anew."""
    asked = "\n".join(f"{name}: {question}" for name, question in ranking.criteria.items())
    for case in cases:
        letters = string.ascii_uppercase[: len(case.texts)]
        form = ranks_form(list(ranking.criteria), letters)
        system = f"{ranking.task}\n\nThe criteria:\n{asked}\n\n{form_words(form)}"
        for draw in range(draws):
            order = generator(seed, "ranking", case.item, draw).permutation(len(letters))
            subjects = tuple(list(case.texts)[place] for place in order)
            user = truth_of(case) + "".join(
                f"\n\nAdvice {letter}:\n<advice>\n{shown(case.texts[subject])}\n</advice>"
                for letter, subject in zip(letters, subjects, strict=True)
            )
            yield Question(case.item, subjects, draw, messages_of(system, user), form)


def ranks_of(question: Question, result: Result, criterion: str) -> dict[str, int]:
    """Subject -> rank by a criterion; empty where the answer is missing."""
    if result.value is None:
        return {}
    return {
        question.subjects[string.ascii_uppercase.index(letter)]: rank
        for rank, letter in enumerate(getattr(result.value, criterion), start=1)
    }


def sum_up_rankings(
    cases: Sequence[Case],
    answered: Sequence[tuple[Question, Result]],
    criteria: Sequence[str],
    resamples: int,
    seed: int,
) -> Rankings:
    """Sum up all rankings; a missing one counts nowhere.

    Args:
        cases: of `ranked_cases`; there is one at least.
    """
    figures = Figures([case.song for case in cases], resamples, seed)
    subjects, places = list(cases[0].texts), {case.item: index for index, case in enumerate(cases)}
    draws = 1 + max(question.draw for question, _ in answered)
    table = {s: {c: np.full((len(cases), draws), np.nan) for c in criteria} for s in subjects}
    firsts: dict[str, list[bool]] = {criterion: [] for criterion in criteria}
    for question, result in answered:
        for criterion in criteria:
            for subject, rank in ranks_of(question, result, criterion).items():
                table[subject][criterion][places[question.item], question.draw] = rank
                if subject == question.subjects[0]:
                    firsts[criterion].append(rank == 1)
    means: dict[str, dict[str, NDArray[np.float64]]] = {
        s: {c: np.array([mean_outcome(ranks) for ranks in table[s][c]]) for c in criteria} for s in subjects
    }
    count = len(subjects)
    return Rankings(
        {s: {c: figures.mean(ranks) for c, ranks in rows.items()} for s, rows in means.items()},
        {s: {c: figures.mean((count - ranks) / (count - 1)) for c, ranks in rows.items()} for s, rows in means.items()},
        {c: float(np.mean(won)) if won else np.nan for c, won in firsts.items()},
        {c: against_truth(cases, {s: -rows[c] for s, rows in means.items()}) for c in criteria},
        1.0 / count,
    )


def rank_records(answered: Sequence[tuple[Question, Result]], criteria: Sequence[str]) -> list[dict[str, Any]]:
    """One record a ranking: the subjects in the order in which they were shown, and the rank of each by criterion."""
    return [
        {
            "item": question.item,
            "shown": list(question.subjects),
            "draw": question.draw,
            "asked": question.digest,
            "ranks": {c: ranks_of(question, result, c) for c in criteria} if result.value is not None else None,
            "missing": result.missing,
        }
        for question, result in answered
    ]


def _lines(rows: Mapping[str, Mapping[str, Figure]]) -> list[Line]:
    return [Line(words(row), {name: figure.cell for name, figure in found.items()}) for row, found in rows.items()]
