"""Room web: uploads as they arrive, where Gradio's own way would leave something behind."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from gradio.route_utils import MultiPartException, upload_fn
from gradio.routes import file_upload_statuses
from starlette.requests import ClientDisconnect

from mixlab.errors import StorageError
from mixlab.web.sessions import Folders
from mixlab.web.uploads import Limits


async def receive(request: Request, upload_id: str | None, folders: Folders, limits: Limits) -> Response:
    """Take in an upload, and answer with the paths of its files.

    Gradio's own route names a folder by what a file holds, so that two people with the same file would share it and the
    second would find it taken; and it keeps what had arrived of an upload that broke off.

    Args:
        upload_id: under which Gradio's page asks how far the upload is.
    """
    declared_mb = int(request.headers.get("content-length", "0")) / 1e6
    statuses = file_upload_statuses if upload_id else None
    try:
        with folders.arriving(declared_mb) as place:
            paths, _, _ = await upload_fn(
                request, place, limits.total_mb * 1e6, upload_id, force_move=True, upload_progress=statuses
            )
    except StorageError as error:
        return PlainTextResponse(str(error), status_code=507)
    except MultiPartException as error:
        return PlainTextResponse(error.message, status_code=413 if "maximum allowed size" in error.message else 400)
    except ClientDisconnect:
        return PlainTextResponse("The upload broke off.", status_code=400)
    return JSONResponse([str(path) for path in paths])


def file_field(**settings: Any) -> gr.File:
    """A field for several files, which gives their paths.

    Gradio's own leaves an empty file on the disk for each that it gives, and has no sentence of ours for wrong ones.
    """
    field = gr.File(file_count="multiple", **settings)
    field.preprocess = lambda payload: [file.path for file in payload.root] if payload else []  # type: ignore
    return field
