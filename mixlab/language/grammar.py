"""Room language: the responses of the template bank as a grammar, for a decoder that may say nothing else.

The grammar is written in the EBNF dialect of GBNF (llama.cpp), which xgrammar reads. It holds every wording that
`fill_response` can make for the given stems, and numbers that no training example has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, permutations

from mixlab.language.advice import Direction, State, Verdict
from mixlab.language.banks import response_bank
from mixlab.language.degree import Degree
from mixlab.language.wording import fill, is_plural, sentence_name

_MARK = "\0"
_STATES = {Direction.RAISE: State.TOO_QUIET, Direction.LOWER: State.TOO_LOUD}
_NUMBERS = range(1, 25)


@cache
def response_grammar(stems: tuple[str, ...], max_moves: int = 1) -> str:
    """The grammar of all responses on these stems, with a verdict or without.

    No response contradicts itself: a stem is moved once, by an amount that fits what is said of it, a mix is balanced
    or has moves, and a claim is confirmed where the moves are what it asks for. Amounts are whole numbers from 1 to 24.

    Args:
        stems: that may be spoken of.
        max_moves: how many stems a response may move.

    Raises:
        ValueError: if there is no stem, or no move is allowed.
    """
    if not stems or max_moves < 1:
        raise ValueError(f"a grammar needs stems and at least one move, got {stems} and {max_moves}")
    bank = response_bank()
    rules, steps = [], [(stem, direction) for stem in stems for direction in _STATES]
    for stem, direction in steps:
        parts = []
        reason = _either(_pattern(text, stem) for text in bank.reasons)
        for degree, texts in bank.descriptions[_STATES[direction]].items():
            described = _either(_pattern(text, stem, degree) for text in texts)
            solved = _either(_pattern(text, stem, degree) for text in bank.solutions[direction])
            parts.append(f'({described}) " " ({solved})')
        rule, said = _rule(stem, direction, stems), " | ".join(parts)
        rules.append(f'{rule} ::= ({said}) (" " ({reason}))?')
    described = _either(_pattern(text) for text in bank.descriptions[State.BALANCED][Degree.CLEAR])
    left = _either(_pattern(text) for text in bank.solutions[Direction.LEAVE])
    rules.append(f'balanced ::= ({described}) " " ({left})')
    answers = [f"({_either(_verdicts((), stems))})? balanced"]
    for count in range(1, min(max_moves, len(stems)) + 1):
        for moves in combinations(steps, count):
            if len({stem for stem, _ in moves}) == count:
                orders = (' " " '.join(_rule(*move, stems) for move in order) for order in permutations(moves))
                answers.append(f"({_either(_verdicts(moves, stems))})? ({_either(orders)})")
    references = ["the rest of the mix", *(f"the {sentence_name(stem)}" for stem in stems)]
    rules += [
        f"root ::= {_either(answers)}",
        f"reference ::= {_either(_literal(text) for text in references)}",
        *_amounts(),
    ]
    return "\n".join(rules)


def _amounts() -> Iterable[str]:
    """The rules of amounts, for each degree, and of what is measured."""
    for degree in Degree:
        numbers = (str(number) for number in _NUMBERS if Degree.of(number, number) is degree)
        yield f'amount-{degree} ::= ({_either(_literal(number) for number in numbers)}) " dB"'
        yield f'by-{degree} ::= "by " amount-{degree}'
    yield f"number ::= {_either(_literal(str(number)) for number in _NUMBERS)}"
    yield 'heard ::= number " dB" side'
    yield "usual ::= number side"
    yield 'side ::= " above" | " below"'


def _rule(stem: str, direction: Direction, stems: Sequence[str]) -> str:
    return f"{direction.value}{stems.index(stem)}"


def _verdicts(moves: Sequence[tuple[str, Direction]], stems: Sequence[str]) -> Iterable[str]:
    """What may be said of a claim, whichever it was, beside these moves; each with the space behind it."""
    needed: set[tuple[str | None, State]] = {(stem, _STATES[direction]) for stem, direction in moves} or {
        (None, State.BALANCED)
    }
    claims: list[tuple[str | None, State]] = [(stem, state) for stem in stems for state in _STATES.values()]
    for stem, state in [*claims, (None, State.BALANCED)]:
        verdict = Verdict.CONFIRMED if (stem, state) in needed else Verdict.CORRECTED
        for template in response_bank().verdicts[verdict][state]:
            yield f'{_pattern(template, stem)} " "'


def _pattern(template: str, stem: str | None = None, degree: Degree = Degree.CLEAR) -> str:
    """A template as a sequence of literals and rules; amounts are of the degree."""
    rules = {name: name for name in ("reference", "heard", "usual")}
    rules |= {"amount": f"amount-{degree}", "by": f"by-{degree}"}
    fields = {name: f"{_MARK}{rule}{_MARK}" for name, rule in rules.items()}
    fields |= {} if stem is None else {"stem": sentence_name(stem)}
    parts = fill(template, fields, stem is not None and is_plural(stem)).split(_MARK)
    return " ".join(part if index % 2 else _literal(part) for index, part in enumerate(parts) if part)


def _either(patterns: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(patterns))


def _literal(text: str) -> str:
    return json.dumps(text)
