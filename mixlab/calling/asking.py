"""Several calls at once, until a server that fails is given up; and what is left to ask, before anything is asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mixlab.calling.call_log import CallLog, Reply
from mixlab.calling.endpoint import CallFailed
from mixlab.calling.settings import Price
from mixlab.errors import MixlabError

CHARACTERS_PER_TOKEN = 4.0
"""A rule of thumb for English, to tell beforehand about how much a run takes."""

Q = TypeVar("Q")
A = TypeVar("A")


class Server(Protocol):
    """What answers requests: `endpoint.Endpoint`."""

    url: str

    def complete(self, request: Mapping[str, Any]) -> Reply:
        """The answer to a request; raises `CallFailed` or `MixlabError` where there is none."""


@dataclass(frozen=True)
class Unanswered:
    """A question that the server left without an answer, and why."""

    reason: str


@dataclass(frozen=True)
class Estimate:
    """What is left to ask: calls, and about how many tokens.

    Attributes:
        calls: left to make.
        answered: those that need none, as they were answered before.
        input_tokens: of text.
        output_tokens: at most; None where nothing bounds them.
        audio_s: seconds of audio that are sent.
        audio_tokens: what the server takes these for.
    """

    calls: int
    answered: int
    input_tokens: int
    output_tokens: int | None
    audio_s: float = 0.0
    audio_tokens: int = 0

    def cost(self, price: Price) -> float | None:
        """The cost if every answer is as long as it may be; None where it is unknown."""
        if price.input is None or price.output is None or self.output_tokens is None:
            return None
        if self.audio_tokens and price.audio is None:
            return None
        audio = self.audio_tokens * (price.audio or 0.0)
        return (self.input_tokens * price.input + audio + self.output_tokens * price.output) / 1e6

    def sentence(self, price: Price) -> str:
        """What is left to ask and what it costs, without a full stop."""
        audio = f", {self.audio_s:,.0f} s of audio (about {self.audio_tokens:,} tokens)" if self.audio_s else ""
        out = "unbounded" if self.output_tokens is None else f"at most {self.output_tokens:,}"
        cost = self.cost(price)
        shown = "cost unknown (price is not set)" if cost is None else f"cost at most about {cost:.4g}"
        return (
            f"To ask: {self.calls:,} calls ({self.answered:,} are answered already){audio}, about "
            f"{self.input_tokens:,} tokens in and {out} out, {shown}"
        )


def reply_of(log: CallLog, key: str, request: Mapping[str, Any], server: Server) -> Reply:
    """The answer to a request: what is kept under its key, or else the server's, which is kept from now on.

    Raises:
        CallFailed, MixlabError: as `Server.complete`.
    """
    reply = log.get(key)
    if reply is None:
        reply = server.complete(request)
        log.append(key, reply)
    return reply


def output_bound(request: Mapping[str, Any], calls: int) -> int | None:
    """How many tokens the answers to so many requests have at most; None where a request bounds none."""
    longest = request.get("max_tokens", request.get("max_completion_tokens"))
    return calls * longest if isinstance(longest, int) else None


def missing_in_words(reasons: Mapping[str, int], asked: int) -> str:
    """How many questions have no answer, and why, in a sentence."""
    shown = ", ".join(f"{count} x {reason}" for reason, count in Counter(reasons).most_common())
    return f"Missing: {sum(reasons.values())} of {asked} answers{': ' + shown if shown else ''}."


def ask_each(
    questions: Mapping[str, Q],
    ask: Callable[[Q], A],
    url: str,
    concurrency: int,
    give_up_after: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, A | Unanswered]:
    """The answers to questions by key, several asked at once.

    Args:
        ask: makes the calls of one question, in a thread; raises `CallFailed` where there is no answer.
        url: of the server, for messages.
        give_up_after: questions in a row without an answer, after which no more are asked.
        progress: called once for each question that is done.

    Raises:
        MixlabError: if the server refuses, or fails `give_up_after` times in a row.
    """
    failures = _InARow(give_up_after, url)

    def call(question: Q) -> A | Unanswered:
        if failures.stop.is_set():
            return Unanswered("not asked")
        try:
            answer = ask(question)
        except CallFailed as error:
            failures.count(str(error))
            return Unanswered(str(error))
        failures.count(None)
        return answer

    found: dict[str, A | Unanswered] = {}
    with ThreadPoolExecutor(concurrency) as pool:
        futures = {pool.submit(call, question): key for key, question in questions.items()}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                progress()
        except BaseException:
            # Those in flight end and are kept, the others are not begun.
            failures.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


class _InARow:
    """Counts questions without an answer from the server, and says when to give up."""

    def __init__(self, most: int, url: str) -> None:
        self._most, self._url, self._failed = most, url, 0
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def count(self, failure: str | None) -> None:
        """Count a question: why it has no answer, or None where it has one.

        Raises:
            MixlabError: if too many failed in a row.
        """
        with self._lock:
            self._failed = 0 if failure is None else self._failed + 1
            if self._failed >= self._most:
                self.stop.set()
                raise MixlabError(
                    f"{self._url} left {self._failed} calls in a row without an answer (the last: {failure}); what it "
                    "answered before is kept, so start again when it works."
                )
