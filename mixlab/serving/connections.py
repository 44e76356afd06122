"""Room serving: connections that end where their client makes others wait, and a share of them for each address."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

TICK_S = 0.5
TOO_MANY = "Too many connections from your address at once; try again in a moment."


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


USUAL = Patience()


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
        if self._shares is None or self._shares.take(address):
            self._address = address
            self._tick()
        else:
            head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-length: {len(TOO_MANY)}\r\nconnection: close\r\n\r\n"
            transport.write((head + TOO_MANY).encode())
            transport.close()

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
