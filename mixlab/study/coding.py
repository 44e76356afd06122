"""Comments coded by two people, each without seeing the other's codes, and how well they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sklearn.metrics import cohen_kappa_score
from sqlalchemy import select

from mixlab.study.database import Code, Database, Participant, Trial
from mixlab.study.sessions import Refused

READ = ""
"""The code which says that a coder has read a comment."""

Coded = Mapping[str, Mapping[Any, Set[str]]]
"""Coder -> what names a comment -> the codes that the coder gave it."""


def comments(database: Database) -> list[tuple[int, str]]:
    """Trial and text of all comments, in an order that says nothing about who wrote them or of which system."""
    with database.reading() as db:
        rows = db.execute(select(Trial.id, Trial.comment).where(Trial.comment != "", Trial.kind != "training")).all()
    return sorted(((trial, text) for trial, text in rows), key=lambda row: (row[1].casefold(), row[0]))


def coded(database: Database) -> dict[str, dict[int, set[str]]]:
    """What every coder has coded so far."""
    found: dict[str, dict[int, set[str]]] = {}
    with database.reading() as db:
        for row in db.scalars(select(Code)):
            codes = found.setdefault(row.coder, {}).setdefault(row.trial_id, set())
            codes.update({row.code} - {READ})
    return found


def code(database: Database, trial: int, coder: str, codes: Sequence[str], known: Set[str]) -> None:
    """Store what a coder says of a comment, in place of what the coder said before.

    Raises:
        Refused: if there is no such comment or code.
    """
    if unknown := set(codes) - known:
        raise Refused(422, f"There is no code “{min(unknown)}”.")
    with database.writing() as db:
        found = db.get(Trial, trial)
        if found is None or not found.comment:
            raise Refused(404, "There is no such comment.")
        # Of two coders who save at once neither loses anything; of one coder's two requests the later one counts.
        db.get(Participant, found.participant_id, with_for_update=True)
        found.codes = [c for c in found.codes if c.coder != coder]
        db.flush()
        found.codes += [Code(coder=coder, code=name) for name in {*codes, READ}]


def kappas(found: Coded, codes: Sequence[str]) -> dict[str, tuple[int, float | None]]:
    """Cohen's kappa of the first two coders by name, for every code, over the comments that both have read.

    Returns:
        Code -> number of comments, and kappa: None where it has no value, since one of them never varies.
    """
    coders = sorted(found)[:2]
    both = sorted(set.intersection(*(set(found[coder]) for coder in coders))) if len(coders) == 2 else []
    result: dict[str, tuple[int, float | None]] = {}
    for name in codes:
        first, second = ([name in found[coder][trial] for trial in both] for coder in coders) if both else ([], [])
        varies = len(set(first)) > 1 or len(set(second)) > 1
        result[name] = (len(both), float(cohen_kappa_score(first, second)) if varies else None)
    return result
