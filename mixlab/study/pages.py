"""The pages of participants, made on the server; each shows one step."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt

from mixlab.escaping import finalize
from mixlab.study.sessions import Refused, Sessions, find
from mixlab.study.trials import Trials, trial_of
from mixlab.study.views import audible, current, step, trial_view

HERE = Path(__file__).parent

PAGE_HEADERS = {"Cache-Control": "no-store"}


def make_templates() -> Jinja2Templates:
    """The pages' templates; whatever is put into them is shown as text."""
    # By default only names that end in .html are escaped.
    return Jinja2Templates(
        env=Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, finalize=finalize)
    )


def make_pages(sessions: Sessions, trials: Trials, templates: Jinja2Templates) -> APIRouter:
    """The routes of this module."""
    pages = APIRouter(default_response_class=HTMLResponse)
    instrument, manifest = sessions.instrument, sessions.folder.manifest
    # Raw HTML in Markdown stays text.
    markdown = MarkdownIt("commonmark", {"html": False}).render
    information, consent = (markdown(sessions.folder.text(name)) for name in ("information", "consent"))

    def page(request: Request, name: str, values: Mapping[str, Any]) -> Response:
        shared = {"title": instrument.title, "simulated": sessions.simulated, "rates": sessions.rates}
        return templates.TemplateResponse(request, f"{name}.html.j2", {**shared, **values}, headers=PAGE_HEADERS)

    @pages.get("/")
    def start(request: Request) -> Response:
        return page(request, "message", {"sentence": "This study is by invitation. Open the link that you were sent."})

    @pages.get("/i/{token}")
    def invitation(request: Request, token: str) -> Response:
        if not sessions.is_open(token):
            raise Refused(409, "This invitation has been used. Go on with the link that you were given then.")
        values = {"token": token, "information": information, "consent": consent, "key": secrets.token_urlsafe(24)}
        return page(request, "welcome", values)

    @pages.get("/p/{link}")
    def session(request: Request, link: str) -> Response:
        with sessions.database.reading() as db:
            person = find(db, link)
            now, number = step(person), current(person)
            last = len(person.trials)
        if now == "trials" and number is not None:
            return RedirectResponse(f"/p/{link}/trials/{number}", status_code=303, headers=PAGE_HEADERS)
        name = "end" if now == "trials" else now
        values = {"link": link, "instrument": instrument, "tones": manifest.tones, "level": manifest.level, "of": last}
        return page(request, name, values)

    @pages.get("/p/{link}/information")
    def read_again(request: Request, link: str) -> Response:
        with sessions.database.reading() as db:
            find(db, link)
        texts = {"information": information, "consent": consent, "clears_backups": sessions.database.is_sqlite}
        return page(request, "information", {"link": link, **texts})

    @pages.get("/p/{link}/trials/{number}")
    def trial(request: Request, link: str, number: int) -> Response:
        trials.open(link, number)
        with sessions.database.reading() as db:
            person = find(db, link)
            view = trial_view(trials, person, trial_of(person, number))
            later = [t.position for t in person.trials if t.position > number and t.final is None]
            earlier = [t.position for t in person.trials if t.position < number and t.final is None]
        if view["stage"] == "final":
            return RedirectResponse(f"/p/{link}", status_code=303, headers=PAGE_HEADERS)
        skips = bool(later) and not view["training"] and view["stage"] != "pair" and person_may_skip(later[0], view)
        others = {"earlier": earlier[-1] if earlier else None, "later": later[0] if skips else None}
        return page(request, "trial", {"link": link, "trial": view, "instrument": instrument, **others})

    def person_may_skip(number: int, view: Mapping[str, Any]) -> bool:
        return number <= view["of"] - (instrument.session.pairs if sessions.rates else 0)

    @pages.get("/p/{link}/audio/{name}")
    def audio(link: str, name: str) -> Response:
        with sessions.database.reading() as db:
            allowed = audible(trials, find(db, link))
        path = sessions.folder.file(name)
        if path is None:
            raise Refused(404, "There is no such sound.")
        if name not in allowed:
            raise Refused(403, "This cannot be heard yet.")
        return FileResponse(path, media_type="audio/flac", headers={"Cache-Control": "private, max-age=3600"})

    return pages
