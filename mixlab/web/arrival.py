"""Room web: uploads as they arrive, where Gradio's own way would leave something behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from gradio.route_utils import GradioMultiPartParser, GradioUploadFile, MultiPartException
from gradio.routes import file_upload_statuses
from gradio_client.utils import strip_invalid_filename_characters  # type: ignore[import-untyped]
from starlette.requests import ClientDisconnect

from mixlab.errors import StorageError
from mixlab.serving.connections import address_of
from mixlab.web.sessions import Arrival, Folders
from mixlab.web.uploads import Limits

PROGRESS_S = 10.0
"""How long the page may still ask how far an upload was that has ended."""


class _Files(GradioMultiPartParser):
    """Gradio's parser for files and nothing else: it would hold fields in memory, however large they are."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("An upload holds files and nothing else.")


async def receive(request: Request, upload_id: str | None, folders: Folders, limits: Limits) -> Response:
    """Take in an upload, and answer with the paths of its files.

    Gradio's own route names a folder by what a file holds, so that two people with the same file would share it and the
    second would find it taken; it keeps what had arrived of an upload that broke off, and opens 1000 files at once.

    Args:
        upload_id: under which Gradio's page asks how far the upload is.
    """
    try:
        with folders.arriving(address_of(request.client.host if request.client else None)) as arrival:
            return JSONResponse([str(path) for path in await _files(request, upload_id, arrival, limits)])
    except StorageError as error:
        return PlainTextResponse(str(error), status_code=507)
    except OSError:
        return PlainTextResponse("The server could not store this; try again in some minutes.", status_code=507)
    except MultiPartException as error:
        return PlainTextResponse(error.message, status_code=413 if "maximum allowed size" in error.message else 400)
    except ClientDisconnect:
        return PlainTextResponse("The upload broke off.", status_code=400)
    finally:
        if upload_id:
            asyncio.get_running_loop().call_later(PROGRESS_S, file_upload_statuses.stop_tracking, upload_id)


async def _files(request: Request, upload_id: str | None, arrival: Arrival, limits: Limits) -> list[Path]:
    """Where the files of an upload lie, each in a folder of its own under the name that its sender gave it."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("An upload is a form of several parts (multipart/form-data).")

    async def stream() -> AsyncGenerator[bytes]:
        async for part in request.stream():
            arrival.grow(len(part))
            yield part

    if upload_id:
        file_upload_statuses.track(upload_id)
    parser = _Files(
        request.headers,
        stream(),
        max_files=limits.files,
        upload_dir=arrival.place,
        upload_id=upload_id,
        upload_progress=file_upload_statuses if upload_id else None,
        max_file_size=limits.total_mb * 1e6,
    )
    found = []
    for number, (_, file) in enumerate((await parser.parse()).multi_items()):
        assert isinstance(file, GradioUploadFile)
        file.file.close()
        name = strip_invalid_filename_characters(Path(file.filename or "").name)
        folder = arrival.place / str(number)
        folder.mkdir()
        found.append(Path(file.file.name).rename(folder / (name if name.strip(". ") else "file")))
    if not found:
        raise MultiPartException("This upload holds no file.")
    return found


def file_field(**settings: Any) -> gr.File:
    """A field for several files, which gives their paths.

    Gradio's own leaves an empty file on the disk for each that it gives, and has no sentence of ours for wrong ones.
    """
    field = gr.File(file_count="multiple", **settings)
    field.preprocess = lambda payload: [file.path for file in payload.root] if payload else []  # type: ignore
    return field
