"""Room study: what a participant may do in a trial and when: the rules of trials, on the database, without HTTP."""

from __future__ import annotations

from sqlalchemy.orm import Session

from mixlab.study.database import Participant, Rating, Trial, now
from mixlab.study.manifest import Item
from mixlab.study.sessions import Refused, Sessions, find

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

        def do(db: Session, person: Participant) -> None:
            trial = open_trial(person, number)
            if trial.kind == "pair":
                raise Refused(409, "A comparison has no scales.")
            when = self.instrument.criteria[criterion].when
            if when == "advice" and trial.locked is not None:
                raise Refused(409, "This rating is locked, since the mix after the advice can be heard.")
            if when == "after" and trial.locked is None:
                raise Refused(409, "Rate the advice first; this scale comes once the mix after it can be heard.")
            found = next((given for given in trial.ratings if given.criterion == criterion), None)
            if found is None:
                trial.ratings.append(Rating(criterion=criterion, rating=rating, at=now()))
            else:
                found.rating, found.at = rating, now()

        self.act(link, key, ["rate", number, criterion, rating], do)

    def comment(self, link: str, key: str, number: int, text: str) -> None:
        """Store the comment on a trial, or an expert's own advice; it may be changed until the trial is final."""

        def do(db: Session, person: Participant) -> None:
            open_trial(person, number).comment = text

        self.act(link, key, ["comment", number, text], do)

    def prefer(self, link: str, key: str, number: int, preferred: int) -> None:
        """Store which of two is preferred: 0, 1 or `NEITHER`."""

        def do(db: Session, person: Participant) -> None:
            trial = open_trial(person, number)
            if trial.kind != "pair":
                raise Refused(409, "This trial compares nothing.")
            trial.preferred = preferred

        self.act(link, key, ["prefer", number, preferred], do)

    def lock(self, link: str, key: str, number: int) -> None:
        """Lock what was rated by the advice alone; from now on the mix after the advice is served.

        Raises:
            Refused: if a rating is missing.
        """

        def do(db: Session, person: Participant) -> None:
            trial = open_trial(person, number)
            if not self.rates or trial.kind == "pair":
                raise Refused(409, "This trial has nothing to lock.")
            self._need(trial, "advice")
            trial.locked = trial.locked or now()

        self.act(link, key, ["lock", number, None], do)

    def finish_trial(self, link: str, key: str, number: int) -> None:
        """Make a trial final.

        Raises:
            Refused: if something is missing in it.
        """

        def do(db: Session, person: Participant) -> None:
            trial = open_trial(person, number)
            if trial.kind == "pair":
                if trial.preferred is None:
                    raise Refused(409, "Say which one you would rather have first.")
            elif not self.rates:
                if not trial.comment.strip():
                    raise Refused(409, "Write your advice first.")
            else:
                if trial.locked is None:
                    raise Refused(409, "Rate and lock the advice first.")
                self._need(trial, "after")
            trial.final = now()

        self.act(link, key, ["finish", number, None], do)

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

    def _need(self, trial: Trial, when: str) -> None:
        given = {rating.criterion for rating in trial.ratings}
        if any(c.when == when and name not in given for name, c in self.instrument.criteria.items()):
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
