"""Floor of the entry points: the typed schema of a search's configuration."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from mixlab.config import TrainSchema
from mixlab.config_groups import Count, PositiveCount, Schema, Target


class PlaceSchema(Schema):
    """Where a setting may lie: between two numbers, or one of some choices."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: list[Any] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> PlaceSchema:
        numbers = (self.low, self.high)
        if (self.choices is None) == (None in numbers) or (self.choices is not None and numbers != (None, None)):
            raise ValueError("give either low and high, or choices")
        if self.low is not None and self.high is not None and (self.low > self.high or (self.log and self.low <= 0)):
            raise ValueError("low is above high, or not above 0 with log; correct it")
        return self


class SearchSettings(Schema):
    study: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    storage: str | None
    trials: PositiveCount
    workers: PositiveCount
    seed: Count
    sampler: Target
    pruner: Target
    space: dict[str, PlaceSchema] = Field(min_length=1)


class SearchSchema(TrainSchema):
    """The whole configuration of `python -m mixlab.search`."""

    search: SearchSettings
