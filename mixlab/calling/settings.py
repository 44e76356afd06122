"""Room calling: which server is asked, how hard, and at what price."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mixlab.errors import ConfigError
from mixlab.settings import Count, NotNegative, Plain, Positive, PositiveCount, Settings

OURS = ("model", "messages", "response_format", "stream", "n")
"""Parts of a request that mixlab itself sets."""


class Price(Settings):
    """Per million tokens; None where it is unknown."""

    input: NotNegative | None
    output: NotNegative | None
    audio: NotNegative | None = None


class ServerSettings(Settings):
    """A model behind a server that speaks OpenAI's chat completions.

    Attributes:
        endpoint: the server's base URL.
        model: as the server calls it.
        request: all else of a request, passed on as it is.
        concurrency: calls in flight at once.
        requests_per_minute: None: as fast as they come back.
        retries: of a call that the server was too busy for or failed at.
        give_up_after: calls failed in a row.
        api_key_variable: the environment variable that holds the key.
        dry_run: say what it would cost, and stop.
    """

    endpoint: str
    model: Annotated[str, Field(min_length=1)]
    request: dict[str, Plain]
    concurrency: PositiveCount
    requests_per_minute: Positive | None
    retries: Count
    timeout_s: Positive
    give_up_after: PositiveCount
    price: Price
    api_key_variable: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
    dry_run: bool

    @field_validator("endpoint")
    @classmethod
    def _is_a_plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is no URL; give the server's base URL, as in http://127.0.0.1:8000/v1")
        return value.rstrip("/")

    @field_validator("request")
    @classmethod
    def _leaves_what_is_ours(cls, value: dict[str, Plain]) -> dict[str, Plain]:
        if taken := [key for key in OURS if key in value]:
            raise ValueError(f"mixlab sets '{taken[0]}' by itself; leave it out")
        return value

    def log_path(self, folder: Path) -> Path:
        """The file in a folder that keeps this model's answers: one a model and server, whose name says which."""
        name = re.sub(r"[^\w.-]+", "-", self.model).strip("-.")[-60:]
        digest = sha256(f"{self.endpoint} {self.model}".encode()).hexdigest()[:8]
        return folder / f"{name}-{digest}.jsonl"


def check_no_secret(values: Mapping[str, Any], key: str = "endpoint") -> None:
    """Refuse an endpoint with a password, before any message could repeat it.

    Args:
        values: plain, as composed; ``endpoint`` is one of them.
        key: of the endpoint on the command line.

    Raises:
        ConfigError: naming the key.
    """
    endpoint = values.get("endpoint")
    try:
        parts = urlsplit(endpoint if isinstance(endpoint, str) and endpoint != "???" else "")
    except ValueError:
        return  # no URL, which the settings say
    if parts.password or parts.username or parts.query:
        raise ConfigError(
            f"The key '{key}' holds a user name, password or query, which would be written to logs; leave it out, "
            "and put the server's key into the environment variable that api_key_variable names."
        )
