"""Room baselines: what a baseline may know of an item, and what all baselines share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.timbre import timbre
from mixlab.language.advice import Advice, Claim, Direction, Move, Verdict
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import ErrorProtocol


@dataclass(frozen=True)
class ListenedItem:
    """An item with the measurements that baselines work from.

    Baselines other than the oracle read neither `problem.errors` nor `reference` when they advise.
    """

    problem: Problem
    reference: Advice
    """The right advice."""
    segment_lufs: Mapping[str, float]
    """BS.1770 loudness of each stem's clip as heard: gain errors and master gain included."""
    song_lufs: Mapping[str, float]
    """Integrated BS.1770 loudness of each stem over the whole unmodified song, at the source's own rate."""
    log_mel: NDArray[np.float32]
    """The features that the model hears, shape (clips, mels, frames), in the order of the clips."""
    clip_stems: tuple[tuple[str, ...], ...]
    """The stems that are summed in each clip, shape (clips,)."""
    source_lufs: Mapping[str, float] = field(default_factory=dict)
    """`segment_lufs` measured at the source's own rate and channels; empty where that is not known."""

    @cached_property  # every rival that hears the genre asks for it
    def timbres(self) -> NDArray[np.float64]:
        """The timbre of each clip, shape (clips, statistics); it does not tell how loud the clip is."""
        return np.array([timbre(clip.astype(np.float64)) for clip in self.log_mel])


def together(items: Sequence[ListenedItem]) -> ListenedItem:
    """One mix heard at several segments as one item: the first, with mean loudness and all frames one after another."""
    first = items[0]
    if len(items) == 1:
        return first
    return replace(
        first,
        segment_lufs=_mean_lufs([item.segment_lufs for item in items]),
        source_lufs=_mean_lufs([item.source_lufs for item in items]),
        log_mel=np.concatenate([item.log_mel for item in items], axis=2),
    )


def _mean_lufs(levels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stem: float(np.mean([of[stem] for of in levels])) for stem in levels[0] if all(stem in of for of in levels)}


class NotAvailable(Exception):
    """A baseline cannot be had for a data set; the sentence goes into the report."""


@dataclass(frozen=True)
class Facts:
    """What baselines may be told of a data set and of how its errors are drawn; never of an item.

    Attributes:
        error: how errors are drawn; None where it is not known.
        rounding_db: step of the advised gains.
        seed: of chance.
        balance_db: genre -> stem -> loudness relative to the bass; None where it is not known.
        sigma_db: deviation of songs from it; None where it is not known.
        right_claim_share: the probability that a claim is right.
        cache_dir: where trained baselines are kept; None keeps none.
    """

    error: ErrorProtocol | None = None
    rounding_db: float = 1.0
    seed: int = 0
    balance_db: Mapping[str, Mapping[str, float]] | None = None
    sigma_db: float | None = None
    right_claim_share: float = 0.5
    cache_dir: Path | None = None


AnswerClass = tuple[tuple[str, Direction], ...]
"""What joint accuracy tells apart: the stems to move, sorted by name, each with its direction; empty for balanced."""


class Baseline(ABC):
    """A method without a language model. It is fitted on items of training songs, then advises on any items."""

    name: ClassVar[str]
    """Its key in `BASELINES`, in metrics.json and in tables."""
    label: ClassVar[str]
    """What tables call it."""
    reads_claims: ClassVar[bool] = False
    """Whether it reads what the user says; if not, it has no score for claims."""
    told: ClassVar[str] = ""
    """What it is told of an item that a model cannot hear, such as "the genre"; empty where it knows no more."""

    def __init__(self, rounding_db: float = 1.0) -> None:
        self.rounding_db = rounding_db
        """Advised gains are rounded to multiples of this; 0 leaves them as they are."""

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """The baseline for a data set.

        Raises:
            NotAvailable: if the data set does not allow it.
        """
        return cls(facts.rounding_db)

    @abstractmethod
    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        """Learn and tune on items of training songs alone.

        Raises:
            ValueError: if there is nothing to learn from.
        """

    @abstractmethod
    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        """One advice per item, in order. Raises RuntimeError before `fit`."""

    def move(self, stem: str, gain_db: float) -> Move:
        """A move with a rounded gain."""
        return Move.of(stem, rounded_gain(gain_db, self.rounding_db))

    def answer(self, answer: AnswerClass, gains_db: Iterable[float]) -> Advice:
        """Advice of a class, by gains in dB whose signs agree with its directions."""
        return Advice(tuple(self.move(stem, gain_db) for (stem, _), gain_db in zip(answer, gains_db, strict=True)))

    def figures(self) -> dict[str, float]:
        """What fitting found, by name with units, for notes in a report; empty where there is nothing to say."""
        return {}


def rounded_gain(gain_db: float, rounding_db: float) -> float:
    """`gain_db` to the nearest multiple of `rounding_db`, at least one multiple, sign kept; as it is for 0."""
    if gain_db == 0:
        raise ValueError("a gain of 0 dB is no move")
    if rounding_db <= 0:
        return float(gain_db)
    return float(np.sign(gain_db) * max(1, round(abs(gain_db) / rounding_db)) * rounding_db)


def with_verdict(advice: Advice, claim: Claim | None) -> Advice:
    """The advice with its verdict on a claim: confirmed if the claim is what the advice says, else corrected."""
    return advice if claim is None else Advice(advice.moves, Verdict.of(claim.holds(advice.gains_db)))


def right_class(problem: Problem) -> AnswerClass:
    """The class of the right answer."""
    return tuple(sorted((stem, Direction.of(gain_db)) for stem, gain_db in problem.needed_gains_db.items()))


def gains_by_class(items: Sequence[ListenedItem]) -> dict[AnswerClass, NDArray[np.float64]]:
    """The needed gains in dB of the items of each class that occurs, shape (items, moves), sorted by class."""
    found: dict[AnswerClass, list[list[float]]] = {}
    for item in items:
        needed_db = item.problem.needed_gains_db
        found.setdefault(right_class(item.problem), []).append([needed_db[stem] for stem in sorted(needed_db)])
    return {answer: np.array(found[answer]) for answer in sorted(found)}


def most_frequent(classes: Sequence[AnswerClass]) -> AnswerClass:
    """The class that occurs most often; of equals, the first in order."""
    counts = Counter(classes)
    return min(counts, key=lambda answer: (-counts[answer], answer))


def require_items(items: Sequence[ListenedItem], name: str) -> None:
    """Raises ValueError if there are no training items."""
    if not items:
        raise ValueError(f"the baseline {name!r} needs training items, got none")


def predictions_of(items: Sequence[ListenedItem], advice: Sequence[Advice]) -> list[Prediction]:
    """Predictions without words, for scoring; one per item.

    Raises:
        ValueError: if the numbers differ.
    """
    return [Prediction(item.problem, "", said) for item, said in zip(items, advice, strict=True)]
