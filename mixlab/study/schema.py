"""Room study: schemas of the commands' configurations; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, Field, field_validator, model_validator

from mixlab.config import check
from mixlab.config_groups import Count, Positive, PositiveCount, Schema

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Words = Annotated[str, Field(min_length=1)]
Settings = TypeVar("Settings", bound=BaseModel)

POINTS = (1, 2, 3, 4, 5)
"""The points of every scale."""


class CriterionSchema(Schema):
    """A scale: its question, its points in words, and whether it is rated by the advice alone or after hearing it."""

    when: Literal["advice", "after"]
    question: Words
    points: dict[int, Words]

    @field_validator("points")
    @classmethod
    def _has_five(cls, points: dict[int, str]) -> dict[int, str]:
        if sorted(points) != list(POINTS):
            raise ValueError(f"it has words for {sorted(points)}; word each of 1, 2, 3, 4 and 5")
        return points


class BackgroundSchema(Schema):
    """A question about the participant."""

    kind: Literal["number", "choice", "choices"]
    question: Words
    options: list[Words] = Field(default_factory=list)
    low: int = 0
    high: int = 100

    @model_validator(mode="after")
    def _has_options(self) -> BackgroundSchema:
        if (self.kind != "number") != bool(self.options):
            raise ValueError("a choice needs options, and a number has none")
        return self


class SessionSchema(Schema):
    """What one participant does, beside training: how many trials of each kind."""

    trials: PositiveCount
    repeats: Count
    instructed: list[Annotated[int, Field(ge=1, le=5)]]
    pairs: Count
    minutes: Words


class HeadphonesSchema(Schema):
    trials: PositiveCount
    pass_at: PositiveCount


class QuotaSchema(Schema):
    """The most participants, altogether and by playback; null: as many as there are invitations."""

    participants: PositiveCount | None
    headphones: Count | None
    loudspeakers: Count | None


class InstrumentSchema(Schema):
    """All that participants are asked, in words."""

    title: Words
    task: Words
    criteria: dict[Name, CriterionSchema] = Field(min_length=1)
    background: dict[Name, BackgroundSchema]
    comment: Words
    annotation: Words
    preference: Words
    instructed: Words
    session: SessionSchema
    headphones: HeadphonesSchema
    quota: QuotaSchema
    codes: dict[Name, Words]


class BuildSchema(Schema):
    """The whole configuration of `python -m mixlab.study build`."""

    instrument: InstrumentSchema
    mode: Literal["rate", "annotate"]
    runs: dict[Name, str]
    human: str | None
    controls: list[Literal["do_nothing", "low_anchor", "original"]]
    dataset: dict[str, Any] | None
    items: PositiveCount
    target_lufs: Annotated[float, Field(ge=-60.0, le=-10.0)]
    seed: Count
    out: Words

    @model_validator(mode="after")
    def _has_a_run(self) -> BuildSchema:
        if not self.runs:
            raise ValueError("runs is empty; name at least one evaluated run, as in runs={fine_tuned: outputs/...}")
        if taken := {"human", "do_nothing", "low_anchor", "original"} & set(self.runs):
            raise ValueError(f"'{min(taken)}' is made by the study itself; give the run another name")
        return self


class FolderSchema(Schema):
    """Where a study lies and where its answers go."""

    study: Words
    database: str | None


class ServeSchema(FolderSchema):
    """The whole configuration of `python -m mixlab.study serve`."""

    host: Words
    port: Annotated[int, Field(ge=0, le=65535)]
    password_variable: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
    monitor_attempts_per_minute: PositiveCount
    connections_per_address: PositiveCount
    behind_proxy: bool | str
    backup_minutes: Positive | None
    simulated: bool


class InviteSchema(FolderSchema):
    """The whole configuration of `python -m mixlab.study invite`."""

    count: PositiveCount
    address: str


class BackupSchema(FolderSchema):
    """The whole configuration of `python -m mixlab.study backup`."""

    out: str | None


class ExportSchema(FolderSchema):
    """The whole configuration of `python -m mixlab.study export`."""

    out: Words


def settings(cfg: DictConfig, schema: type[Settings]) -> Settings:
    """The checked configuration of a command.

    Raises:
        ConfigError: naming the first key that is missing or wrong.
    """
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    check(config, schema)
    return schema.model_validate(config)
