"""Room web: what reaches Gradio at all: only the routes that the page and the API need, no addresses to fetch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mixlab.web.sessions import Folders
from mixlab.web.uploads import Limits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_CALL_BYTES = 1_000_000
_OPEN = re.compile(
    r"^/gradio_api/(info/?|openapi\.json|app_id/?|startup-events|theme\.css|heartbeat/[\w-]+|queue/(join|data)|cancel"
    r"|reset/?|upload|upload_progress|(call|run|api)/[\w/-]+)$"
)
"""Gradio's own routes that are used. Its routes for files are not: what people may fetch has an address of ours."""
_CLOSED = re.compile(
    r"^/+(gradio_api(/|$)|file[=/]|proxy|stream|monitoring|svelte|login|logout|token|vibe|dev|custom_comp)"
)

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
    """ASGI middleware in front of everything."""

    def __init__(self, app: Application, folders: Folders, limits: Limits) -> None:
        self.app, self.folders, self.limits = app, folders, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if not _OPEN.match(path) and (_CLOSED.match(path) or ".." in path or "\\" in path or "\0" in path):
            await _refuse(send, 403, "This address is not served.")
        elif scope["method"] != "POST":
            await self.app(scope, receive, _with_headers(send))
        elif path == "/gradio_api/upload":
            await self._upload(scope, receive, send)
        else:
            await self._call(scope, receive, send)

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

        async def counted() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        await self.app(scope, counted, _with_headers(send))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls are small and name only uploaded files: Gradio would fetch any address in the server's name."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False) and message["type"] == "http.request"
            if len(body) > LARGEST_CALL_BYTES:
                await _refuse(send, 413, "The call is too large; files are uploaded by themselves.")
                return
        if not self._names_only_uploads(body):
            await _refuse(send, 400, "A call may name only files that were uploaded to this server.")
            return
        sent = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, _with_headers(send))

    def _names_only_uploads(self, body: bytes) -> bool:
        try:
            data = json.loads(body) if body.strip() else None
        except (ValueError, RecursionError):
            return False
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
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            # Gradio lets pages of any host read the answers of a server that is not asked as localhost.
            kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(b"access-control-")]
            message["headers"] = [*kept, *_HEADERS]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})
