"""Who takes part: invitations, joining, the questions before the first trial, deletion; without HTTP."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mixlab.study.backups import Backups
from mixlab.study.database import Database, Deletion, Invitation, Participant, Request, Trial, digest_of, now
from mixlab.study.manifest import BACKUPS, StudyFolder

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


class Refused(Exception):
    """What was asked for is not allowed now; `status` is that of HTTP, the message one sentence for the person."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


REMEMBERED = 20
"""Requests of one action after which the first is forgotten, and its key might be used again."""

LOG_STAYS = "The log of the database holds it until it is cleared, which is tried every minute."
UNKNOWN = "This link is not known here. Check that it is whole, or ask who sent it to you."


class Sessions:
    """The rules of a study for its participants, up to the trials (see `Trials`).

    Args:
        folder: of the study.
        database: where answers go.
        simulated: whether whoever joins is a simulated rater.
    """

    def __init__(self, folder: StudyFolder, database: Database, simulated: bool = False) -> None:
        self.folder, self.database, self.simulated = folder, database, simulated
        self.backups = Backups(database, folder.path / BACKUPS)
        self.instrument = folder.instrument
        self.rates = folder.manifest.mode == "rate"

    def invite(self, count: int) -> list[str]:
        """New invitations, as their tokens."""
        tokens = [secrets.token_urlsafe(24) for _ in range(count)]
        with self.database.writing() as db:
            db.add_all(Invitation(token=token, created=now()) for token in tokens)
        return tokens

    def is_open(self, token: str) -> bool:
        """Whether an invitation can still be used.

        Raises:
            Refused: if it is not known.
        """
        with self.database.reading() as db:
            return _invitation(db, token).used is None

    def join(self, token: str, key: str) -> str:
        """Let a person in who has consented, and plan the session; the same request again gives the same link.

        Returns:
            The secret link of the participant.

        Raises:
            Refused: if the invitation is not known or used, or the study has enough participants.
        """
        with self.database.writing() as db:
            invitation = _invitation(db, token, lock=True)
            if invitation.used is not None:
                owner = None if invitation.participant_id is None else db.get(Participant, invitation.participant_id)
                if owner is not None and secrets.compare_digest(invitation.join_key or "", key):
                    return owner.link
                raise Refused(409, "This invitation has been used. Go on with the link that you were given then.")
            most = self.instrument.quota.participants
            if most is not None and (db.scalar(select(func.count(Participant.id))) or 0) >= most:
                raise Refused(409, "Enough people take part already. Thank you for your interest.")
            person = Participant(link=secrets.token_urlsafe(24), simulated=self.simulated, started=now())
            db.add(person)
            db.flush()
            planned = self.folder.plan(person.id - 1)
            person.trials = [
                Trial(
                    position=position,
                    kind=trial.kind,
                    item=trial.item,
                    systems=list(trial.systems),
                    instructed=trial.instructed,
                    is_repeat=trial.is_repeat,
                )
                for position, trial in enumerate(planned, start=1)
            ]
            invitation.used, invitation.join_key, invitation.participant_id = now(), key, person.id
            return person.link

    def act(self, link: str, key: str, what: Sequence[Any], do: Callable[[Session, Participant], None]) -> None:
        """Do something once: a request that comes again under its key changes nothing.

        Args:
            what: names the action, and its value at the end; a key belongs to one. Nothing of the value is kept but a
            digest, and of an action that is repeated, like changing a comment, the last `REMEMBERED` requests.

        Raises:
            Refused: if the link is not known, or the key was used for something else; and whatever `do` refuses.
        """
        action = " ".join(map(str, what[:-1]))
        content = f"{action}: {digest_of(json.dumps(what[-1]))}"
        with self.database.writing() as db:
            person = find(db, link, lock=True)
            before = db.get(Request, (person.id, key))
            if before is not None:
                if before.content != content:
                    raise Refused(409, "This key belongs to another request; every answer needs one of its own.")
                return
            do(db, person)
            same = (Request.participant_id == person.id, Request.content.startswith(f"{action}: ", autoescape=True))
            for old in db.scalars(select(Request).where(*same).order_by(Request.at.desc()).offset(REMEMBERED - 1)):
                db.delete(old)
            db.add(Request(participant_id=person.id, key=key, content=content, at=now()))

    def background(self, link: str, key: str, answers: Mapping[str, Any]) -> None:
        """Store what a person says of themselves.

        Raises:
            Refused: if a question lacks an answer, or an answer is none of those that are possible.
        """
        self._check_background(answers)

        def do(db: Session, person: Participant) -> None:
            if person.background is not None:
                raise Refused(409, "These questions have been answered.")
            person.background = dict(answers)

        self.act(link, key, ["background", dict(answers)], do)

    def sound(self, link: str, key: str, playback: str, tones: Sequence[int]) -> None:
        """Store how a person listens, and score the headphone check.

        Raises:
            Refused: if it was done, does not have the right number of answers, or a quota is full.
        """
        wanted = len(self.folder.manifest.tones) if playback == "headphones" else 0
        if len(tones) != wanted:
            raise Refused(422, f"The check has {wanted} answers over {playback}, but {len(tones)} came.")

        def do(db: Session, person: Participant) -> None:
            if person.background is None:
                raise Refused(409, "The questions about your experience come first.")
            if person.playback is not None:
                raise Refused(409, "The sound check has been done.")
            most = getattr(self.instrument.quota, playback)
            others = db.scalar(select(func.count(Participant.id)).where(Participant.playback == playback)) or 0
            if most is not None and others >= most:
                raise Refused(409, f"Enough people listen over {playback} already. Thank you for your interest.")
            person.playback = playback
            if playback == "headphones":
                right = sum(a == tone.quietest for a, tone in zip(tones, self.folder.manifest.tones, strict=True))
                person.tones_right = right
                person.headphone_check_passed = right >= self.instrument.headphones.pass_at

        self.act(link, key, ["sound", [playback, list(tones)]], do)

    def delete(self, link: str) -> str:
        """Delete everything that a participant said, in backups as well; the invitation stays used.

        Returns:
            What stays for the time being, and where; empty where nothing does.
        """
        digest = digest_of(link)
        with self.database.writing() as db:
            # Asked again, it clears what could not be cleared before.
            if db.get(Deletion, digest) is None:
                person = find(db, link, lock=True)
                for invitation in db.scalars(select(Invitation).where(Invitation.participant_id == person.id)):
                    invitation.participant_id = invitation.join_key = None
                db.delete(person)
                db.add(Deletion(digest=digest, at=now()))
        failed = self.backups.forget()
        stays = [] if self.database.clear_log() else [LOG_STAYS]
        if failed:
            stays.append(
                f"{len(failed)} of the backups could not be opened and may hold it ({', '.join(failed[:3])}); tell "
                "those who invited you."
            )
        return " ".join(stays)

    def _check_background(self, answers: Mapping[str, Any]) -> None:
        if set(answers) != set(self.instrument.background):
            raise Refused(422, "Please answer every question.")
        for name, question in self.instrument.background.items():
            value = answers[name]
            if question.kind == "number":
                fits = type(value) is int and question.low <= value <= question.high
            elif question.kind == "choice":
                fits = value in question.options
            else:
                fits = isinstance(value, list) and bool(value) and all(part in question.options for part in value)
            if not fits:
                raise Refused(422, f"The answer to “{question.question}” is not one of those possible.")


def find(db: Session, link: str, lock: bool = False) -> Participant:
    """The participant of a link; with `lock`, nobody else changes what is theirs until the transaction ends.

    Raises:
        Refused: if nobody has the link.
    """
    query = select(Participant).where(Participant.link == link)
    person = db.scalar(query.with_for_update() if lock else query) if _SECRET.fullmatch(link) else None
    if person is None:
        raise Refused(404, UNKNOWN)
    return person


def _invitation(db: Session, token: str, lock: bool = False) -> Invitation:
    query = select(Invitation).where(Invitation.token == token)
    found = db.scalar(query.with_for_update() if lock else query) if _SECRET.fullmatch(token) else None
    if found is None:
        raise Refused(404, UNKNOWN)
    return found
