"""Room hub: the typed configuration of `mixlab publish`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from mixlab.settings import FilePath, Many, PositiveCount, Settings, Spelled

_REPO = re.compile(r"^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?/[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$")


class What(StrEnum):
    """Kinds of repositories of the Hub."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"


class Form(StrEnum):
    """How a model is published."""

    ADAPTER = "adapter"
    MERGED = "merged"


class PublishSettings(Settings):
    """The whole configuration of `mixlab publish`."""

    checkpoint: FilePath
    what: Annotated[Many[Spelled[What]], Field(min_length=1)]
    repo: str
    out: FilePath
    dry_run: bool
    private: bool
    form: Spelled[Form]
    base_model: str | None
    base_revision: str | None
    base_licence: str | None
    licence: str | None
    exported: FilePath | None
    train_items: PositiveCount
    cache: FilePath | None
    commit_message: Annotated[str, Field(min_length=1)]

    @field_validator("what", mode="before")
    @classmethod
    def _one_thing_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("what")
    @classmethod
    def _names_each_once(cls, value: tuple[What, ...]) -> tuple[What, ...]:
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
