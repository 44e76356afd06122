"""Room study: schemas of the commands that analyse, plan and rehearse; imports nothing heavy."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mixlab.config_groups import Count, Positive, PositiveCount, Schema, Share
from mixlab.study.schema import Name, Words

Sd = Annotated[float, Field(ge=0.0, le=5.0)]
LogOdds = Annotated[float, Field(ge=-10.0, le=10.0)]


class ExclusionsSchema(Schema):
    """Rules by which participants are left out."""

    instructed_most_wrong: Count
    repeat_chance: Annotated[float, Field(ge=0.5, le=1.0)] | None
    repeat_fewest: PositiveCount


class PlanSchema(Schema):
    """What is fixed before anybody takes part."""

    primary: Name
    pair: list[Name] = Field(min_length=2, max_length=2)
    model: Literal["auto", "clmm", "linear"]
    exclusions: ExclusionsSchema

    @field_validator("pair")
    @classmethod
    def _differ(cls, pair: list[str]) -> list[str]:
        if pair[0] == pair[1]:
            raise ValueError(f"it names '{pair[0]}' twice; name the two systems whose difference is the hypothesis")
        return pair


class FittingSchema(Schema):
    """How figures are computed."""

    resamples: PositiveCount
    permutations: PositiveCount
    timeout_s: Positive
    seed: Count


class AnalyseSchema(Schema):
    """The whole configuration of `python -m mixlab.study analyse`."""

    plan: PlanSchema
    fitting: FittingSchema
    data: Words
    runs: dict[Name, str]
    judge: dict[Name, str]
    out: str | None

    @field_validator("runs", "judge", mode="before")
    @classmethod
    def _none(cls, given: Any) -> Any:
        # The command line replaces null by names of its own, and nothing but null.
        return {} if given is None else given


class TruthSchema(Schema):
    """What simulated raters are given; all but the shares on the scale of log odds."""

    thresholds: list[LogOdds] = Field(min_length=4, max_length=4)
    rater_sd: Sd
    item_sd: Sd
    advice_sd: Sd
    taste_sd: Sd
    view_share: Share

    @field_validator("thresholds")
    @classmethod
    def _ascend(cls, thresholds: list[float]) -> list[float]:
        if any(low >= high for low, high in pairwise(thresholds)):
            raise ValueError(f"it holds {thresholds}, which does not ascend; sort its four numbers")
        return thresholds


class PowerSchema(Schema):
    """The whole configuration of `python -m mixlab.study power`."""

    plan: PlanSchema
    truth: TruthSchema
    effect: LogOdds
    systems: list[Name] = Field(min_length=2)
    raters: list[PositiveCount] = Field(min_length=1)
    items: list[PositiveCount] = Field(min_length=1)
    trials: PositiveCount
    repeats: Count
    instructed: Count
    criteria: PositiveCount
    studies: PositiveCount
    aim: Share
    timeout_s: Positive
    seed: Count
    out: str | None

    @model_validator(mode="after")
    def _fit_together(self) -> PowerSchema:
        if missing := [name for name in self.plan.pair if name not in self.systems]:
            raise ValueError(f"plan.pair names '{missing[0]}', which is not among systems; add it there")
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"systems holds {self.systems}; name each once")
        if self.trials > min(self.items):
            raise ValueError(f"trials is {self.trials} but items {min(self.items)}; a rater meets every item once")
        if self.trials < len(self.systems) or self.trials % len(self.systems):
            raise ValueError(f"trials is {self.trials}, no multiple of the {len(self.systems)} systems")
        if min(self.raters) < 3 or min(self.items) < 3:
            raise ValueError("no model can be fitted to fewer than 3 raters or items; raise raters or items")
        return self


class RehearseSchema(Schema):
    """The whole configuration of `python -m mixlab.study rehearse`."""

    plan: PlanSchema
    fitting: FittingSchema
    truth: TruthSchema
    study: Words
    database: str | None
    effects: dict[Name, dict[Name, LogOdds]] = Field(min_length=1)
    careless_share: Share
    raters: PositiveCount
    at_once: PositiveCount
    kills: Count
    kill_every_s: Positive
    seed: Count
    out: str | None
