"""The groups of the study's configurations; imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from mixlab.registry import Choice
from mixlab.settings import LONGEST_NAME, Count, FilePath, Many, Positive, PositiveCount, Seed, Settings, Share, Spelled

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
Words = Annotated[str, Field(min_length=1)]
Sd = Annotated[float, Field(ge=0.0, le=5.0)]
LogOdds = Annotated[float, Field(ge=-10.0, le=10.0)]

POINTS = (1, 2, 3, 4, 5)
"""The points of every scale."""


class When(StrEnum):
    """When a scale is rated: by the advice alone, or once the mix after it can be heard."""

    ADVICE = "advice"
    AFTER = "after"


class Criterion(Settings):
    """A scale: its question, its points in words, and when it is rated."""

    when: Spelled[When]
    question: Words
    points: dict[int, Words]

    @field_validator("points")
    @classmethod
    def _has_five(cls, points: dict[int, str]) -> dict[int, str]:
        if sorted(points) != list(POINTS):
            raise ValueError(f"it has words for {sorted(points)}; word each of 1, 2, 3, 4 and 5")
        return points


class AnswerKind(StrEnum):
    """What a question about the participant wants."""

    NUMBER = "number"
    CHOICE = "choice"
    CHOICES = "choices"


class Background(Settings):
    """A question about the participant."""

    kind: Spelled[AnswerKind]
    question: Words
    options: Many[Words] = ()
    low: int = 0
    high: int = 100

    @model_validator(mode="after")
    def _has_options(self) -> Background:
        if (self.kind is not AnswerKind.NUMBER) != bool(self.options):
            raise ValueError("a choice needs options, and a number has none")
        return self


class Session(Settings):
    """What one participant does, beside training: how many trials of each kind."""

    trials: PositiveCount
    repeats: Count
    instructed: Many[Annotated[int, Field(ge=1, le=5)]]
    pairs: Count
    minutes: Words


class Headphones(Settings):
    """The headphone check: its trials, and how many of them have to be right."""

    trials: PositiveCount
    pass_at: PositiveCount


class Quota(Settings):
    """The most participants, altogether and by playback; None: as many as there are invitations."""

    participants: PositiveCount | None
    headphones: Count | None
    loudspeakers: Count | None


class Instrument(Settings):
    """The group `instrument`: all that participants are asked, in words."""

    title: Words
    task: Words
    criteria: dict[Name, Criterion] = Field(min_length=1)
    background: dict[Name, Background]
    comment: Words
    annotation: Words
    preference: Words
    instructed: Words
    session: Session
    headphones: Headphones
    quota: Quota
    codes: dict[Name, Words]


class Mode(StrEnum):
    """What participants do."""

    RATE = "rate"
    ANNOTATE = "annotate"


class StudyControl(StrEnum):
    """Systems that the study makes by itself."""

    DO_NOTHING = "do_nothing"
    LOW_ANCHOR = "low_anchor"
    ORIGINAL = "original"


class Kind(StrEnum):
    """Models of ratings."""

    CLMM = "clmm"
    LINEAR = "linear"


class Rules(Settings):
    """The preregistered rules by which participants are left out.

    Attributes:
        instructed_most_wrong: instructed items that may be missed; an item is missed where any of its points is another
            than the one asked for.
        repeat_chance: a participant is left out whose hidden repeats lie so far from the first answers that points
            drawn by chance would lie nearer with at least this probability; None: nobody is.
        repeat_fewest: repeated trials below which nobody is judged by them.
    """

    instructed_most_wrong: Count
    repeat_chance: Annotated[float, Field(ge=0.5, le=1.0)] | None
    repeat_fewest: PositiveCount


class Plan(Settings):
    """The group `plan`: what is fixed before anybody takes part."""

    primary: Name
    pair: Annotated[Many[Name], Field(min_length=2, max_length=2)]
    model: Literal["auto"] | Spelled[Kind]
    exclusions: Rules

    @field_validator("pair")
    @classmethod
    def _differ(cls, pair: tuple[str, ...]) -> tuple[str, ...]:
        if pair[0] == pair[1]:
            raise ValueError(f"it names '{pair[0]}' twice; name the two systems whose difference is the hypothesis")
        return pair


class Fitting(Settings):
    """The group `fitting`: how figures are computed."""

    resamples: PositiveCount
    permutations: PositiveCount
    timeout_s: Positive
    seed: Seed


class Latent(Settings):
    """The group `truth`: how simulated raters answer, on a latent scale of log odds.

    Attributes:
        thresholds: where the scale is cut into points, ascending.
        rater_sd, item_sd, advice_sd, taste_sd: standard deviations of the random effects.
        view_share: of the noise's variance, how much comes back where the same is asked again.
    """

    thresholds: Annotated[Many[LogOdds], Field(min_length=4, max_length=4)]
    rater_sd: Sd
    item_sd: Sd
    advice_sd: Sd
    taste_sd: Sd
    view_share: Share

    @field_validator("thresholds")
    @classmethod
    def _ascend(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(thresholds)):
            raise ValueError(f"it holds {list(thresholds)}, which does not ascend; sort its four numbers")
        return thresholds


class Truth(Latent):
    """What is planted.

    Attributes:
        effects: criterion -> system -> effect in log odds.
        careless_share: of raters who answer by chance.
    """

    effects: dict[Name, dict[Name, LogOdds]] = Field(min_length=1)
    careless_share: Share = 0.0

    @property
    def systems(self) -> list[str]:
        """Those with an effect by the first criterion."""
        return list(next(iter(self.effects.values())))


class StudyPlace(Settings):
    """Where a study lies and where its answers go."""

    study: FilePath
    database: str | None


class BuildSettings(Settings):
    """The whole configuration of `mixlab study build`."""

    instrument: Instrument
    mode: Spelled[Mode]
    runs: dict[Name, FilePath]
    human: FilePath | None
    controls: Many[Spelled[StudyControl]]
    dataset: Choice | None
    items: PositiveCount
    target_lufs: Annotated[float, Field(ge=-60.0, le=-10.0)]
    seed: Seed
    out: FilePath

    @model_validator(mode="after")
    def _has_a_run(self) -> BuildSettings:
        if not self.runs:
            raise ValueError("runs is empty; name at least one evaluated run, as in runs={fine_tuned: outputs/...}")
        if taken := {"human", *StudyControl} & set(self.runs):
            raise ValueError(f"'{min(taken)}' is made by the study itself; give the run another name")
        return self
