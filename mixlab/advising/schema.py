"""Room advising: the schema of the command's configuration; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, field_validator

from mixlab.config import check
from mixlab.config_groups import PositiveCount, Schema
from mixlab.errors import ConfigError

_MANDATORY = {
    "checkpoint": "the run folder that python -m mixlab.train wrote",
    "anchor": "the file of the track that stays where it is",
    "tracks": "the files of the other tracks, as '[vocals.wav,drums.wav]'",
}


class AdviseSchema(Schema):
    """The whole configuration of `python -m mixlab.advise`."""

    checkpoint: str
    anchor: str
    tracks: list[str] = Field(min_length=1)
    prompt: str | None
    roles: dict[str, str] | None
    length_tolerance_s: Annotated[float, Field(gt=0.0)]
    format: Literal["text", "json"]
    sections: bool
    apply: str | None
    overwrite: bool
    batch_size: PositiveCount
    constrained: bool
    min_segments: PositiveCount
    min_agreement: Annotated[float, Field(gt=0.0, le=1.0)]

    @field_validator("tracks", mode="before")
    @classmethod
    def _one_track_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("apply")
    @classmethod
    def _is_a_folder(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("it is empty; name a folder, or leave apply out to write nothing")
        return value


def settings(cfg: DictConfig) -> AdviseSchema:
    """The checked configuration.

    Raises:
        ConfigError: naming the first key that is missing or wrong.
    """
    for key, meaning in _MANDATORY.items():
        if OmegaConf.is_missing(cfg, key):
            raise ConfigError(f"The key '{key}' is missing; add {key}=..., {meaning}.")
    config = OmegaConf.to_container(cfg, resolve=True)
    check(config, AdviseSchema)  # type: ignore[arg-type]
    return AdviseSchema.model_validate(config)
