"""Scripted servers, for the tests of all who call one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .scripted_server import Scripted, ScriptedServer


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[dict[str, Any], int], Scripted]], ScriptedServer]]:
    """A function that starts a scripted server, which ends with the test."""
    servers: list[ScriptedServer] = []

    def start(script: Callable[[dict[str, Any], int], Scripted]) -> ScriptedServer:
        servers.append(ScriptedServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
