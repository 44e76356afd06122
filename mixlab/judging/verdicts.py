"""What a judge's answers come to: scores by subject, what they tell apart, how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.judging.agreement import Agreement, between_draws, with_people
from mixlab.judging.annotations import Rating
from mixlab.judging.asking import Result
from mixlab.judging.discrimination import Figure, Figures
from mixlab.judging.forms import Preference
from mixlab.judging.questions import RIGHT, Case, Question, compared
from mixlab.judging.truth import Truth, against_truth
from mixlab.reports.sheets import Cell, Line, Sheet, alone, words
from mixlab.scoring.bootstrap import mean_outcome


@dataclass(frozen=True)
class Preferred:
    """How one subject fares against another.

    Attributes:
        wins: share of items where the first is preferred; ties, and answers that change with the order, count half.
        ties: share of comparisons that both orders call a tie.
        consistent: share of comparisons in which both orders say the same.
        first_place: share of preferences that go to the text shown first; 0.5 without a bias.
    """

    wins: Figure
    ties: float
    consistent: float
    first_place: float

    @property
    def _others(self) -> dict[str, float]:
        return {"ties": self.ties, "consistent": self.consistent, "first_place": self.first_place}

    @property
    def cells(self) -> dict[str, Cell]:
        """All figures, for a line of a table."""
        return {"wins": self.wins.cell, **{key: alone(value) for key, value in self._others.items()}}

    def flat(self, name: str) -> dict[str, float]:
        """All figures that there are."""
        found = {f"{name}/{key}": value for key, value in self._others.items() if np.isfinite(value)}
        return self.wins.flat(f"{name}/wins") | found


@dataclass(frozen=True)
class Verdicts:
    """All that a judge's answers come to.

    Attributes:
        scores: by subject, then criterion: mean score.
        aucs: by control, then criterion: right advice against it.
        self_agreement: by criterion: of draws with each other.
        people: by criterion: the judge against people, and people against each other.
        preferences: by pair of subjects.
        truth: by criterion: whether scores only repeat the given truth.
    """

    scores: Mapping[str, Mapping[str, Figure]]
    aucs: Mapping[str, Mapping[str, Figure]]
    self_agreement: Mapping[str, Agreement]
    people: Mapping[str, tuple[Agreement, Agreement]]
    preferences: Mapping[tuple[str, str], Preferred]
    truth: Mapping[str, Truth]

    def flat(self) -> dict[str, float]:
        """All figures as ``score/model/effectiveness``, ``auc/wrong_stem/...``, ... with intervals."""
        flat: dict[str, float] = {}
        for name, table in (("score", self.scores), ("auc", self.aucs)):
            for row, figures in table.items():
                for criterion, figure in figures.items():
                    flat |= figure.flat(f"{name}/{row}/{criterion}")
        for criterion, found in self.self_agreement.items():
            flat |= found.flat(f"self_agreement/{criterion}")
        for criterion, (judge, people) in self.people.items():
            flat |= judge.flat(f"people/judge/{criterion}") | people.flat(f"people/each_other/{criterion}")
        for criterion, told in self.truth.items():
            flat |= told.flat(f"truth/{criterion}")
        for (first, second), preferred in self.preferences.items():
            flat |= preferred.flat(f"preference/{first}_over_{second}")
        return flat

    def sheets(self) -> list[Sheet]:
        """The tables; those of what was not asked are left out."""
        criteria = {name: name for name in self.self_agreement}
        sheets = [Sheet("scores", "Scores (1 to 5)", criteria, _lines(self.scores))]
        if self.aucs:
            title = "Right advice above the same with one thing wrong: AUC (0.5: not told apart)"
            sheets.append(Sheet("auc", title, criteria, _lines(self.aucs)))
        trust = {"draw against draw": self.self_agreement}
        if self.people:
            trust["judge against person"] = {c: pair[0] for c, pair in self.people.items()}
            trust["person against person"] = {c: pair[1] for c, pair in self.people.items()}
        lines = [
            Line(f"{name}, {what}", {c: alone(getattr(found, key)) for c, found in values.items()})
            for name, values in trust.items()
            for key, what in (("kappa", "weighted kappa"), ("spearman", "Spearman"), ("same", "same"))
            if any(found.pairs for found in values.values())
        ]
        if lines:
            sheets.append(Sheet("agreement", "Agreement", criteria, lines))
        if any(preferred.wins.items for preferred in self.preferences.values()):
            columns = {
                "wins": "wins",
                "ties": "ties",
                "consistent": "same in both orders",
                "first_place": "first place",
            }
            lines = [Line(words(f"{a} over {b}"), found.cells) for (a, b), found in self.preferences.items()]
            sheets.append(Sheet("preferences", "Preferences", columns, lines))
        return sheets


def sum_up(
    cases: Sequence[Case],
    answered: Sequence[tuple[Question, Result]],
    criteria: Sequence[str],
    ratings: Sequence[Rating],
    resamples: int,
    seed: int,
) -> Verdicts:
    """Sum up all answers; a missing one counts nowhere but among the missing.

    Args:
        ratings: of people; empty where there are none.
    """
    figures = Figures([case.song for case in cases], resamples, seed)
    table = _score_table(cases, answered, criteria)
    means = {subject: {c: _mean_draw(draws) for c, draws in rows.items()} for subject, rows in table.items()}
    right = means.get(RIGHT, {})
    controls = [subject for first, subject in _pairs(cases) if first == RIGHT]
    return Verdicts(
        scores={name: {c: figures.mean(values) for c, values in rows.items()} for name, rows in means.items()},
        aucs={name: {c: figures.auc(right[c], means[name][c]) for c in criteria} for name in controls},
        self_agreement={c: between_draws(np.concatenate([rows[c] for rows in table.values()])) for c in criteria},
        people={c: with_people(_judged(cases, means, c), ratings, c) for c in criteria} if ratings else {},
        preferences={pair: _preferred(cases, answered, pair, figures) for pair in _pairs(cases)},
        truth={c: against_truth(cases, {name: rows[c] for name, rows in means.items()}) for c in criteria},
    )


def records(answered: Sequence[tuple[Question, Result]]) -> list[dict[str, Any]]:
    """One record a question: what was asked and what was answered, or why nothing was."""
    rows = []
    for question, result in answered:
        shown = {"subject": question.subjects[0]}
        if question.form is Preference:
            shown = {"first": question.subjects[0], "second": question.subjects[1]}
        value = None if result.value is None else result.value.model_dump()
        asked = {"draw": question.draw, "asked": question.digest}
        rows.append({"item": question.item, **shown, **asked, "answer": value, "missing": result.missing})
    return rows


def _pairs(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """The pairs of subjects that were compared on any item, each once."""
    return list(dict.fromkeys(pair for case in cases for pair in compared(case.texts)))


def _score_table(
    cases: Sequence[Case], answered: Sequence[tuple[Question, Result]], criteria: Sequence[str]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Scores by subject and criterion, shape (items, draws), NaN where missing."""
    places = {case.item: index for index, case in enumerate(cases)}
    ratings = [(question, result) for question, result in answered if question.form is not Preference]
    draws = 1 + max((question.draw for question, _ in ratings), default=0)
    subjects = dict.fromkeys(subject for case in cases for subject in case.texts)
    table = {s: {c: np.full((len(cases), draws), np.nan) for c in criteria} for s in subjects}
    for question, result in ratings:
        for criterion in criteria if result.value is not None else ():
            score = getattr(result.value, criterion)
            table[question.subjects[0]][criterion][places[question.item], question.draw] = score
    return table


