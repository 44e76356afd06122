"""Room web: the server: our own addresses for files, Gradio behind the guard, tidying, and the end of it all."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response

from mixlab.serving.connections import address_of
from mixlab.serving.server import Application, ends_in_order, listen, make_server
from mixlab.web.arrival import receive
from mixlab.web.desk import Desk
from mixlab.web.guard import Guard
from mixlab.web.page import HEAD, Page
from mixlab.web.sessions import Folders
from mixlab.web.settings import AppSettings
from mixlab.web.uploads import Limits
from mixlab.web.work import Advisor

SHIPPED = Path(str(resources.files("mixlab.models"))) / "tiny_advisor"
SWEEP_S = 60.0
ASSETS = {"page.css": "text/css", "player.js": "text/javascript"}
TYPES = {".flac": "audio/flac", ".zip": "application/zip", ".json": "application/json", ".csv": "text/csv"}
READABLE = {
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_300",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_300",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
}
"""Colours that contrast as WCAG asks, where Gradio's own do not."""

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]


def serve(settings: AppSettings) -> None:
    """Load the model, then answer until Ctrl-C or a signal; what people uploaded is deleted at the end.

    Raises:
        MixlabError: one sentence, before anything is served.
    """
    host, share = settings.host, settings.connections_per_address
    with ends_in_order(), listen(host, settings.port) as place:
        checkpoint = SHIPPED if settings.checkpoint is None else Path(settings.checkpoint).expanduser()
        advisor = Advisor.load(checkpoint, heard_demo_songs_only=checkpoint.resolve() == SHIPPED)
        folders = Folders(settings.total_temp_mb, settings.address_mb, settings.idle_minutes * 60.0)
        limits = Limits(settings.file_mb, settings.session_mb, settings.files, settings.minutes * 60.0)
        try:
            application = make_application(Desk(advisor, folders, limits), host, place.getsockname()[1])
            server = make_server(application, host, behind_proxy=settings.behind_proxy, connections_per_address=share)
            print(f"Open http://{host}:{place.getsockname()[1]} in a browser. Ctrl-C ends the server.", flush=True)
            server.run(sockets=[place])
        finally:
            folders.close()


def make_application(desk: Desk, host: str, port: int) -> Application:
    """The whole ASGI application: files, assets, and Gradio's page, behind the guard."""
    folders = desk.folders
    # Where Gradio keeps what arrives, until it is taken.
    os.environ["GRADIO_TEMP_DIR"] = str(folders.uploads)
    stopped = threading.Event()

    def tidy() -> None:
        while not stopped.wait(SWEEP_S):
            folders.sweep()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=tidy, daemon=True).start()
        yield
        stopped.set()
        # Here, since another server than ours might raise a signal again before a `finally` runs.
        folders.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    page = Page(desk).build()

    def waiting(address: str) -> int:
        queues = list(page._queue.event_queue_per_concurrency_id.values())
        events = [event for queue in queues for event in list(queue.queue)]
        return sum(address_of(event.request.client.host) == address for event in events if event.request.client)

    @app.get("/files/{token}/{name}")
    def file(token: str, name: str) -> Response:
        path = folders.file(token, name)
        if path is None or not path.is_file():
            return PlainTextResponse("There is no such file, or not any more.", status_code=404)
        kind = TYPES.get(path.suffix, "application/octet-stream")
        shown = None if path.suffix == ".flac" else name
        return FileResponse(path, media_type=kind, headers={"cache-control": "no-store"}, filename=shown)

    @app.get("/page/{name}")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            return PlainTextResponse("There is no such file.", status_code=404)
        text = resources.files("mixlab.web").joinpath("assets", name).read_bytes()
        return Response(text, media_type=ASSETS[name], headers={"cache-control": "no-cache"})

    @app.post("/gradio_api/upload")
    async def upload(request: Request, upload_id: str | None = None) -> Response:
        return await receive(request, upload_id, folders, desk.limits)

    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=host,
        server_port=port,
        footer_links=["api"],
        run_history=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        allowed_paths=[],
        max_file_size=f"{desk.limits.total_mb:g}mb",
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gr.themes.Base(font=FONTS, font_mono=["ui-monospace", "monospace"]).set(**READABLE),
        head=HEAD,
    )
    return Guard(app, folders, desk.limits, waiting)
