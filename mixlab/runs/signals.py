"""Room runs: signals that end a process: they unwind it as Ctrl-C does, and take effect where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
"""Ctrl-C, the end of a job or a machine, and what schedulers send before they requeue a job."""


class Terminated(SystemExit):
    """SIGTERM came: a scheduler, a service manager or a spot machine ends the process."""

    def __init__(self) -> None:
        super().__init__(EXIT_TERMINATED)


def unwind_on_sigterm() -> None:
    """Have SIGTERM raise `Terminated` in this process, unless somebody else handles it already."""
    with suppress(ValueError):  # signals are the business of the main thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: Any) -> None:
    raise Terminated


@contextmanager
def left_to_the_trainer() -> Iterator[None]:
    """Leave SIGTERM to Lightning, which ends a training between two batches, in all processes at once."""
    if signal.getsignal(signal.SIGTERM) is not _terminate:
        yield
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, _terminate)


class Deferred:
    """Signals that are kept from `start` to `end`, and take effect then.

    torch may swallow a Ctrl-C while it writes a file, and one in the middle of a step leaves weights and optimizer of
    different steps.
    """

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Any] = {}
        self._caught: list[int] = []

    def start(self) -> None:
        """Keep them from now on; nothing happens outside the main thread."""
        if self._handlers or threading.current_thread() is not threading.main_thread():
            return
        # What the system does by itself needs no deferring, and who ignores a signal goes on ignoring it.
        self._handlers = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
        for number in self._handlers:
            signal.signal(number, lambda caught, frame: self._caught.append(caught))

    def end(self) -> None:
        """Let them take effect again, first those that came meanwhile."""
        caught = list(dict.fromkeys(self._caught))
        self.drop()
        for number in caught:
            signal.raise_signal(number)

    def drop(self) -> None:
        """Let them take effect again, and forget those that came meanwhile: the work is ended by something else."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers, self._caught = {}, []


@contextmanager
def signals_later() -> Iterator[None]:
    """Let signals take effect when the block has ended."""
    deferred = Deferred()
    deferred.start()
    try:
        yield
    finally:
        deferred.end()
