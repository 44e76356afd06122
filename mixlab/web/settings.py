"""Room web: the typed configuration of `mixlab app`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixlab.settings import FilePath, Positive, PositiveCount, Settings


class AppSettings(Settings):
    """The whole configuration of `mixlab app`."""

    checkpoint: FilePath | None
    host: str = Field(min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)]
    file_mb: Positive
    session_mb: Positive
    files: PositiveCount
    minutes: Positive
    total_temp_mb: Positive
    address_mb: Positive
    connections_per_address: PositiveCount
    behind_proxy: bool | str
    idle_minutes: Positive
