"""Questions put to a server, each until its answer keeps to the form, several at once, none twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from mixlab.errors import MixlabError
from mixlab.judging.call_log import CallLog, Reply, request_key
from mixlab.judging.endpoint import CallFailed
from mixlab.judging.forms import FormAsked, Malformed, form_words, read_form, response_format
from mixlab.judging.questions import Message, Question

CHARACTERS_PER_TOKEN = 4.0
"""A rule of thumb for English, to tell beforehand about how much a run takes."""


class Server(Protocol):
    """What answers requests: `endpoint.Endpoint`."""

    url: str

    def complete(self, request: Mapping[str, Any]) -> Reply:
        """The answer to a request; raises `CallFailed` or `MixlabError` where there is none."""


@dataclass(frozen=True)
class Result:
    """A form filled in, or why there is none: then the answer is missing."""

    value: BaseModel | None
    missing: str = ""
    was_answered: bool = True
    """Whether the server answered at all; an answer that keeps to no form is one."""


@dataclass(frozen=True)
class Estimate:
    """What is left to ask: calls, and about how many tokens; None where nothing bounds them."""

    calls: int
    answered: int
    input_tokens: int
    output_tokens: int | None

    def cost(self, input_price: float | None, output_price: float | None) -> float | None:
        """The cost at prices per million tokens, if every answer is as long as it may be; None where unknown."""
        if input_price is None or output_price is None or self.output_tokens is None:
            return None
        return (self.input_tokens * input_price + self.output_tokens * output_price) / 1e6


class Judge:
    """Asks questions of a server, and looks up in a log what was answered before.

    Args:
        url, model: who is asked.
        request: all else of a request, such as its temperature.
        form_asked: how the form is asked for beside the words of the question.
        attempts: how often a question is asked until an answer keeps to the form; each time but the first with the
            answer and what was wrong with it.
    """

    def __init__(
        self, log: CallLog, url: str, model: str, request: Mapping[str, Any], form_asked: FormAsked, attempts: int
    ) -> None:
        self._log, self._url, self._model = log, url, model
        self._request, self._form_asked, self._attempts = dict(request), form_asked, attempts

    def recall(self, question: Question) -> Result | None:
        """The result as far as the log knows it; None where a call has to be made."""
        return self._follow(question, lambda key, _request: self._log.get(key))

    def ask(self, question: Question, server: Server) -> Result:
        """The result, with as many calls as are needed.

        Raises:
            MixlabError: if no question can be answered.
        """

        def call(key: str, request: Mapping[str, Any]) -> Reply:
            reply = self._log.get(key)
            if reply is None:
                reply = server.complete(request)
                self._log.append(key, reply)
            return reply

        try:
            result = self._follow(question, call)
        except CallFailed as error:
            return Result(None, str(error), was_answered=False)
        return result or Result(None, "not asked", was_answered=False)

    def key(self, question: Question) -> str:
        """The name of a question's first call: questions that ask the same have the same."""
        return request_key(self._url, self._body(question, question.messages), question.draw)

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        """What is left to ask, if every answer keeps to the form at once."""
        different = {self.key(question): question for question in questions}
        left = [question for question in different.values() if self.recall(question) is None]
        characters = sum(len(message["content"]) for question in left for message in question.messages)
        longest = self._request.get("max_tokens", self._request.get("max_completion_tokens"))
        out = len(left) * longest if isinstance(longest, int) else None
        return Estimate(len(left), len(different) - len(left), round(characters / CHARACTERS_PER_TOKEN), out)

    def ask_all(
        self,
        questions: Sequence[Question],
        server: Server,
        concurrency: int,
        give_up_after: int,
        progress: Callable[[], None] = lambda: None,
    ) -> list[Result]:
        """The results of all questions, in their order; those that ask the same share one.

        Args:
            give_up_after: calls failed in a row, after which no more are made.
            progress: called once for each different question that has a result.

        Raises:
            MixlabError: if the server refuses, or fails `give_up_after` times in a row; what it answered is kept.
        """
        keys = [self.key(question) for question in questions]
        results: dict[str, Result] = {}
        failures = _InARow(give_up_after)
        with ThreadPoolExecutor(concurrency) as pool:
            futures: dict[Future[Result], str] = {}
            for key, question in dict(zip(keys, questions, strict=True)).items():
                known = self.recall(question)
                if known is None:
                    futures[pool.submit(self._ask_unless_hopeless, question, server, failures)] = key
                else:
                    results[key] = known
                    progress()
            try:
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    progress()
            except BaseException:
                # Those in flight end and are kept, the others are not begun.
                failures.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [results[key] for key in keys]

    def _ask_unless_hopeless(self, question: Question, server: Server, failures: _InARow) -> Result:
        if failures.stop.is_set():
            return Result(None, "not asked", was_answered=False)
        result = self.ask(question, server)
        failures.count(result, server.url)
        return result

    def _follow(self, question: Question, call: Callable[[str, Mapping[str, Any]], Reply | None]) -> Result | None:
        """Go through the attempts at a question; None where `call` has no answer."""
        messages: tuple[Message, ...] = question.messages
        reason = ""
        for _ in range(self._attempts):
            request = self._body(question, messages)
            reply = call(request_key(self._url, request, question.draw), request)
            if reply is None:
                return None
            try:
                return Result(read_form(reply.text, question.form))
            except Malformed as error:
                reason = str(error)
            complaint = f"That cannot be used: {reason}. {form_words(question.form)}"
            said = {"role": "assistant", "content": reply.text or "(nothing)"}
            messages = (*question.messages, said, {"role": "user", "content": complaint})
        return Result(None, f"no answer kept to the form ({reason})")

    def _body(self, question: Question, messages: Sequence[Message]) -> dict[str, Any]:
        body = {"model": self._model, "messages": [dict(message) for message in messages], **self._request}
        asked = response_format(question.form, self._form_asked)
        return body if asked is None else {**body, "response_format": asked}


class _InARow:
    """Counts questions without an answer from the server, and says when to give up."""

    def __init__(self, most: int) -> None:
        self._most, self._failed = most, 0
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def count(self, result: Result, url: str) -> None:
        """Count a result.

        Raises:
            MixlabError: if too many failed in a row.
        """
        with self._lock:
            self._failed = 0 if result.was_answered else self._failed + 1
            if self._failed >= self._most:
                self.stop.set()
                raise MixlabError(
                    f"{url} left {self._failed} calls in a row without an answer (the last: {result.missing}); what it "
                    "answered before is kept, so start again when it works."
                )
