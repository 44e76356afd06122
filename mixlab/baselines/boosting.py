"""Room baselines: gradient boosting of trees on loudness and timbre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import AnswerClass, Baseline, ListenedItem, require_items, right_class, with_verdict
from mixlab.baselines.decision import true_errors_db
from mixlab.baselines.slots import Slots
from mixlab.language.advice import Advice, Direction, State

TREES = {"max_iter": 60, "max_leaf_nodes": 12, "min_samples_leaf": 10, "random_state": 0}
"""Of scikit-learn's histogram boosting, which is fitted to 3000 items in seconds."""


class Boosting(Baseline):
    """Gradient boosting (Friedman 2001) of the answer's class, and of the size of each stem's error.

    It hears the loudness of every stem relative to the anchor and level-free timbre of every clip, and is told which
    stem is the anchor and what the user claims. The histogram-based trees are those of scikit-learn.
    """

    name = "boosting"
    label = "gradient boosting"
    reads_claims = True

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._slots: Slots | None = None
        self._stems: list[str] = []
        self._classes: list[AnswerClass] = []
        self._classifier: Any = None
        self._sizes_db: dict[str, tuple[Any, float]] = {}

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        # scikit-learn takes about a second to import, which no `--help` should wait for.
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        require_items(train_items, self.name)
        problems = [item.problem for item in train_items]
        self._slots = Slots(train_items)
        self._stems = sorted({stem for problem in problems for stem in problem.stems})
        table, answers = self._table(train_items), [right_class(problem) for problem in problems]
        self._classes = sorted(set(answers))
        self._classifier = None
        if len(self._classes) > 1:
            codes = [self._classes.index(answer) for answer in answers]
            self._classifier = HistGradientBoostingClassifier(**TREES, early_stopping=False).fit(table, codes)
        errors_db = np.abs(true_errors_db(problems, self._stems))
        self._sizes_db = {}
        for stem, column in zip(self._stems, errors_db.T, strict=True):
            if column.any():
                trees = HistGradientBoostingRegressor(**TREES, loss="absolute_error")
                self._sizes_db[stem] = trees.fit(table[column > 0], column[column > 0]), float(column[column > 0].min())

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._slots is None:
            raise RuntimeError("fit the baseline before it advises")
        if not items:
            return []
        table = self._table(items)
        sizes_db = {s: np.maximum(trees.predict(table), least) for s, (trees, least) in self._sizes_db.items()}
        return [
            with_verdict(
                self.answer(
                    answer,
                    [(1.0 if move is Direction.RAISE else -1.0) * float(sizes_db[stem][row]) for stem, move in answer],
                ),
                item.problem.claim,
            )
            for row, (item, answer) in enumerate(zip(items, self._answers(table, items), strict=True))
        ]

    def _answers(self, table: NDArray[np.float64], items: Sequence[ListenedItem]) -> list[AnswerClass]:
        """The most probable class of each item among those that move its candidates alone."""
        trees = self._classifier
        probabilities = np.ones((len(items), 1)) if trees is None else trees.predict_proba(table)
        possible = np.array(
            [[all(stem in item.problem.candidates for stem, _ in answer) for answer in self._classes] for item in items]
        )
        best = np.argmax(np.where(possible, probabilities, -1.0), axis=1)
        return [self._classes[code] if row[code] else () for code, row in zip(best, possible, strict=True)]

    def _table(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """What trees are told of each item, shape (items, columns); NaN where a stem or clip is missing."""
        assert self._slots is not None
        timbres = self._slots.table(items).reshape(len(items), -1)
        rows = []
        for item in items:
            problem, claim = item.problem, item.problem.claim
            level = item.segment_lufs.get(problem.anchor, np.nan)
            relative_db = [item.segment_lufs.get(stem, np.nan) - level for stem in self._stems]
            claimed = [0.0 if claim is None or claim.stem != stem else _sign(claim.state) for stem in self._stems]
            balanced = float(claim is not None and claim.stem is None)
            rows.append([*relative_db, *claimed, balanced, float(self._stems.index(problem.anchor))
                         if problem.anchor in self._stems else np.nan])  # fmt: skip
        told = np.array(rows)
        return np.concatenate([np.where(np.isfinite(told), told, np.nan), timbres], axis=1)


def _sign(state: State) -> float:
    return 1.0 if state is State.TOO_LOUD else -1.0
