"""Room calling: calls to a server that speaks OpenAI's chat completions, at a bounded rate."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from mixlab.calling.call_log import Reply
from mixlab.errors import MixlabError, require

NO_KEY = "none"
"""Sent as the key where the environment has none, as servers without keys expect something."""


LONGEST_REASON = 160
"""Characters of what a server says of a failure."""


class CallFailed(Exception):
    """A call has no answer, and others may still have one; the message says why."""


class Pace:
    """Lets callers through one after another, at most so many a minute.

    Args:
        per_minute: None lets everybody through at once.
    """

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step_s = 0.0 if per_minute is None else 60.0 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next_s = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            now_s = self._clock()
            turn_s = max(now_s, self._next_s)
            self._next_s = turn_s + self._step_s
        if turn_s > now_s:
            self._sleep(turn_s - now_s)


class Endpoint:
    """A server, called through the openai client; safe to use from several threads.

    The client tries again by itself where the server is busy (429), fails (5xx), is slow or cannot be reached, waits as
    long as the server asks or longer each time, and counts against the rate each time.

    Args:
        url: base URL.
        key_variable: the environment variable that holds the key.
        retries: of a call.

    Raises:
        ConfigError: if the openai client is not installed.
    """

    def __init__(
        self, url: str, key_variable: str, retries: int, timeout_s: float, requests_per_minute: float | None
    ) -> None:
        require("Asking a server", "judge", "openai")
        import openai

        self.url, self._key_variable = url, key_variable
        self._errors = openai
        pace = Pace(requests_per_minute)
        hooks = {"request": [lambda _request: pace.wait()]}
        http = openai.DefaultHttpxClient(timeout=timeout_s, event_hooks=hooks)
        key = os.environ.get(key_variable) or NO_KEY
        self._client = openai.OpenAI(
            base_url=url, api_key=key, max_retries=retries, timeout=timeout_s, http_client=http
        )

    def complete(self, request: Mapping[str, Any]) -> Reply:
        """The answer to a chat completion.

        Args:
            request: its body, in which ``model`` and ``messages`` are; everything else is passed on as it is.

        Raises:
            CallFailed: if there is none after all tries.
            MixlabError: if no call can have one: the key is refused, or the model or server not found.
        """
        extra = {name: value for name, value in request.items() if name not in ("model", "messages")}
        try:
            answer = self._client.chat.completions.create(
                model=request["model"], messages=list(request["messages"]), extra_body=extra
            )
            choice, usage = answer.choices[0], answer.usage
            tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
            return Reply(choice.message.content or "", choice.finish_reason, answer.model, *tokens)
        except (self._errors.AuthenticationError, self._errors.PermissionDeniedError) as error:
            raise MixlabError(
                f"{self.url} refuses the key ({error.status_code}); set the environment variable {self._key_variable}."
            ) from None
        except self._errors.NotFoundError:
            raise MixlabError(
                f"{self.url} knows no chat completions or no model '{request['model']}' (404); correct endpoint (it "
                "often ends in /v1) or model."
            ) from None
        except self._errors.APITimeoutError:
            raise CallFailed("the server took too long") from None
        except self._errors.APIConnectionError as error:
            raise CallFailed(f"the server cannot be reached ({error.__cause__ or error})") from None
        except self._errors.APIStatusError as error:
            raise CallFailed(f"the server answered {error.status_code}{self._said(error.body)}") from None
        except (self._errors.OpenAIError, ValueError, TypeError, IndexError, AttributeError) as error:
            # What a server sends is not always what the protocol says: no choices, no message, HTML.
            raise CallFailed(f"the server's answer is no chat completion ({type(error).__name__})") from None

    def _said(self, body: object) -> str:
        """What the server says of a failure, in brackets, cut short and without the key; or nothing."""
        message = body.get("message") if isinstance(body, Mapping) else None
        if not isinstance(message, str) or not message.strip():
            return ""
        return f" ({' '.join(message.replace(self._client.api_key, '...').split())[:LONGEST_REASON]})"
