"""Room web: the schema of the command's configuration; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from mixlab.config import check
from mixlab.config_groups import PositiveCount, Schema


class AppSchema(Schema):
    """The whole configuration of `python -m mixlab.app`."""

    checkpoint: str | None
    host: str = Field(min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)]
    file_mb: Annotated[float, Field(gt=0.0)]
    session_mb: Annotated[float, Field(gt=0.0)]
    files: PositiveCount
    minutes: Annotated[float, Field(gt=0.0)]
    total_temp_mb: Annotated[float, Field(gt=0.0)]
    address_mb: Annotated[float, Field(gt=0.0)]
    connections_per_address: PositiveCount
    behind_proxy: bool | str
    idle_minutes: Annotated[float, Field(gt=0.0)]


def settings(cfg: DictConfig) -> AppSchema:
    """The checked configuration.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    config = OmegaConf.to_container(cfg, resolve=True)
    check(config, AppSchema)  # type: ignore[arg-type]
    return AppSchema.model_validate(config)
