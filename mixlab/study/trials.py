"""What a participant may do in a trial and when: the rules of trials, on the database, without HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from mixlab.study.database import Participant, Rating, Trial, now
from mixlab.study.manifest import Item
from mixlab.study.sessions import Refused, Sessions, find
from mixlab.study.settings import When

NEITHER = 2
"""What `preferred` is in a pair where neither advice is."""


class Trials:
    """The rules of trials.

    Args:
        sessions: of the participants.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.database, self.folder, self.instrument = sessions.database, sessions.folder, sessions.instrument
        self.rates, self.act = sessions.rates, sessions.act

    def rate(self, link: str, key: str, number: int, criterion: str, rating: int) -> None:
        """Store a rating; until its part of the trial is locked it may be changed.

        Raises:
            Refused: if the criterion is not open to ratings at this moment.
        """
        if criterion not in self.instrument.criteria or not self.rates:
            raise Refused(404, "There is no such scale.")

        def do(trial: Trial) -> None:
            if trial.kind == "pair":
                raise Refused(409, "A comparison has no scales.")
            when = self.instrument.criteria[criterion].when
            if when is When.ADVICE and trial.locked is not None:
                raise Refused(409, "This rating is locked, since the mix after the advice can be heard.")
            if when is When.AFTER and trial.locked is None:
                raise Refused(409, "Rate the advice first; this scale comes once the mix after it can be heard.")
            found = next((given for given in trial.ratings if given.criterion == criterion), None)
            if found is None:
                trial.ratings.append(Rating(criterion=criterion, rating=rating, at=now()))
            else:
                found.rating, found.at = rating, now()

        self._change(link, key, number, ["rate", criterion, rating], do)

    def comment(self, link: str, key: str, number: int, text: str) -> None:
        """Store the comment on a trial, or an expert's own advice; it may be changed until the trial is final."""
        self._change(link, key, number, ["comment", text], lambda trial: setattr(trial, "comment", text))

    def prefer(self, link: str, key: str, number: int, preferred: int) -> None:
        """Store which of two is preferred: 0, 1 or `NEITHER`."""

        def do(trial: Trial) -> None:
            if trial.kind != "pair":
                raise Refused(409, "This trial compares nothing.")
            trial.preferred = preferred

        self._change(link, key, number, ["prefer", preferred], do)

    def lock(self, link: str, key: str, number: int) -> None:
        """Lock what was rated by the advice alone; from now on the mix after the advice is served.

        Raises:
            Refused: if a rating is missing.
        """

        def do(trial: Trial) -> None:
            if not self.rates or trial.kind == "pair":
                raise Refused(409, "This trial has nothing to lock.")
            self._need(trial, When.ADVICE)
            trial.locked = trial.locked or now()

        self._change(link, key, number, ["lock", None], do)

    def finish_trial(self, link: str, key: str, number: int) -> None:
        """Make a trial final.

        Raises:
            Refused: if something is missing in it.
        """

        def do(trial: Trial) -> None:
            is_rated = trial.kind != "pair" and self.rates
            if trial.kind == "pair" and trial.preferred is None:
                raise Refused(409, "Say which one you would rather have first.")
            if trial.kind != "pair" and not self.rates and not trial.comment.strip():
                raise Refused(409, "Write your advice first.")
            if is_rated and trial.locked is None:
                raise Refused(409, "Rate and lock the advice first.")
            if is_rated:
                self._need(trial, When.AFTER)
            trial.final = now()

        self._change(link, key, number, ["finish", None], do)

    def open(self, link: str, number: int) -> None:
        """Note that a trial is shown for the first time.

        Raises:
            Refused: if it is not its turn.
        """
        with self.database.writing() as db:
            person = find(db, link, lock=True)
            trial = trial_of(person, number)
            if trial.opened is not None:
                return
            before = person.trials[: number - 1]
            waits = trial.kind == "pair" or any(t.kind == "training" and t.final is None for t in before)
            if person.playback is None or any(t.opened is None for t in before):
                raise Refused(409, "It is not this trial's turn yet.")
            if waits and any(t.final is None for t in before):
                raise Refused(409, "Finish the trials before this one first.")
            trial.opened = now()

    def finish(self, link: str, key: str) -> None:
        """End a session in which all trials are final."""

        def do(db: Session, person: Participant) -> None:
            if any(trial.final is None for trial in person.trials):
                raise Refused(409, "Some trials are not finished yet.")
            person.finished = person.finished or now()

        self.act(link, key, ["finish", None], do)

    def item(self, trial: Trial) -> Item:
        """The item of a trial."""
        return self.folder.manifest.items[trial.item]

    def _change(self, link: str, key: str, number: int, what: list[Any], do: Callable[[Trial], None]) -> None:
        """Do something with a trial that may be changed, once for a key."""
        named = [what[0], number, *what[1:]]
        self.act(link, key, named, lambda _, person: do(open_trial(person, number)))

    def _need(self, trial: Trial, when: When) -> None:
        given = {rating.criterion for rating in trial.ratings}
        if any(c.when is when and name not in given for name, c in self.instrument.criteria.items()):
            raise Refused(409, "Choose a point on every scale first.")


def trial_of(person: Participant, number: int) -> Trial:
    """A participant's trial by its number, from 1.

    Raises:
        Refused: if there is none.
    """
    if not 1 <= number <= len(person.trials):
        raise Refused(404, "There is no such trial.")
    return person.trials[number - 1]


def open_trial(person: Participant, number: int) -> Trial:
    """A trial that may be changed.

    Raises:
        Refused: if it was not opened yet or is final.
    """
    trial = trial_of(person, number)
    if trial.final is not None:
        raise Refused(409, "This trial is final.")
    if trial.opened is None:
        raise Refused(409, "It is not this trial's turn yet.")
    return trial
