"""Room items: a bank of items gives problems and examples; whoever trains, evaluates or exports takes them from it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mixlab.items.settings import DataSettings, HeldoutSettings, ItemSettings
from mixlab.multitrack.segments import Segment, group_by_song, heard_together
from mixlab.multitrack.statistics import usual_balance
from mixlab.synthesis.anchor import fixed_anchor
from mixlab.synthesis.example import LAYOUTS, Example, Layout
from mixlab.synthesis.problem import BorrowedStem, Problem
from mixlab.synthesis.protocol import ErrorProtocol, LevelProtocol, ProblemProtocol, PromptProtocol, WrongClaims

log = logging.getLogger(__name__)


class TrainingProblems(Protocol):
    """Endless training problems, each a pure function of (seed, epoch, index)."""

    def problem(self, epoch: int, index: int) -> Problem:
        """The problem of a training example."""
        ...


class Examples(Protocol):
    """Makes problems audible and readable; small enough to travel to the processes that make examples."""

    def example(self, problem: Problem) -> Example:
        """The example of a problem."""
        ...


@dataclass(frozen=True)
class TrueBalance:
    """What songs deviate from and how far: typical loudness by genre and stem relative to the bass, and a deviation."""

    balance_db: Mapping[str, Mapping[str, float]]
    sigma_db: float


class ItemBank(ABC):
    """The items of a data set under one choice of protocols; needs neither a model nor Lightning.

    `setup` has to be called before anything is asked of it.

    Args:
        settings: all that decides the items.
        sample_rate: that the model hears, in Hz.
    """

    can_vary = True
    """Whether problems other than those it serves can be made audible, as probes need."""

    def __init__(self, settings: ItemSettings, sample_rate: int) -> None:
        self.settings, self.sample_rate = settings, sample_rate
        self.segments: dict[str, list[Segment]] = {}
        self.dropped: dict[str, dict[str, int]] = {}
        """For each split, how many songs and segments each gate dropped."""

    @property
    def data(self) -> DataSettings:
        return self.settings.data

    @property
    def heldout(self) -> HeldoutSettings:
        return self.settings.evaluation

    @property
    def inputs(self) -> Layout:
        """Which clips the model hears."""
        return LAYOUTS[self.settings.inputs.layout]

    @property
    def seed(self) -> int:
        """Of the training examples."""
        return self.settings.seed

    @property
    def cache_dir(self) -> Path:
        return Path(self.settings.paths.cache)

    @property
    def training_protocol(self) -> ProblemProtocol:
        """How training problems are drawn."""
        settings = self.settings
        return self._protocol(settings.error, settings.prompt, settings.data.level)

    @property
    def heldout_protocol(self) -> ProblemProtocol:
        """How the problems of validation and test are drawn."""
        asked = self.heldout
        return self._protocol(asked.error, asked.prompt, asked.level)

    def _protocol(self, error: ErrorProtocol, prompt: PromptProtocol, level: LevelProtocol) -> ProblemProtocol:
        asks_usual = prompt.wrong_claims is WrongClaims.PLAUSIBLE
        usual = usual_balance(self.segments.get("train", ())) if asks_usual else None
        return ProblemProtocol(self.settings.anchor.stem, error, prompt, level, usual)

    @property
    def needs(self) -> str:
        """What a segment must have, in words."""
        anchor = fixed_anchor(self.settings.anchor.stem)
        return "two active stems" if anchor is None else f"an active '{anchor}' and another active stem"

    @property
    @abstractmethod
    def roles(self) -> tuple[str, ...]:
        """The roles that stems of the data set can have, in their order."""

    @abstractmethod
    def prepare(self) -> None:
        """Do the long work that need be done once, such as bringing songs into the store."""

    @abstractmethod
    def setup(self) -> None:
        """List what there is.

        Raises:
            MixlabError: if nothing is left to train on, or a file does not hold what it should.
        """

    @abstractmethod
    def training(self) -> TrainingProblems:
        """The training problems by (epoch, index)."""

    @abstractmethod
    def problems(self, split: str) -> list[Problem]:
        """The held-out items of a split; empty if it has none."""

    @abstractmethod
    def tuning_problems(self, count: int) -> list[Problem]:
        """Problems on training songs, on which baselines are fitted."""

    @property
    @abstractmethod
    def examples(self) -> Examples:
        """What makes examples of held-out problems."""

    @property
    def training_examples(self) -> Examples:
        """What makes examples of training problems: with another bank of templates where that is asked for."""
        return self.examples

    @abstractmethod
    def song_lufs(self, problem: Problem) -> Mapping[str, float]:
        """Integrated loudness of the stems over the whole unmodified song, at the source's own rate."""

    @abstractmethod
    def true_balance(self) -> TrueBalance | None:
        """What the songs' balance was drawn from: known for demo songs, None for all others."""

    def notes(self) -> list[str]:
        """Sentences for the report on what sets these items apart."""
        return []

    def as_trained(self) -> ItemBank | None:
        """The same bank with held-out items whose errors and prompts are drawn as in training.

        Seed, segments, levels and gates stay those of the held-out items, so that an item differs in nothing else from
        that of its name.

        Returns:
            None where the held-out items are drawn in that way already, or where no others can be made audible.
        """
        return None

    def segment(self, place: Problem | BorrowedStem) -> Segment:
        """The segment of a problem, or that a stem is borrowed from, with the loudness of its unmodified stems."""
        return self._segment_of[place.song_id, place.start_s]

    def heard_at(self, problem: Problem, count: int) -> list[Problem]:
        """A problem at up to `count` segments of its mix, itself first (see `heard_together`).

        All have its errors, gains, stems and words: what is to be said of the mix is the same.
        """
        first = replace(self.segment(problem), stems=problem.stems)
        together = heard_together(first, self._segments_of_song.get(problem.song_id, []), count)
        return [replace(problem, start_s=segment.start_s) for segment in together]

    @cached_property
    def _segments_of_song(self) -> dict[str, list[Segment]]:
        return group_by_song([segment for found in self.segments.values() for segment in found])

    @cached_property
    def _segment_of(self) -> dict[tuple[str, float], Segment]:
        return {(segment.song_id, segment.start_s): segment for found in self.segments.values() for segment in found}
