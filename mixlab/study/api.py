"""The HTTP interface in JSON, for the page and for simulated raters alike.

Every request that changes something carries a ``key`` of 16 to 64 letters, digits, ``-`` and ``_``, new for each
answer. The answer 200 means that it is stored: it is sent after the commit. A request that is sent again under its key
changes nothing and gets 200 again, so that a client repeats whatever was not acknowledged. A refusal has a status of
4xx and the body ``{"error": "<one sentence>"}``: 404 for a link or trial that is not known, 409 for what is not allowed
now (a rating that is locked, a trial that is final, an invitation that is used), 422 for values that cannot be.

    POST   /api/join                     {invitation, consent: true, key}            -> {link}
    GET    /api/p/<link>                 -> {step, current, trials: [{number, stage, opened}]}
                                            step: background, sound, trials, done
                                            stage: advice, after, pair, annotate, final
    POST   /api/p/<link>/background      {answers: {<question>: value}, key}
    POST   /api/p/<link>/sound           {playback: headphones|loudspeakers, tones: [1..3, ...], key}; loudspeakers: []
    GET    /api/p/<link>/trials/<n>      opens trial n (from 1) -> {number, of, training, stage, anchor, prompt,
                                            advice: [text], versions: [{label, file}], comment, preferred,
                                            criteria: [{name, question, points, rating, when}]}
    PUT    /api/p/<link>/trials/<n>/ratings/<criterion>    {rating: 1..5, key}
    PUT    /api/p/<link>/trials/<n>/comment                {text, key}
    PUT    /api/p/<link>/trials/<n>/preference             {preferred: 0|1|2, key}; 2: neither
    POST   /api/p/<link>/trials/<n>/lock                   {key}; what was rated is locked, "after" is served
    POST   /api/p/<link>/trials/<n>/finish                 {key}; the trial is final
    POST   /api/p/<link>/finish          {key}
    DELETE /api/p/<link>                 deletes everything the participant said -> {stays: what still holds it, or ""}
    GET    /p/<link>/audio/<file>        FLAC; 403 while the participant may not hear it

The order: join, background, sound, then for each trial: open, rate the criteria of ``when: advice``, lock, rate those
of ``when: after``, finish; a pair wants a preference and no lock, expert's advice (stage ``annotate``) is the comment;
at the end, finish.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mixlab.study.sessions import Sessions, find
from mixlab.study.trials import NEITHER, Trials, trial_of
from mixlab.study.views import session_view, trial_view

MOST_CHARACTERS = 4000


def storable(text: str) -> str:
    """A text that every database can hold: no NUL, no half of a character."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("it holds a character that cannot be stored")
    return text


def agreed(consent: bool) -> bool:
    """Consent that was given."""
    if not consent:
        raise ValueError("nobody takes part without consent")
    return consent


Text = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(storable)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class Keyed(BaseModel):
    """A request that changes something."""

    model_config = ConfigDict(extra="forbid", strict=True)
    key: Key


class Join(Keyed):
    invitation: Text
    consent: Annotated[bool, AfterValidator(agreed)]


class Background(Keyed):
    answers: dict[Text, int | Text | list[Text]]


class Sound(Keyed):
    playback: Literal["headphones", "loudspeakers"]
    tones: list[Annotated[int, Field(ge=1, le=3)]]


class Rated(Keyed):
    rating: Annotated[int, Field(ge=1, le=5)]


class Commented(Keyed):
    text: Text


class Preferred(Keyed):
    preferred: Annotated[int, Field(ge=0, le=NEITHER)]


def make_api(sessions: Sessions, trials: Trials) -> APIRouter:
    """The routes of this module."""
    api = APIRouter(prefix="/api")
    done = {"stored": True}

    @api.post("/join")
    def join(body: Join) -> dict[str, str]:
        return {"link": sessions.join(body.invitation, body.key)}

    @api.get("/p/{link}")
    def state(link: str) -> dict[str, Any]:
        with sessions.database.reading() as db:
            return session_view(find(db, link))

    @api.post("/p/{link}/background")
    def background(link: str, body: Background) -> dict[str, bool]:
        sessions.background(link, body.key, body.answers)
        return done

    @api.post("/p/{link}/sound")
    def sound(link: str, body: Sound) -> dict[str, bool]:
        sessions.sound(link, body.key, body.playback, body.tones)
        return done

    @api.get("/p/{link}/trials/{number}")
    def trial(link: str, number: int) -> dict[str, Any]:
        trials.open(link, number)
        with sessions.database.reading() as db:
            person = find(db, link)
            return trial_view(trials, person, trial_of(person, number))

    @api.put("/p/{link}/trials/{number}/ratings/{criterion}")
    def rate(link: str, number: int, criterion: str, body: Rated) -> dict[str, bool]:
        trials.rate(link, body.key, number, criterion, body.rating)
        return done

    @api.put("/p/{link}/trials/{number}/comment")
    def comment(link: str, number: int, body: Commented) -> dict[str, bool]:
        trials.comment(link, body.key, number, body.text)
        return done

    @api.put("/p/{link}/trials/{number}/preference")
    def prefer(link: str, number: int, body: Preferred) -> dict[str, bool]:
        trials.prefer(link, body.key, number, body.preferred)
        return done

    @api.post("/p/{link}/trials/{number}/lock")
    def lock(link: str, number: int, body: Keyed) -> dict[str, bool]:
        trials.lock(link, body.key, number)
        return done

    @api.post("/p/{link}/trials/{number}/finish")
    def finish_trial(link: str, number: int, body: Keyed) -> dict[str, bool]:
        trials.finish_trial(link, body.key, number)
        return done

    @api.post("/p/{link}/finish")
    def finish(link: str, body: Keyed) -> dict[str, bool]:
        trials.finish(link, body.key)
        return done

    @api.delete("/p/{link}")
    def delete(link: str) -> dict[str, str]:
        return {"stays": sessions.delete(link)}

    return api
