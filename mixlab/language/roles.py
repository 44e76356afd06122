"""Room language: which names of roles advice can speak of: what is said about them has to be read back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

from mixlab.language.advice import Advice, Move
from mixlab.language.degree import Degree
from mixlab.language.parse import parse
from mixlab.language.templates import PartWording, ResponseWording, describing, fill_response, response_bank
from mixlab.language.wording import STEM_NAMES

_FORM = re.compile(r"[a-z]+(?:_[a-z]+)*")
_AMOUNTS_DB = {Degree.SLIGHT: (1.0, 2.0), Degree.CLEAR: (3.0, 6.0), Degree.FAR: (8.0, 12.0)}


@cache
def unspeakable(roles: tuple[str, ...]) -> str | None:
    """Why advice cannot speak of roles of these names, as the end of a sentence; None where it can.

    A name is lower-case words joined by ``_`` (``other_keys`` reads "other keys"), and every description and solution
    of the bank reads back with it: a role called ``up`` would make "turn the bass up" a sentence about two stems.
    """
    for role in roles:
        if not isinstance(role, str) or not _FORM.fullmatch(role):
            return f"{role!r}, which is not lower-case words joined by '_'"
    if set(roles) <= set(STEM_NAMES):
        return None
    for index, role in enumerate(roles):
        for text, advice in _sentences(role, roles[index - 1]):
            if parse(text, roles).advice != advice:
                return f"{role!r} among {', '.join(roles)}, with which {text!r} cannot be read"
    return None


def _sentences(role: str, anchor: str) -> Iterator[tuple[str, Advice]]:
    """Every description and every solution about a role, with what they say."""
    bank = response_bank()
    for sign, (low_db, high_db) in product((1, -1), _AMOUNTS_DB.values()):
        move = Move(role, *sorted((sign * low_db, sign * high_db)))
        described, solved = describing(bank, move), bank.solutions[move.direction]
        for index in range(max(len(described), len(solved))):
            part = PartWording(index % len(described), index % len(solved))
            yield fill_response(Advice((move,)), anchor, None, ResponseWording((part,))), Advice((move,))
