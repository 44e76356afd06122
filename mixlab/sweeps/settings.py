"""Room sweeps: the typed configuration of a search."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from mixlab.registry import Choice
from mixlab.runs.settings import TrainSettings
from mixlab.settings import Name, PositiveCount, Seed, Settings, Workers


class Place(Settings):
    """Where a setting may lie: between two numbers, or one of some choices."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: list[Any] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Place:
        numbers = (self.low, self.high)
        if (self.choices is None) == (None in numbers) or (self.choices is not None and numbers != (None, None)):
            raise ValueError("give either low and high, or choices")
        if self.low is not None and self.high is not None and (self.low > self.high or (self.log and self.low <= 0)):
            raise ValueError("low is above high, or not above 0 with log; correct it")
        return self


class SearchGroup(Settings):
    """The group `search`: what is tried, where it is kept, and for how long."""

    study: Name
    storage: str | None
    trials: PositiveCount
    workers: Annotated[Workers, Field(ge=1)]
    seed: Seed
    sampler: Choice
    pruner: Choice
    space: dict[str, Place] = Field(min_length=1)


class SearchSettings(TrainSettings):
    """The whole configuration of `mixlab search`."""

    search: SearchGroup
