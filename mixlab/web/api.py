"""Room web: the advice as one call, for programs.

With Gradio's client::

    from gradio_client import Client, handle_file

    client = Client("http://127.0.0.1:7860")
    advice = client.predict(
        files=[handle_file(name) for name in ("bass.wav", "drums.wav", "vocals.wav")],
        anchor="bass", words="", roles={}, genre="", ignore_below_db=1.0, apply=True, api_name="/advise",
    )

Over HTTP: upload the files, call, then read the answer as server-sent events (a line ``data: [...]`` holds it)::

    curl -F files=@bass.wav -F files=@drums.wav http://127.0.0.1:7860/gradio_api/upload        # ["/.../bass.wav", ...]
    curl -H 'Content-Type: application/json' http://127.0.0.1:7860/gradio_api/call/advise -d '{"data":
        [[{"path": "/.../bass.wav", "meta": {"_type": "gradio.FileData"}},
          {"path": "/.../drums.wav", "meta": {"_type": "gradio.FileData"}}], "bass", "", {}, "", 1.0, true]}'
    curl -N http://127.0.0.1:7860/gradio_api/call/advise/<event_id>
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from mixlab.errors import MixlabError
from mixlab.serving.connections import address_of
from mixlab.web.arrival import file_field
from mixlab.web.desk import Desk
from mixlab.web.sessions import Folder
from mixlab.web.uploads import LONGEST_NAME
from mixlab.web.work import as_json


def add(desk: Desk, listening: Mapping[str, Any]) -> None:
    """Add the endpoint ``/advise`` to the page that is being built; none of its fields is seen."""

    def advise(
        files: list[str] | None,
        anchor: str,
        words: str,
        roles: dict[str, str] | None,
        genre: str,
        ignore_below_db: float,
        apply: bool,
        request: gr.Request,
    ) -> dict[str, Any]:
        folder = desk.folders.new(address_of(request.client.host))
        return answer(desk, folder, files or [], anchor, words, roles or {}, genre, ignore_below_db, apply)

    with gr.Column(visible=False):
        inputs = [
            file_field(label="files"),
            gr.Textbox(label="anchor", value="bass"),
            gr.Textbox(label="words"),
            gr.JSON(label="roles", value={}),
            gr.Textbox(label="genre"),
            gr.Number(label="ignore_below_db", value=1.0),
            gr.Checkbox(label="apply"),
        ]
        output = gr.JSON(label="advice")
        gr.Button("advise").click(advise, inputs, output, api_name="advise", **listening)


def answer(
    desk: Desk,
    folder: Folder,
    files: list[str],
    anchor: str,
    words: str,
    roles: Mapping[str, Any],
    genre: str,
    ignore_below_db: float,
    apply: bool,
) -> dict[str, Any]:
    """Advice on uploaded files as JSON values.

    Args:
        folder: a fresh one; what may be fetched stays in it, and nothing at all where there is no advice.
        roles: role by file name, where the name does not tell it.
        apply: whether to render the rebalanced stems; ``downloads`` then has their address too.

    Returns:
        As `work.as_json`, with ``downloads`` (label -> address on this server, for half an hour after its last use).

    Raises:
        gr.Error: one sentence.
    """
    try:
        desk.take(folder, files)
        work = desk.work_of(folder)
        names = [track.upload.name for track in work.tracks]
        for name, role in roles.items():
            if name not in names:
                raise MixlabError(
                    f"roles names '{name[:LONGEST_NAME]}', which is none of the files ({', '.join(names)})."
                )
            desk.set_role(folder, names.index(name), str(role))
        for _ in desk.ask(folder, anchor or "", words or "", genre or None):
            pass
        advice = as_json(work, ignore_below_db)
        links = desk.lists(folder, ignore_below_db)
        if apply:
            rendered, archive = desk.apply(folder, ignore_below_db)
            links |= archive
            advice |= {"trim_db": rendered.trim_db, "true_peak_dbtp": rendered.true_peak_dbtp}
    except MixlabError as error:
        desk.folders.remove(folder)
        raise gr.Error(str(error), print_exception=False) from error
    except BaseException:
        desk.folders.remove(folder)
        raise
    desk.keep_downloads(folder)
    return advice | {"downloads": links}
