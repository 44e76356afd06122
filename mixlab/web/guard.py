"""Room web: what reaches Gradio at all: only the routes that the page and the API need, no addresses to fetch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from mixlab.serving.connections import address_of
from mixlab.serving.server import Application, Message, Receive, Scope, Send, answer
from mixlab.web.sessions import Folders
from mixlab.web.uploads import Limits

LARGEST_CALL_BYTES = 1_000_000
MOST_WAITING = 34
"""Calls of one address that wait in the queue at once; a third of what it holds."""

_GET = re.compile(
    r"/|/config|/favicon\.ico|/manifest\.json|/robots\.txt|/theme\.css|/(assets|static|page)/[\w./@-]+|/files/[\w-]+/[^/]+"
    r"|/gradio_api/(info|openapi\.json|app_id|startup-events|theme\.css|heartbeat/[\w-]+|queue/data|upload_progress"
    r"|call/(v2/)?advise/\w+)"
)
_POST = re.compile(r"/gradio_api/(queue/join|cancel|reset|upload|call/(v2/)?advise)")
"""What the page and the API need of Gradio. Its routes for files are not among it, since what people may fetch has an
address of ours, nor are those that call a function past the queue."""

_PARAMETERS = {
    "/gradio_api/queue/data": "session_hash",
    "/gradio_api/upload": "upload_id",
    "/gradio_api/upload_progress": "upload_id",
}
"""Address -> the one parameter that it needs; all others are dropped."""

_SECRET = re.compile(r"[\w-]{6,64}")
"""A secret of the page, as Gradio makes it."""

# Gradio's page holds inline scripts. Everything comes from this server, whatever a text would like to load.
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
        b"base-uri 'self'; form-action 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """ASGI middleware in front of everything.

    Args:
        app: what is guarded.
        folders: where uploads lie.
        limits: of an upload.
        waiting: how many calls of an address wait already.
    """

    def __init__(self, app: Application, folders: Folders, limits: Limits, waiting: Callable[[str], int]) -> None:
        self.app, self.folders, self.limits, self.waiting = app, folders, limits, waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, is_post = scope["path"].rstrip("/") or "/", scope["method"] == "POST"
        allowed = _POST if is_post else _GET if scope["method"] in ("GET", "HEAD") else None
        if allowed is None or not allowed.fullmatch(path) or ".." in path:
            await _refuse(send, 403, "This address is not served.")
            return
        # Of the page alone: of all, Gradio would tell everybody the name by which the first one called this server.
        query = "page=" if path == "/gradio_api/info" else ""
        if path in _PARAMETERS:
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(_PARAMETERS[path], [])
            if not all(_SECRET.fullmatch(value) for value in given):
                await _refuse(send, 400, "The parameters of this address are none that it takes.")
                return
            query = "".join(f"{_PARAMETERS[path]}={value}" for value in given[:1])
        scope = {**scope, "path": path, "query_string": query.encode()}
        if path == "/gradio_api/upload":
            await self._upload(scope, receive, send)
        elif is_post:
            await self._call(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Uploads say how large they are, and no more than that is read."""
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if not declared.isdigit():
            await _refuse(send, 411, "An upload has to say how large it is.")
            return
        if int(declared) > self.limits.total_mb * 1e6 + LARGEST_CALL_BYTES:
            await _refuse(send, 413, f"At most {self.limits.total_mb:g} MB are taken at once.")
            return
        left = int(declared)

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        await self.app(scope, counted, _with_headers(send))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls are small, few and name only uploaded files: Gradio would fetch any address in the server's name."""
        calls = not scope["path"].endswith(("/cancel", "/reset"))
        if calls and self.waiting(address_of((scope.get("client") or ("",))[0])) >= MOST_WAITING:
            await _refuse(send, 429, "Too many calls from your address are waiting; try again in a moment.")
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False) and message["type"] == "http.request"
            if len(body) > LARGEST_CALL_BYTES:
                await _refuse(send, 413, "The call is too large; files are uploaded by themselves.")
                return
        try:
            data = json.loads(body) if body.strip() else None
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            await _refuse(send, 400, "A call is a JSON object.")
            return
        if not self._names_only_uploads(data):
            await _refuse(send, 400, "A call may name only files that were uploaded to this server.")
            return
        session = data.get("session_hash")
        is_secret = isinstance(session, str) and _SECRET.fullmatch(session)
        # In the queue, whoever has none would share a folder with all others like that.
        if not is_secret and (session is not None or scope["path"].endswith("/join")):
            await _refuse(send, 400, "A call of the page names its session, of 6 to 64 letters and digits.")
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, _with_headers(send))

    def _names_only_uploads(self, data: Any) -> bool:
        waiting = [data]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += value
            elif isinstance(value, dict):
                waiting += value.values()
                path = value.get("path")
                if isinstance(path, str) and not self._lies_among_uploads(path):
                    return False
                if "path" in value and not isinstance(path, str | None):
                    return False
        return True

    def _lies_among_uploads(self, path: str) -> bool:
        # Without `..` and the like: mounted in an application, Gradio itself does not look where a file lies.
        return path.startswith(f"{self.folders.uploads}/") and os.path.normpath(path) == path and "\0" not in path


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            # Gradio lets pages of any host read the answers of a server that is not asked as localhost.
            kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(b"access-control-")]
            message["headers"] = [*kept, *_HEADERS]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    await answer(send, status, sentence, _HEADERS)
