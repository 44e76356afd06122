"""The monitor behind a password: how far participants are, and the coding of comments."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections import Counter, deque
from hashlib import sha256
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from mixlab.serving.connections import address_of
from mixlab.study.api import Text
from mixlab.study.coding import code, coded, comments, kappas
from mixlab.study.database import Invitation, Participant, Rating, Trial
from mixlab.study.sessions import Refused, Sessions
from mixlab.study.views import step

MINUTE_S = 60.0
ADDRESSES = 10_000
"""How many addresses are remembered; an attacker with more of them must not fill the memory."""

CODER = r"^[A-Za-z][\w-]{0,30}$"


class Guard:
    """Lets in who knows the password; from one address only so many wrong ones a minute are looked at.

    Args:
        password: of the monitor; None keeps everybody out.
        attempts_per_minute: wrong passwords from an address, after which it waits.
    """

    def __init__(self, password: str | None, attempts_per_minute: int) -> None:
        self._digest = None if password is None else sha256(password.encode()).digest()
        self._attempts = attempts_per_minute
        self._failures: dict[str, deque[float]] = {}
        self._lock = Lock()

    def __call__(self, request: Request) -> None:
        """Pass, or refuse.

        Raises:
            Refused: 401 without the right password, 429 after too many wrong ones, 403 where there is no monitor.
        """
        if self._digest is None:
            raise Refused(403, "The monitor is off, since the server was started without a password for it.")
        address = address_of(request.client.host if request.client else None)
        given = _password(request.headers.get("authorization", ""))
        with self._lock:
            failures = self._failures.get(address, deque())
            while failures and failures[0] < time.monotonic() - MINUTE_S:
                failures.popleft()
            if len(failures) >= self._attempts:
                raise Refused(429, "Too many wrong passwords; wait a minute.")
            # Digests of one length, compared in constant time: the time says nothing about the password.
            if given is not None and hmac.compare_digest(sha256(given).digest(), self._digest):
                self._failures.pop(address, None)
                return
            if given is not None:
                failures.append(time.monotonic())
                self._failures[address] = failures
                if len(self._failures) > ADDRESSES:
                    del self._failures[next(iter(self._failures))]
        raise Refused(401, "The monitor needs its password.")


class Coding(BaseModel):
    """What a coder says of a comment."""

    model_config = ConfigDict(extra="forbid", strict=True)
    coder: Annotated[str, Field(pattern=CODER)]
    codes: list[Text]


def make_monitor(sessions: Sessions, guard: Guard, templates: Jinja2Templates) -> APIRouter:
    """The routes of this module. They show counts and never means, so that nobody looks at results too early."""
    monitor = APIRouter(prefix="/monitor", dependencies=[Depends(guard)], default_response_class=HTMLResponse)
    database, instrument = sessions.database, sessions.instrument

    def page(request: Request, name: str, **values: object) -> Response:
        shared = {"title": instrument.title, "simulated": sessions.simulated}
        headers = {"Cache-Control": "no-store"}
        return templates.TemplateResponse(request, f"{name}.html.j2", shared | values, headers=headers)

    @monitor.get("")
    def overview(request: Request) -> Response:
        with database.reading() as db:
            people = [
                {name: getattr(person, name) for name in ("id", "started", "finished", "playback", "tones_right")}
                | {
                    "step": step(person),
                    "final": sum(trial.final is not None for trial in person.trials),
                    "of": len(person.trials),
                    "last": max((t.final or t.opened or "" for t in person.trials), default="") or person.started,
                }
                for person in db.scalars(select(Participant).order_by(Participant.id))
            ]
            invitations = db.scalar(select(func.count(Invitation.token))) or 0
            used = db.scalar(select(func.count(Invitation.used))) or 0
            query = select(Trial.systems, Rating.criterion).join(Rating).where(Trial.kind == "main")
            cells = Counter((", ".join(systems), criterion) for systems, criterion in db.execute(query))
        manifest, open_fields = sessions.folder.manifest, sessions.folder.open_fields()
        return page(
            request, "monitor", people=people, invitations=invitations, used=used, quota=instrument.quota.plain(),
            playback=Counter(person["playback"] for person in people),
            finished=sum(person["finished"] is not None for person in people),
            systems=manifest.systems, criteria=list(instrument.criteria), cells=cells,
            notes=[*manifest.notes, *(f"{name} has open fields." for name in open_fields)],
        )  # fmt: skip

    @monitor.get("/coding")
    def coding(request: Request, coder: Annotated[str, Field(pattern=CODER)] | None = None) -> Response:
        found = coded(database)
        # Nobody sees the other's codes.
        given, said = (found.get(coder, {}), comments(database)) if coder else ({}, [])
        return page(
            request, "coding", coder=coder, coders=sorted(found), codes=instrument.codes, comments=said, given=given,
            kappas=kappas(found, list(instrument.codes)),
        )  # fmt: skip

    @monitor.put("/coding/{trial}")
    def save(trial: int, body: Coding) -> Response:
        code(database, trial, body.coder, body.codes, set(instrument.codes))
        return Response(status_code=204)

    return monitor


def _password(header: str) -> bytes | None:
    """The password in a header of basic authentication; the user name does not matter."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
