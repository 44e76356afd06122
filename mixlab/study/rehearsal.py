"""Simulated raters who take part over HTTP, like people, through killed servers and lost answers.

A rater's points come from `Raters`; what was really played, which no participant is told, is read from the database.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from mixlab.errors import MixlabError
from mixlab.study.database import Database, Participant
from mixlab.study.manifest import StudyFolder
from mixlab.study.raters import Raters

PATIENCE_S = 600.0
"""How long a rater repeats what is not acknowledged before giving up."""

Acknowledged = tuple[int, str, int]
"""Number of a trial, criterion, point: a rating that the server said is stored."""


class Lost(MixlabError):
    """A request was refused, or not acknowledged in time."""


@dataclass
class SimulatedRater:
    """One participant.

    Args:
        address: of the server, such as ``http://127.0.0.1:8600``.
        folder: of the study.
        database: that of the server, for what was really played.
        raters: the population.
        name: of the rater in it.
        playback: headphones (whose check is passed) or loudspeakers.
    """

    address: str
    folder: StudyFolder
    database: Database
    raters: Raters
    name: str
    playback: str
    acknowledged: list[Acknowledged] = field(default_factory=list)
    link: str = ""

    def take_part(self, invitation: str) -> SimulatedRater:
        """A whole session, from consent to the end; every request is repeated under its key until it is acknowledged.

        Raises:
            Lost: naming the request that the server refused or never acknowledged.
        """
        self.link = self._send("POST", "/api/join", invitation=invitation, consent=True)["link"]
        self._send("POST", self._at("/background"), answers=self._background())
        tones = [tone.quietest for tone in self.folder.manifest.tones] if self.playback == "headphones" else []
        self._send("POST", self._at("/sound"), playback=self.playback, tones=tones)
        for trial in self._played():
            self._trial(trial)
        self._send("POST", self._at("/finish"))
        return self

    def _trial(self, trial: Mapping[str, Any]) -> None:
        number, place = trial["position"], f"/trials/{trial['position']}"
        self._send("GET", self._at(place))
        if trial["kind"] == "pair":
            first, second = trial["systems"]
            preferred = self.raters.prefer(self.name, trial["item"], first, second)
            self._send("PUT", self._at(f"{place}/preference"), preferred=trial["systems"].index(preferred))
        else:
            for when in ("advice", "after"):
                for name, criterion in self.folder.instrument.criteria.items():
                    if criterion.when == when:
                        point = self._point(trial, name)
                        self._send("PUT", self._at(f"{place}/ratings/{name}"), rating=point)
                        self.acknowledged.append((number, name, point))
                if when == "advice":
                    self._send("POST", self._at(f"{place}/lock"))
        self._send("POST", self._at(f"{place}/finish"))

    def _point(self, trial: Mapping[str, Any], criterion: str) -> int:
        if trial["instructed"] is not None:
            return self.raters.follow(self.name, trial["item"], criterion, trial["instructed"])
        return self.raters.rate(self.name, trial["item"], trial["systems"][0], criterion, trial["is_repeat"])

    def _played(self) -> list[dict[str, Any]]:
        with self.database.reading() as db:
            asked = select(Participant).where(Participant.link == self.link).options(selectinload(Participant.trials))
            person = db.scalars(asked).one()
            keys = ("position", "kind", "systems", "instructed", "is_repeat")
            items = self.folder.manifest.items
            return [{key: getattr(t, key) for key in keys} | {"item": items[t.item].item} for t in person.trials]

    def _background(self) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for name, question in self.folder.instrument.background.items():
            if question.kind == "number":
                said[name] = int(question.low)
            else:
                said[name] = question.options[0] if question.kind == "choice" else question.options[:1]
        return said

    def _at(self, path: str) -> str:
        return f"/api/p/{self.link}{path}"

    def _send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """One request, the same again until an answer comes."""
        text = None if method == "GET" else json.dumps({"key": secrets.token_urlsafe(16)} | body).encode()
        request = Request(self.address + path, text, {"Content-Type": "application/json"}, method=method)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read())
            except HTTPError as error:
                if error.code < 500 or time.monotonic() > until:
                    what = error.read().decode(errors="replace")[:200]
                    raise Lost(f"The server refused {method} {path.replace(self.link, '<link>')}: {what}") from None
            except (OSError, HTTPException, ValueError) as error:
                if time.monotonic() > until:
                    raise Lost(f"The server did not answer for {PATIENCE_S:g} s ({error}).") from None
            time.sleep(0.1)
