"""Room evaluation: what all probes share: who is asked, which items, and how answers are told apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mixlab.errors import ConfigError
from mixlab.language.advice import Advice, Direction
from mixlab.registry import Registry
from mixlab.runs.settings import ProbesSettings
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.probe import Probe, probe_of
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import ErrorProtocol

Ask = Callable[[Sequence[Problem]], Sequence[Advice | None]]
"""Answers problems, in their order; None where an answer could not be read."""


def spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """At most `count` problems without a claim, evenly taken from all, so that they come from many songs."""
    free = [problem for problem in problems if problem.claim is None]
    places = np.linspace(0, len(free) - 1, min(count, len(free))).round().astype(int)
    return [free[place] for place in places.tolist()]


Class = frozenset[tuple[str, Direction]]


def answer_class(advice: Advice | None) -> Class | None:
    """What advice amounts to: the stems that it moves, each with its direction."""
    return None if advice is None else frozenset((move.stem, move.direction) for move in advice.moves)


def needed_class(problem: Problem) -> Class:
    """What the right advice amounts to."""
    return frozenset((stem, Direction.of(gain_db)) for stem, gain_db in problem.needed_gains_db.items())


def stays(answers: Sequence[Advice | None]) -> float:
    """1 if all answers can be read and amount to the same, else 0."""
    classes = {answer_class(answer) for answer in answers}
    return float(len(classes) == 1 and None not in classes)


def changes(first: Advice | None, other: Advice | None) -> float:
    """1 if two answers amount to different things; 0 also where neither can be read, which is the same twice."""
    return float(answer_class(first) != answer_class(other))


class LeftOut(Exception):
    """A probe cannot be asked; the sentence goes into the report."""


class Probing(Protocol):
    """What a probe may ask of the model and of the baselines beside it.

    Attributes:
        settings: of the probes.
        resamples: of the bootstrap over songs.
        heard: the model's answers to all items of the split.
        shuffled: its answers to other items' clips; None where all items are of one song.
        chosen: items without a claim, spread over the songs, of which variants are made.
        error: how the errors of the items are drawn.
        anchors: that the model was trained with; None where it can be asked with any.
    """

    settings: ProbesSettings
    resamples: int
    heard: Sequence[Prediction]
    shuffled: Sequence[Prediction] | None
    chosen: Sequence[Problem]
    error: ErrorProtocol
    anchors: Sequence[str] | None

    def model(self, problems: Sequence[Problem]) -> list[Advice | None]:
        """The model's advice on problems."""
        ...

    def constrained(self) -> Sequence[Prediction]:
        """The model's answers to all items, with everything barred that cannot be read back."""
        ...

    def baselines(self, names: Sequence[str] | None = None, reads_claims: bool | None = None) -> dict[str, Ask]:
        """Baselines by name: those of `names` that there are, or those that read claims."""
        ...


class ProbeKind(ABC):
    """A probe: a question that is asked of a model in a way that test items do not."""

    name: ClassVar[str]
    title: ClassVar[str]
    caption: ClassVar[str]
    varies: ClassVar[bool] = True
    """Whether it makes variants of items, which exported clips do not allow."""

    @abstractmethod
    def ask(self, probing: Probing) -> Probe:
        """Ask it.

        Raises:
            LeftOut: with the reason why it cannot be asked.
        """

    @classmethod
    def found(cls, songs: Sequence[str], figures: Mapping[str, Mapping[str, ArrayLike]], resamples: int) -> Probe:
        """The probe with its figures: method (the model's name is empty) -> figure -> a value for each item."""
        return probe_of(cls.name, cls.title, cls.caption, songs, figures, resamples)


PROBES: Registry[ProbeKind] = Registry(
    "probe",
    "mixlab.evaluation.probes.audio",
    "mixlab.evaluation.probes.claims",
    "mixlab.evaluation.probes.anchors",
    "mixlab.evaluation.probes.anchor_alone",
    "mixlab.evaluation.probes.wording",
)
"""Probes by name; one of one's own is added with ``PROBES.add(MyProbe())``."""


def check_probes(settings: ProbesSettings) -> None:
    """Raise ConfigError unless all probes that are asked for are registered."""
    try:
        PROBES.check(settings.which)
    except ValueError as reason:
        raise ConfigError(f"The key 'probes.which' is {list(settings.which)}: {reason}.") from None
