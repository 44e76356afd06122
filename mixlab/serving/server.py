"""Room serving: an application on a socket: who is believed about who asks, and how it all ends."""

from __future__ import annotations

import functools
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from mixlab.errors import ConfigError
from mixlab.serving.connections import TOO_MANY, USUAL, Connection, Patience, Shares, address_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NOT_LOCAL = "This server answers to localhost only; behind a proxy on this machine, set behind_proxy=true."
_FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"x-original-", b"x-gradio-server")


def proxies_of(behind_proxy: bool | str) -> list[str]:
    """Whose headers are believed: nobody's, a proxy's on this machine (true), or those of addresses and networks.

    Raises:
        ConfigError: if an address is none.
    """
    if isinstance(behind_proxy, bool):
        return ["127.0.0.1", "::1"] if behind_proxy else []
    found = [name.strip() for name in behind_proxy.split(",")]
    for name in found:
        try:
            ipaddress.ip_network(name)
        except ValueError as error:
            raise ConfigError(f"The key 'behind_proxy' names '{name}', which is no address ({error}).") from None
    return found


def fronted(app: Application, host: str, proxies: Sequence[str], shares: Shares) -> Application:
    """What stands in front of every application: who asks, and for whom, is what the connection says.

    Args:
        app: the application.
        host: on which it listens. On this machine alone it answers to this machine's names alone, since a page from
            elsewhere can give a name of its own this machine's address.
        proxies: which are believed about who asks, by which name, and over TLS or not. They hold all connections, so
            that `shares` are those of requests at once.
        shares: see there.
    """

    async def shared(scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of((scope.get("client") or ("",))[0])
        if not shares.take(address):
            await answer(send, 503, TOO_MANY)
            return
        try:
            await app(scope, receive, send)
        finally:
            shares.give_back(address)

    proxied: Any = ProxyHeadersMiddleware(shared, list(proxies))  # type: ignore[arg-type]

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if (scope.get("client") or ("",))[0] in proxied.trusted_hosts:
            await proxied(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_FORWARDED)]
        scope = {**scope, "headers": headers}
        if proxies:
            await shared(scope, receive, send)
        elif _is_local(host) and not _is_local(_name(dict(headers).get(b"host", b"").decode("latin-1"))):
            await answer(send, 421, NOT_LOCAL)
        else:
            await app(scope, receive, send)

    return front


def _name(host: str) -> str:
    """The name in a ``Host`` header; empty where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def answer(send: Send, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Answer a request with one sentence."""
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind, *headers]})
    await send({"type": "http.response.body", "body": sentence.encode()})


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0 takes any free one.

    Raises:
        ConfigError: if it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError(f"Nothing can be served at host={host}, port={port} ({reason}); choose others.") from None


def make_server(
    app: Application,
    host: str,
    behind_proxy: bool | str,
    connections_per_address: int,
    patience: Patience = USUAL,
) -> uvicorn.Server:
    """A server that waits for nobody without end; ``run(sockets=[...])`` serves until a signal says to stop.

    Args:
        app: the application; its lifespan ends before the process does.
        host: on which it listens.
        behind_proxy: see `proxies_of`.
        connections_per_address: at once.
        patience: with clients.
    """
    shares, proxies = Shares(connections_per_address), proxies_of(behind_proxy)
    kind: Any = functools.partial(Connection, patience, None if proxies else shares)
    config = uvicorn.Config(
        fronted(app, host, proxies, shares),
        http=kind,
        # Nothing here speaks WebSockets, which would leave the deadlines behind.
        ws="none",
        # A stranger's nonsense is worth no line of a log, which it could fill.
        log_level="error",
        # Links are secrets, and would stand in every line.
        access_log=False,
        # `fronted` does it; the environment could make uvicorn believe anybody.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


@contextmanager
def ends_in_order() -> Iterator[None]:
    """A signal to stop unwinds the block, so that every `finally` is run; the process ends with 0.

    uvicorn raises SIGTERM again once its lifespan has ended, and the default would end the process on the spot.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    def hang_up(number: int, frame: FrameType | None) -> None:
        # To whoever handles it now: uvicorn, while it runs.
        signal.raise_signal(signal.SIGTERM)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, end)}
    # Under nohup it is ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
