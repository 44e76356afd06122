"""Room judging: schemas of the commands' configurations; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, Field, field_validator, model_validator

from mixlab.config import check
from mixlab.config_groups import Count, Positive, PositiveCount, Schema

OURS = ("model", "messages", "response_format", "stream", "n")
"""Parts of a request that the judge itself sets."""

Settings = TypeVar("Settings", bound=BaseModel)


class SimilaritySchema(Schema):
    """The whole configuration of `python -m mixlab.similarity`."""

    predictions: str | None
    annotations: str
    encoder: str | None
    stems: list[Annotated[str, Field(pattern=r"^\w+$")]] = Field(min_length=2)
    resamples: PositiveCount
    seed: Count
    outputs: str


class CriterionSchema(Schema):
    question: str
    points: dict[int, str]

    @field_validator("points")
    @classmethod
    def _has_five(cls, points: dict[int, str]) -> dict[int, str]:
        if sorted(points) != [1, 2, 3, 4, 5]:
            raise ValueError(f"it has words for {sorted(points)}; word each of 1, 2, 3, 4 and 5")
        return points


class RubricSchema(Schema):
    """What is judged: the judge's task, and each criterion's question and the words of its scale."""

    task: str
    criteria: dict[Annotated[str, Field(pattern=r"^[a-z_]+$")], CriterionSchema] = Field(min_length=1)

    @field_validator("criteria")
    @classmethod
    def _no_reason(cls, criteria: dict[str, CriterionSchema]) -> dict[str, CriterionSchema]:
        if "reason" in criteria:
            raise ValueError("'reason' is a field of every answer; give the criterion another name")
        return criteria


class PriceSchema(Schema):
    input: Annotated[float, Field(ge=0.0)] | None
    output: Annotated[float, Field(ge=0.0)] | None


class JudgeSchema(Schema):
    """The whole configuration of `python -m mixlab.judge`."""

    rubric: RubricSchema
    predictions: str
    endpoint: str
    model: Annotated[str, Field(min_length=1)]
    opponent: str | None
    ratings: str | None
    items: PositiveCount | None
    controls: list[Literal["wrong_stem", "wrong_direction", "wrong_size"]]
    draws: PositiveCount
    attempts: PositiveCount
    request: dict[str, Any]
    response_format: Literal["json_schema", "json_object", "none"]
    concurrency: PositiveCount
    requests_per_minute: Positive | None
    retries: Count
    timeout_s: Positive
    give_up_after: PositiveCount
    price: PriceSchema
    api_key_variable: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
    dry_run: bool
    seed: Count
    resamples: PositiveCount
    cache: str
    outputs: str

    @field_validator("endpoint")
    @classmethod
    def _is_a_plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is no URL; give the server's base URL, as in http://127.0.0.1:8000/v1")
        return value.rstrip("/")

    @field_validator("request")
    @classmethod
    def _leaves_what_is_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := [key for key in OURS if key in value]:
            raise ValueError(f"the judge sets '{taken[0]}' by itself; leave it out")
        return value

    @model_validator(mode="after")
    def _draws_differ(self) -> JudgeSchema:
        if self.draws > 1 and self.request.get("temperature") == 0:
            raise ValueError("request.temperature is 0, so that all draws are alike; raise it, or set draws=1")
        return self


def similarity_settings(cfg: DictConfig) -> SimilaritySchema:
    """The checked configuration of `python -m mixlab.similarity`.

    Raises:
        ConfigError: naming the first key that is missing or wrong.
    """
    return _settings(cfg, SimilaritySchema)


def judge_settings(cfg: DictConfig) -> JudgeSchema:
    """The checked configuration of `python -m mixlab.judge`.

    Raises:
        ConfigError: naming the first key that is missing or wrong, but never what an endpoint with a password says.
    """
    endpoint = None if OmegaConf.is_missing(cfg, "endpoint") else cfg.endpoint
    if (
        isinstance(endpoint, str)
        and (parts := urlsplit(endpoint))
        and (parts.password or parts.username or parts.query)
    ):
        from mixlab.errors import ConfigError

        raise ConfigError(
            "The key 'endpoint' holds a user name, password or query, which would be written to logs; leave it out, "
            "and put the server's key into the environment variable that api_key_variable names."
        )
    return _settings(cfg, JudgeSchema)


def _settings(cfg: DictConfig, schema: type[Settings]) -> Settings:
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    check(config, schema)
    return schema.model_validate(config)
