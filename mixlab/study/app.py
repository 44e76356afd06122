"""The web application: pages, JSON, monitor, and the headers that keep others out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from mixlab.study.api import make_api
from mixlab.study.monitor import Guard, make_monitor
from mixlab.study.pages import HERE, PAGE_HEADERS, make_pages, make_templates
from mixlab.study.sessions import Refused, Sessions
from mixlab.study.trials import Trials

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; media-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Links are secrets: no other site learns from where somebody came.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

MOST_BYTES = 65_536
"""Of a request's body: a comment of the greatest length in any script fits."""


def create_app(sessions: Sessions, password: str | None, attempts_per_minute: int = 10) -> FastAPI:
    """The application of a study.

    Args:
        sessions: of the study.
        password: of the monitor; None turns it off.
        attempts_per_minute: wrong passwords from one address before it has to wait.
    """
    # No generated documentation: it would load scripts from elsewhere.
    app = FastAPI(title="mixlab study", docs_url=None, redoc_url=None, openapi_url=None)
    templates, trials = make_templates(), Trials(sessions)
    app.include_router(make_api(sessions, trials))
    app.include_router(make_pages(sessions, trials, templates))
    app.include_router(make_monitor(sessions, Guard(password, attempts_per_minute), templates))
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")

    def refuse(request: Request, status: int, sentence: str) -> Response:
        headers = {"WWW-Authenticate": 'Basic realm="monitor", charset="UTF-8"'} if status == 401 else {}
        if request.url.path.startswith("/api/") or request.method != "GET":
            return JSONResponse({"error": sentence}, status, headers=headers)
        values = {"title": sessions.instrument.title, "simulated": sessions.simulated, "sentence": sentence}
        return templates.TemplateResponse(
            request, "message.html.j2", values, status_code=status, headers={**PAGE_HEADERS, **headers}
        )

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> Response:
        return refuse(request, error.status, str(error))

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        return refuse(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return refuse(request, 422, f"{where}: {first['msg']}.")

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "")
        has_body = request.method in ("POST", "PUT", "PATCH")
        if has_body and not (length.isdecimal() and int(length) <= MOST_BYTES):
            response: Response = JSONResponse({"error": f"A request has at most {MOST_BYTES} bytes."}, 413)
        # A page of another site can send forms, but not JSON, without asking first, and the answer is no.
        elif has_body and request.headers.get("content-type", "").partition(";")[0] != "application/json":
            response = JSONResponse({"error": "Requests are JSON."}, 415)
        else:
            response = await call_next(request)
        response.headers.update(HEADERS)
        if request.url.path.startswith(("/api/", "/monitor")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app
