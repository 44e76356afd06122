"""Room language: banks from a user's own files, which are taken only where the parser reads every template back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mixlab.errors import ConfigError
from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import Banks, PromptBank, ResponseBank, default_banks
from mixlab.language.degree import Degree
from mixlab.language.parse import parse
from mixlab.language.reason import Reason
from mixlab.language.templates import PartWording, ResponseWording, fill_prompt, fill_response
from mixlab.language.wording import AGREEMENT, STEM_NAMES, RangeForm

STEMS = (*STEM_NAMES, "lead_guitar")
"""Stems that templates are tried with: singular, plural, the ordinary word, and a name of two words."""

LARGEST_BYTES = 1_000_000
"""Of a file with a bank."""

PROMPT_FIELDS = {"stem", "anchor"}
RESPONSE_FIELDS = {"stem", "reference", "amount", "by", "heard", "usual"}
STATES = {Direction.RAISE: State.TOO_QUIET, Direction.LOWER: State.TOO_LOUD, Direction.LEAVE: State.BALANCED}
AMOUNTS_DB = {
    Degree.SLIGHT: ((1.0, 1.0), (0.5, 2.0), (1.5, 1.5)),
    Degree.CLEAR: ((6.0, 6.0), (1.5, 6.0), (3.5, 3.5)),
    Degree.FAR: ((9.0, 9.0), (8.0, 12.0), (10.5, 10.5)),
}

REASONS_DB = {
    Direction.LOWER: ((6.0, 2.0), (6.0, -2.0), (-2.0, -6.0), (9.0, 1.0)),
    Direction.RAISE: ((2.0, 6.0), (-2.0, 6.0), (-6.0, -2.0), (-9.0, -1.0)),
}
"""Loudness above the anchor as it is heard and as it is usual, on both sides of it."""

Bank = TypeVar("Bank", PromptBank, ResponseBank)
Tried = Iterator[tuple[str, str, bool]]
"""For each trial: the template that is tried, the text made with it, and whether the text is understood as meant."""


@cache
def read_banks(prompts: str | None, responses: str | None) -> Banks:
    """The banks in two files, each None for the one that comes with the package.

    A response has to be understood as the advice that it was made of. Of what users say, a description of the mix must
    not be taken for another one, nor a question for a description; whether it is understood does not matter.

    Raises:
        ConfigError: naming the file, and the template that cannot be read back.
    """
    own = default_banks()
    return Banks(
        own.prompts if prompts is None else _read(prompts, PromptBank.of, PROMPT_FIELDS, _tried_prompts),
        own.responses if responses is None else _read(responses, ResponseBank.of, RESPONSE_FIELDS, _tried_responses),
    )


def _read(name: str, make: Callable[[Any], Bank], fields: set[str], tried: Callable[[Bank], Tried]) -> Bank:
    path = Path(name).expanduser()
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is no file of at most {LARGEST_BYTES} bytes")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        bank = make(data)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(
            f"{path} cannot be read as a bank of templates ({reason}); write it in the form of those in "
            "mixlab/language/data."
        ) from error
    for template in _texts(data):
        _check_fields(path, template, fields)
    for template, text, is_understood in tried(bank):
        if not is_understood:
            raise ConfigError(
                f"{path} holds the template '{template}', which makes '{text}', and mixlab's parser does not read that "
                "as it is meant; reword the template as those in mixlab/language/data are."
            )
    return bank


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for part in node.values() if isinstance(node, dict) else node:
            yield from _texts(part)


def _check_fields(path: Path, template: str, fields: set[str]) -> None:
    found = AGREEMENT.sub("", template)
    rest = re.sub(rf"\{{(?:{'|'.join(sorted(fields))})\}}", "", found)
    if "{" in rest or "}" in rest or "\n" in rest.strip():
        names = ", ".join(f"{{{name}}}" for name in sorted(fields))
        raise ConfigError(f"{path} holds the template '{template}', whose fields can be {names} and {{are|is}} alone.")


def _tried_prompts(bank: PromptBank) -> Tried:
    if bank.held_out is not None:
        yield from _tried_prompts(bank.held_out)
    for template in bank.advice_seeking:
        text = fill_prompt(template, None, "drums")
        yield template, text, parse(text, STEMS).advice is None
    for stem in STEMS:
        anchor = STEMS[STEMS.index(stem) - 1]
        for state, degree in product(bank.claims, Degree):
            claim = Claim(state, None if state is State.BALANCED else stem, degree)
            for template in bank.templates(claim):
                text = fill_prompt(template, claim, anchor)
                understood = parse(text, STEMS).advice
                names_it = claim.stem is None or "{stem}" in template
                yield template, text, names_it and (understood is None or _says(understood, claim))


def _says(advice: Advice, claim: Claim) -> bool:
    return claim.holds(advice.gains_db) and len(advice.moves) == (claim.stem is not None)


def _tried_responses(bank: ResponseBank) -> Tried:
    # Solutions first, beside descriptions that come with the package, so that the culprit is the one that is named.
    plain = ResponseBank(default_banks().responses.descriptions, bank.solutions, bank.verdicts)
    for direction, state in STATES.items():
        solved, clear = bank.solutions[direction], bank.descriptions[state][Degree.CLEAR]
        for turn, stem in enumerate(STEMS):
            anchor = STEMS[turn - 1]
            for number, template in enumerate(solved):
                # Every third speaks of the anchor itself, beside "the rest of the mix".
                spoken_of, moves = stem if number % 3 == 0 else anchor, _moves(direction, stem, number)
                yield template, *_read_back(plain, moves, spoken_of, PartWording(0, number))
            for degree, described in bank.descriptions[state].items():
                for number, template in enumerate(described):
                    part = PartWording(number, (number + turn) % len(solved), tuple(RangeForm)[number % 2])
                    yield template, *_read_back(bank, _moves(direction, stem, number, degree), anchor, part)
        for number, template in enumerate(bank.reasons):
            for turn, (heard_db, usual_db) in enumerate(REASONS_DB.get(direction, ())):
                stem, part = STEMS[turn], PartWording(0, number % len(solved), reason=number)
                reasons, own = {stem: Reason(heard_db, usual_db)}, replace(plain, reasons=bank.reasons)
                moves = _moves(direction, stem, number)
                yield template, *_read_back(own, moves, STEMS[turn - 1], part, reasons=reasons)
        for verdict, by_state in bank.verdicts.items():
            for said, templates in by_state.items():
                for number, template in enumerate(templates):
                    part = PartWording(number % len(clear), number % len(solved))
                    for stem, moved in product(("bass", "drums"), repeat=2):
                        claim = Claim(said, None if said is State.BALANCED else stem)
                        moves = _moves(direction, moved, number)
                        if Verdict.of(claim.holds(Advice(moves).gains_db)) is verdict:
                            yield template, *_read_back(bank, moves, "other", part, claim, number)


def _read_back(
    bank: ResponseBank,
    moves: tuple[Move, ...],
    anchor: str,
    part: PartWording,
    claim: Claim | None = None,
    judged: int = 0,
    reasons: Mapping[str, Reason] | None = None,
) -> tuple[str, bool]:
    """A response with these moves, its claim judged by a template's number, and whether the parser understands it."""
    verdict = None if claim is None else Verdict.of(claim.holds(Advice(moves).gains_db))
    advice = Advice(moves, verdict)
    try:
        text = fill_response(advice, anchor, claim, ResponseWording((part,), judged), bank, reasons)
    except KeyError as error:
        return f"no text, since nothing fills {error} there", False
    return text, parse(text, STEMS).advice == advice


def _moves(direction: Direction, stem: str, number: int, degree: Degree = Degree.CLEAR) -> tuple[Move, ...]:
    low_db, high_db = AMOUNTS_DB[degree][number % 3]
    ends = {Direction.RAISE: (low_db, high_db), Direction.LOWER: (-high_db, -low_db)}
    return (Move(stem, *ends[direction]),) if direction in ends else ()
