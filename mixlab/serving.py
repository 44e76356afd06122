"""Ground floor: an application on a socket of which nobody holds what others need, and which ends in order."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from mixlab.errors import ConfigError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TICK_S = 0.5
PROXIES = ("127.0.0.1", "::1")
"""Where a proxy runs whose headers are believed, if any are."""

TOO_MANY = "Too many connections from your address at once; try again in a moment."
NOT_LOCAL = "This server answers to localhost only; behind a proxy on this machine, set behind_proxy=true."
_FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"x-original-", b"x-gradio-server")


@dataclass(frozen=True)
class Patience:
    """How long a client may take.

    Attributes:
        head_s: until the head of a request is there, and until an answered one has been sent to its end.
        grace_s: how long a body may come slower than `bytes_per_s` on average.
        reading_s: in which a client takes the (at most 64 kB) that wait for it.
    """

    head_s: float = 10.0
    grace_s: float = 20.0
    bytes_per_s: float = 4_000.0
    reading_s: float = 30.0


class Shares:
    """How many things of a kind each address holds at once, `most` at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = Counter[str]()

    def take(self, address: str) -> bool:
        """Whether there was one left for an address, which has it now."""
        if self.held[address] >= self.most:
            return False
        self.held[address] += 1
        return True

    def give_back(self, address: str) -> None:
        """One of an address is free again."""
        self.held[address] -= 1
        if not self.held[address]:
            del self.held[address]


def address_of(host: str | None) -> str:
    """What counts as one client: an IPv4 address, or the network of 64 bits that a customer of IPv6 is given."""
    try:
        found = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))


class Connection(H11Protocol):
    """A connection that ends where its client makes others wait; uvicorn itself waits for ever.

    Args:
        patience: with the client.
        shares: of connections; None where a proxy holds them all.
        uvicorn: what uvicorn gives its protocols.
    """

    def __init__(self, patience: Patience, shares: Shares | None, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._patience, self._shares = patience, shares
        self._address: str | None = None
        self._state: object = None
        self._waited_s = self._unread_s = 0.0
        self._arrived = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = address_of(self.client[0] if self.client else None)
        if self._shares is not None:
            if not self._shares.take(address):
                said = TOO_MANY.encode()
                head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-length: {len(said)}\r\nconnection: close\r\n\r\n"
                transport.write(head.encode() + said)
                transport.close()
                return
            self._address = address
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._shares is not None and self._address is not None:
            self._shares.give_back(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arrived += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._waited_s, self._arrived = 0.0, 0
        super().on_response_complete()

    def resume_writing(self) -> None:
        self._unread_s = 0.0
        super().resume_writing()

    def _tick(self) -> None:
        if self._is_too_slow():
            # Closing would wait for the client to take what is left.
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(TICK_S, self._tick)

    def _is_too_slow(self) -> bool:
        # Ticks are counted and no clock is read, so that nobody pays for a moment in which this process was busy.
        self._unread_s = self._unread_s + TICK_S if self.transport.get_write_buffer_size() else 0.0
        if self._state is not self.conn.their_state:
            self._state, self._waited_s, self._arrived = self.conn.their_state, 0.0, 0
        sending = self._state is h11.SEND_BODY
        if self._state is h11.IDLE or (sending and not self.flow.read_paused):
            self._waited_s += TICK_S
        patience, is_slow = self._patience, False
        if self._state is h11.IDLE or (sending and self.cycle.response_complete):
            is_slow = self._waited_s > patience.head_s
        elif sending:
            is_slow = self._arrived < (self._waited_s - patience.grace_s) * patience.bytes_per_s
        return is_slow or self._unread_s > patience.reading_s


def fronted(app: Application, host: str, behind_proxy: bool, shares: Shares) -> Application:
    """What stands in front of every application: who asks, and for whom, is what the connection says.

    Args:
        app: the application.
        host: on which it listens. On this machine alone it answers to this machine's names alone, since a page from
            elsewhere can give a name of its own this machine's address.
        behind_proxy: believe a proxy on this machine about who asks, by which name, and over TLS or not. The proxy
            holds all connections, so that `shares` are those of requests at once.
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

    proxied: Any = ProxyHeadersMiddleware(shared, list(PROXIES))  # type: ignore[arg-type]

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if behind_proxy and (scope.get("client") or ("",))[0] in PROXIES:
            await proxied(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_FORWARDED)]
        scope = {**scope, "headers": headers}
        if behind_proxy:
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
    app: Application, host: str, *, behind_proxy: bool, connections_per_address: int, patience: Patience | None = None
) -> uvicorn.Server:
    """A server that waits for nobody without end; ``run(sockets=[...])`` serves until a signal says to stop.

    Args:
        app: the application; its lifespan ends before the process does.
        host: on which it listens.
        behind_proxy: see `fronted`.
        connections_per_address: at once.
        patience: with clients.
    """
    shares = Shares(connections_per_address)
    kind: Any = functools.partial(Connection, patience or Patience(), None if behind_proxy else shares)
    config = uvicorn.Config(
        fronted(app, host, behind_proxy, shares),
        http=kind,
        # Nothing here speaks WebSockets, which would leave the deadlines behind.
        ws="none",
        log_level="warning",
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