def _mean_draw(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the draws that there are, shape (items,)."""
    return np.array([mean_outcome(draws) for draws in scores])


def _judged(
    cases: Sequence[Case], means: Mapping[str, Mapping[str, NDArray[np.float64]]], criterion: str
) -> dict[tuple[str, str], float]:
    return {
        (case.item, subject): float(rows[criterion][index])
        for subject, rows in means.items()
        for index, case in enumerate(cases)
        if np.isfinite(rows[criterion][index])
    }


def _preferred(
    cases: Sequence[Case], answered: Sequence[tuple[Question, Result]], pair: tuple[str, str], figures: Figures
) -> Preferred:
    places = {case.item: index for index, case in enumerate(cases)}
    given: dict[tuple[str, int], dict[str, str]] = {}
    for question, result in answered:
        if isinstance(result.value, Preference) and set(question.subjects) == set(pair):
            given.setdefault((question.item, question.draw), {})[question.subjects[0]] = result.value.better
    # A draw counts where both orders were answered; whoever is shown first is told by the key.
    both = {key: shown for key, shown in given.items() if len(shown) == 2}
    draws: list[list[float]] = [[] for _ in cases]
    for (item, _), shown in both.items():
        wins = (_share(shown[pair[0]]) + 1.0 - _share(shown[pair[1]])) / 2
        draws[places[item]].append(wins)
    values = np.array([np.mean(of_item) if of_item else np.nan for of_item in draws])
    preferences = [better for shown in both.values() for better in shown.values() if better != "tie"]
    same = [_share(shown[pair[0]]) == 1.0 - _share(shown[pair[1]]) for shown in both.values()]
    ties = [set(shown.values()) == {"tie"} for shown in both.values()]
    tied, consistent = (float(np.mean(part)) if both else np.nan for part in (ties, same))
    first = preferences.count("first") / len(preferences) if preferences else np.nan
    return Preferred(figures.mean(values), tied, consistent, first)


def _share(better: str) -> float:
    """What a preference gives to the text shown first."""
    return {"first": 1.0, "second": 0.0, "tie": 0.5}[better]


def _lines(rows: Mapping[str, Mapping[str, Figure]]) -> list[Line]:
    return [Line(words(row), {name: figure.cell for name, figure in found.items()}) for row, found in rows.items()]
