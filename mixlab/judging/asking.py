"""Questions put to a server, each until its answer keeps to the form, several at once, none twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mixlab.calling.asking import (
    CHARACTERS_PER_TOKEN,
    Estimate,
    Server,
    Unanswered,
    ask_each,
    output_bound,
    reply_of,
)
from mixlab.calling.call_log import CallLog, Reply, request_key
from mixlab.judging.forms import FormAsked, Malformed, form_words, read_form, response_format
from mixlab.judging.questions import Message, Question


@dataclass(frozen=True)
class Result:
    """A form filled in, or why there is none: then the answer is missing."""

    value: BaseModel | None
    missing: str = ""


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

    def key(self, question: Question) -> str:
        """The name of a question's first call: questions that ask the same have the same."""
        return request_key(self._url, self._body(question, question.messages), question.draw)

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        """What is left to ask, if every answer keeps to the form at once."""
        different = {self.key(question): question for question in questions}
        left = [question for question in different.values() if self.recall(question) is None]
        characters = sum(len(message["content"]) for question in left for message in question.messages)
        tokens = round(characters / CHARACTERS_PER_TOKEN)
        return Estimate(len(left), len(different) - len(left), tokens, output_bound(self._request, len(left)))

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
        left: dict[str, Question] = {}
        for key, question in dict(zip(keys, questions, strict=True)).items():
            known = self.recall(question)
            if known is None:
                left[key] = question
            else:
                results[key] = known
                progress()

        def ask(question: Question) -> Result:
            result = self._follow(question, lambda key, request: reply_of(self._log, key, request, server))
            assert result is not None, "a call without an answer raises"
            return result

        for key, found in ask_each(left, ask, server.url, concurrency, give_up_after, progress).items():
            results[key] = Result(None, found.reason) if isinstance(found, Unanswered) else found
        return [results[key] for key in keys]

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
