"""Room baselines: baselines that do not listen: chance, constant answers, and a reader of the text alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

from mixlab.baselines.base import (
    AnswerClass,
    Baseline,
    Facts,
    ListenedItem,
    gains_by_class,
    most_frequent,
    require_items,
    right_class,
    rounded_gain,
)
from mixlab.language.advice import Advice, Verdict
from mixlab.synthesis.problem import Problem


class Chance(Baseline):
    """Any class with equal probability, by magnitudes drawn from the training errors.

    With one error at a time there are 2 x candidates + 1 classes; where training items need up to n moves, all answers
    with up to n moves are classes.
    """

    name = "chance"
    label = "chance"

    def __init__(self, rounding_db: float = 1.0, seed: int = 0, targets: Sequence[str] = ()) -> None:
        super().__init__(rounding_db)
        self.seed = seed
        self.targets = targets
        """The only stems that may be at fault; empty for all."""
        self._magnitudes_db: np.ndarray | None = None
        self._most_moves = 1

    @classmethod
    def of(cls, facts: Facts) -> Chance:
        return cls(facts.rounding_db, facts.seed, (facts.error.targets or ()) if facts.error is not None else ())

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        needed_db = [item.problem.needed_gains_db for item in train_items]
        magnitudes_db = [abs(gain_db) for gains_db in needed_db for gain_db in gains_db.values()]
        self._magnitudes_db = np.array(magnitudes_db or [1.0])
        self._most_moves = max(1, *(len(gains_db) for gains_db in needed_db))

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        return [self._advise(item.problem) for item in items]

    def _advise(self, problem: Problem) -> Advice:
        if self._magnitudes_db is None:
            raise RuntimeError("fit the baseline before it advises")
        # An item's draw depends on the item alone, never on what else is evaluated.
        rng = np.random.default_rng([self.seed, zlib.crc32(problem.item_id.encode())])
        candidates = [stem for stem in problem.candidates if not self.targets or stem in self.targets]
        answers = [
            tuple(zip(stems, signs, strict=True))
            for moves in range(1, min(self._most_moves, len(candidates)) + 1)
            for stems in combinations(candidates, moves)
            for signs in product((-1.0, 1.0), repeat=moves)
        ]
        answer = [*answers, ()][int(rng.integers(len(answers) + 1))]
        return Advice(tuple(self.move(stem, sign * float(rng.choice(self._magnitudes_db))) for stem, sign in answer))


class MostCommon(Baseline):
    """The most frequent class of the training items, by the median of its gains, whatever the item."""

    name = "most_common"
    label = "most common"

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._answer: Advice | None = None

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        gains = gains_by_class(train_items)
        best = most_frequent([right_class(item.problem) for item in train_items])
        self._answer = self.answer(best, np.median(gains[best], axis=0))

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._answer is None:
            raise RuntimeError("fit the baseline before it advises")
        return [self._answer] * len(items)


class BestConstant(MostCommon):
    """The constant answer with the highest joint accuracy on the training items, ties broken by the error in dB.

    Where "balanced" is the most frequent class it answers that, as `MostCommon` does. `figures` adds the best constant
    magnitude, for a listener who knows stem and direction and only guesses how much.
    """

    name = "best_constant"
    label = "best constant"

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._figures: dict[str, float] = {}

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        gains = gains_by_class(train_items)

        def rank(answer: AnswerClass) -> tuple[int, float]:
            # Half a class's gains lie beyond its median, so the median is its best constant gain; every other item
            # pays its full error whatever the constant says about another stem.
            saved = np.abs(gains[answer]) - np.abs(gains[answer] - np.median(gains[answer], axis=0))
            return -len(gains[answer]), -float(saved.sum())

        best = min(gains, key=rank)
        self._answer = self.answer(best, np.median(gains[best], axis=0))
        faulty = np.abs(np.concatenate([found.ravel() for found in gains.values()]))
        if faulty.size:
            magnitude_db = rounded_gain(float(np.median(faulty)), self.rounding_db)
            self._figures = {
                "magnitude_db": magnitude_db,
                "known_direction_mae_db": float(np.abs(faulty - magnitude_db).mean()),
            }

    def figures(self) -> dict[str, float]:
        return dict(self._figures)


class TextOnly(Baseline):
    """A reader who never listens: the most frequent training class given what the user said.

    It sees the claim, and without one whether there was a question; whether a claim is right it cannot see, so it knows
    the prompt category only as far as the words show it. It confirms a kind of claim that was right more often than
    claims are on average, which is the best that text can do for a balanced accuracy.
    """

    name = "text_only"
    label = "text alone"
    reads_claims = True

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._answers: dict[tuple[str, ...], Advice] = {}
        self._fallback: Advice | None = None

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        by_words: dict[tuple[str, ...], list[ListenedItem]] = {}
        for item in train_items:
            by_words.setdefault(self._words(item.problem), []).append(item)
        claiming = [item for item in train_items if item.problem.claim is not None]
        right_share = _right_share(claiming) if claiming else 0.0
        self._answers = {words: self._best(items, right_share) for words, items in by_words.items()}
        # A kind of claim that training never had is answered as claims are on average.
        self._fallback = self._best(claiming or train_items, right_share)

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._fallback is None:
            raise RuntimeError("fit the baseline before it advises")
        return [self._answers.get(self._words(item.problem), self._fallback) for item in items]

    def _best(self, items: Sequence[ListenedItem], right_share: float) -> Advice:
        best = most_frequent([right_class(item.problem) for item in items])
        advice = self.answer(best, np.median(gains_by_class(items)[best], axis=0))
        if any(item.problem.claim is None for item in items):
            return advice
        confirms = _right_share(items) >= right_share
        return Advice(advice.moves, Verdict.CONFIRMED if confirms else Verdict.CORRECTED)

    @staticmethod
    def _words(problem: Problem) -> tuple[str, ...]:
        claim = problem.claim
        return ("no claim", str(problem.prompt_category)) if claim is None else (str(claim.state), claim.stem or "")


def _right_share(items: Sequence[ListenedItem]) -> float:
    """The share of right claims among items that all have one."""
    return float(np.mean([item.problem.claim is not None and item.problem.holds(item.problem.claim) for item in items]))
