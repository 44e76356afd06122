"""Room hub: the schema of the configuration of publishing; imports nothing heavy."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, field_validator

from mixlab.config import check
from mixlab.config_groups import PositiveCount, Schema

_REPO = re.compile(r"^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?/[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$")

What = Literal["model", "dataset", "space"]


class PublishSchema(Schema):
    """The whole configuration of `python -m mixlab.publish`."""

    checkpoint: str
    what: list[What] = Field(min_length=1)
    repo: str
    out: str
    dry_run: bool
    private: bool
    form: Literal["adapter", "merged"]
    base_model: str | None
    base_revision: str | None
    base_licence: str | None
    licence: str | None
    exported: str | None
    train_items: PositiveCount
    cache: str | None
    commit_message: Annotated[str, Field(min_length=1)]

    @field_validator("what", mode="before")
    @classmethod
    def _one_thing_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("what")
    @classmethod
    def _names_each_once(cls, value: list[What]) -> list[What]:
        if len(set(value)) != len(value):
            raise ValueError("it names a thing twice; name each of model, dataset and space once at most")
        return value

    @field_validator("repo")
    @classmethod
    def _is_a_repository(cls, value: str) -> str:
        if not _REPO.match(value) or ".." in value or "--" in value or len(value) > 96 or value.endswith(".git"):
            raise ValueError(
                "it is no name of a repository on the Hub; write user/name, of letters, digits, '-', '_' and '.'"
            )
        return value


def settings(cfg: DictConfig) -> PublishSchema:
    """The checked configuration.

    Raises:
        ConfigError: naming the first key that is missing or wrong.
    """
    config = OmegaConf.to_container(cfg, resolve=True)
    check(config, PublishSchema)  # type: ignore[arg-type]
    return PublishSchema.model_validate(config)
