"""Room web: the page, in Gradio: what is where, and which part of `Desk` answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from mixlab.advising.usual import usual
from mixlab.errors import MixlabError
from mixlab.serving.connections import address_of
from mixlab.web import api, demo, drawing
from mixlab.web.arrival import file_field
from mixlab.web.desk import HIGHEST_IGNORED_DB, LONGEST_WORDS, Desk
from mixlab.web.sessions import Folder
from mixlab.web.uploads import FORMATS
from mixlab.web.work import LEFT_OUT

NOT_KNOWN = "not known"
HEAD = '<link rel="stylesheet" href="page/page.css"><script src="page/player.js" defer></script>'
LISTENING: dict[str, Any] = {"concurrency_id": "listen", "concurrency_limit": 1}
"""One song is listened to at a time; others wait in the queue."""

QUEUE = 100
"""How many calls wait for each function that is at work."""


class Page:
    """The page of a desk.

    Args:
        desk: answers.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self) -> gr.Blocks:
        """The Gradio application, with its queue."""
        description = self.desk.advisor.description
        # Gradio deletes by itself what was uploaded and never taken.
        with gr.Blocks(title="mixlab", analytics_enabled=False, delete_cache=(600, 1800)) as blocks:
            gr.HTML(
                drawing.render(
                    "head",
                    synthetic=self.desk.advisor.heard_demo_songs_only,
                    anchors=", ".join(description.anchors),
                    roles=", ".join(description.stems),
                )
            )
            with gr.Row():
                drop = file_field(label="Stems, or a zip of them", file_types=[*FORMATS, ".zip"], height=160)
                with gr.Column():
                    song = gr.Dropdown([song.title for song in demo.SONGS], label="Or a demo song (synthetic)")
                    pick = gr.Button("Use this demo song")
                    clear = gr.Button("Remove all tracks")
            message = gr.HTML()
            view = gr.State([])
            anchor = gr.Radio(description.anchors, value=description.anchors[0], label="Anchor: stays where it is")
            self._track_list(view, message)
            with gr.Row():
                genre = gr.Dropdown([NOT_KNOWN, *usual().genres], value=NOT_KNOWN, label="Genre", min_width=240)
                ignore = gr.Slider(
                    0.0, HIGHEST_IGNORED_DB, 1.0, step=0.5, label="Ignore moves below (dB)", min_width=240
                )
            words = gr.Textbox(
                label="What you hear, or a question (optional)",
                placeholder="The vocals are buried",
                max_length=LONGEST_WORDS,
                lines=1,
            )
            with gr.Row():
                advise = gr.Button("Advise", variant="primary", elem_id="advise")
                cancel = gr.Button("Cancel", elem_id="cancel")
            progress = gr.HTML()
            results, player = gr.HTML(elem_id="results"), gr.HTML(elem_id="player")
            with gr.Row(visible=False) as after:
                apply = gr.Button("Apply the advice", elem_id="apply")
                again = gr.Button("Ask again on the result", elem_id="again")
            downloads = gr.HTML(elem_id="downloads")
            self._shown = [progress, message, results, player, after, downloads]

            # First, since the first handler of a name has it: the page's own are not for programs.
            api.add(self.desk, LISTENING)
            inside: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            drop.upload(self.take, [drop], [drop, view, *self._shown], **inside)
            pick.click(self.pick, [song], [view, genre, *self._shown], **inside)
            clear.click(self.clear, None, [view, *self._shown], **inside)
            asking = [anchor, words, genre, ignore]
            events: list[Any] = [
                button.click(self.advise, asking, self._shown, **inside, **LISTENING) for button in (advise, again)
            ]
            # In the queue as well, though nobody waits there: outside of it every function could be called.
            cancel.click(self.cancelled, None, [progress], cancels=events, concurrency_limit=None, **inside)
            apply.click(self.apply, [ignore], [message, downloads], **inside)
            ignore.release(self.show, [ignore], self._shown, **inside)
            blocks.unload(self.leave)
        return blocks.queue(api_open=False, max_size=QUEUE, default_concurrency_limit=4)

    def _track_list(self, view: gr.State, message: gr.HTML) -> None:
        """One row a track, drawn anew when the tracks change."""
        choices = [*self.desk.advisor.description.stems, LEFT_OUT]

        @gr.render(inputs=[view], triggers=[view.change])
        def tracks(rows: list[dict[str, Any]]) -> None:
            for number, row in enumerate(rows):
                with gr.Row(key=f"row-{row['key']}", elem_classes="mx-track-row"):
                    gr.HTML(drawing.render("track", **row["shown"]), key=f"wave-{row['key']}")
                    role = gr.Radio(
                        choices,
                        value=row["role"],
                        # What is drawn later Gradio takes for an output, which nobody may change.
                        interactive=True,
                        label=f"Role of {row['shown']['name']}",
                        key=f"role-{row['key']}",
                        min_width=240,
                    )

                    def correct(chosen: str, request: gr.Request, number: int = number) -> Any:
                        return self.correct(number, chosen, request)

                    role.input(
                        correct, [role], self._shown, api_visibility="private", show_progress="hidden", key=row["key"]
                    )

    def take(self, paths: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        """Uploaded files become tracks; the field for dropping is empty again."""
        folder = self._folder(request)
        try:
            left_out = self.desk.take(folder, paths or [])
        except MixlabError as error:
            return (None, gr.skip(), *self._message(str(error), "mx-error"))
        said = f"Left out, being no audio: {', '.join(left_out[:5])}." if left_out else ""
        return (None, self._view(folder), *self._nothing(said))

    def pick(self, title: str | None, request: gr.Request) -> tuple[Any, ...]:
        """A demo song becomes the tracks."""
        folder = self._folder(request)
        try:
            song = self.desk.take_demo(folder, title or "")
        except MixlabError as error:
            return (gr.skip(), gr.skip(), *self._message(str(error), "mx-error"))
        return (self._view(folder), song.genre, *self._nothing("A synthetic song; its right balance is known."))

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """No tracks any more."""
        self.desk.clear(self._folder(request))
        return ([], *self._nothing("All tracks are removed."))

    def correct(self, number: int, role: str, request: gr.Request) -> tuple[Any, ...]:
        """A track has another role."""
        try:
            self.desk.set_role(self._folder(request), number, role)
        except MixlabError as error:
            return self._message(str(error), "mx-error")
        return self._nothing()

    def advise(
        self, anchor: str, words: str, genre: str, ignore_below_db: float, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Listen, telling how far it is, then show everything."""
        folder = self._folder(request)
        try:
            for share, doing in self.desk.ask(folder, anchor or "", words or "", _genre(genre)):
                yield (drawing.render("progress", percent=round(100 * share), doing=doing), *self._nothing()[1:])
            yield self._everything(folder, ignore_below_db)
        except MixlabError as error:
            yield ("", *self._message(str(error), "mx-error")[1:])

    def cancelled(self) -> str:
        """Listening was stopped."""
        return drawing.render("message", sentence="Cancelled.", kind="mx-done")

    def show(self, ignore_below_db: float, request: gr.Request) -> tuple[Any, ...]:
        """The same advice with other moves ignored."""
        folder = self._folder(request)
        try:
            if self.desk.work_of(folder).advised is not None:
                return self._everything(folder, ignore_below_db)
        except MixlabError as error:
            return self._message(str(error), "mx-error")
        return tuple(gr.skip() for _ in self._shown)

    def apply(self, ignore_below_db: float, request: gr.Request) -> tuple[Any, ...]:
        """Write the rebalanced files and offer them."""
        folder = self._folder(request)
        try:
            rendered, links = self.desk.apply(folder, ignore_below_db)
            links |= self.desk.lists(folder, ignore_below_db)
        except MixlabError as error:
            return drawing.render("message", sentence=str(error), kind="mx-error"), gr.skip()
        return "", drawing.render("downloads", links=links, rendered=rendered)

    def leave(self, request: gr.Request) -> None:
        """The page was closed: its files go at once."""
        self.desk.folders.leave(request.session_hash or "")

    def _folder(self, request: gr.Request) -> Folder:
        return self.desk.folders.of_visitor(request.session_hash or "", address_of(request.client.host))

    def _view(self, folder: Folder) -> list[dict[str, Any]]:
        """What the list of tracks shows."""
        return [
            {
                "key": f"{folder.taken}-{number}-{track.upload.path.name}",
                "role": track.role,
                "shown": {
                    "name": track.upload.name,
                    "length": drawing.clock(track.upload.header.duration_s),
                    "rate": f"{track.upload.header.sample_rate / 1000:g}",
                    "channels": track.upload.header.channels,
                    "path": drawing.waveform(folder.outlines[track.upload.path]),
                },
            }
            for number, track in enumerate(self.desk.work_of(folder).tracks)
        ]

    def _everything(self, folder: Folder, ignore_below_db: float) -> tuple[Any, ...]:
        links = self.desk.lists(folder, ignore_below_db)
        return (
            "",
            "",
            drawing.results(self.desk.work_of(folder), ignore_below_db),
            self.desk.listenable(folder, ignore_below_db),
            gr.update(visible=True),
            drawing.render("downloads", links=links, rendered=None),
        )

    def _nothing(self, sentence: str = "") -> tuple[Any, ...]:
        """No advice is shown, only a sentence where there is one."""
        said = drawing.render("message", sentence=sentence, kind="mx-done")
        return ("", said, "", "", gr.update(visible=False), "")

    def _message(self, sentence: str, kind: str) -> tuple[Any, ...]:
        """A sentence beside what is shown already."""
        said = drawing.render("message", sentence=sentence, kind=kind)
        return (gr.skip(), said, *(gr.skip() for _ in self._shown[2:]))


def _genre(chosen: str | None) -> str | None:
    return None if chosen in (None, "", NOT_KNOWN) else chosen
