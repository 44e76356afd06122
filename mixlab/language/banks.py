"""Room language: banks of templates: what users say, and the parts that responses are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mixlab.language.advice import Claim, Direction, State, Verdict
from mixlab.language.degree import Degree
from mixlab.language.wording import load_data

ByDegree = Mapping[Degree, tuple[str, ...]]
"""Templates for each degree; the same ones for all where a file has a plain list."""

HELD_OUT = "held_out"


@dataclass(frozen=True)
class PromptBank:
    """User sentences: requests for advice, and a description for each state that a user may claim.

    Attributes:
        held_out: paraphrases that only test items are asked in; None where a file has none.
    """

    advice_seeking: tuple[str, ...]
    claims: Mapping[State, ByDegree]
    held_out: PromptBank | None = None

    def templates(self, claim: Claim | None) -> tuple[str, ...]:
        """The templates that fit what the user says."""
        return self.advice_seeking if claim is None else self.claims[claim.state][claim.degree]

    def all_templates(self) -> Iterator[str]:
        """Every template but those held out."""
        yield from self.advice_seeking
        for by_degree in self.claims.values():
            yield from dict.fromkeys(text for degree in Degree for text in by_degree[degree])

    @classmethod
    def of(cls, data: Any) -> PromptBank:
        """The bank in a file of the form of ``data/prompts.yaml``.

        Raises:
            ValueError: if it has another form, or a template is held out that is not.
        """
        parts = _parts(data, ("advice_seeking", *State), (HELD_OUT,))
        held_out = cls.of(_parts(parts[HELD_OUT], ("advice_seeking", *State))) if HELD_OUT in parts else None
        bank = cls(_texts(parts, "advice_seeking"), {state: _by_degree(parts, state) for state in State}, held_out)
        both = set(bank.all_templates()) & set(() if held_out is None else held_out.all_templates())
        if both:
            raise ValueError(f"'{min(both)}' stands in {HELD_OUT} and outside of it")
        return bank


@dataclass(frozen=True)
class ResponseBank:
    """Parts of responses: descriptions of a state, solutions in a direction, verdicts on a claim, reasons."""

    descriptions: Mapping[State, ByDegree]
    solutions: Mapping[Direction, tuple[str, ...]]
    verdicts: Mapping[Verdict, Mapping[State, tuple[str, ...]]]
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Any) -> ResponseBank:
        """The bank in a file of the form of ``data/responses.yaml``.

        Raises:
            ValueError: if it has another form.
        """
        parts = _parts(data, ("descriptions", "solutions", "verdicts"), ("reasons",))
        descriptions = _parts(parts["descriptions"], tuple(State))
        solutions = _parts(parts["solutions"], tuple(Direction))
        verdicts = {v: _parts(part, tuple(State)) for v, part in _parts(parts["verdicts"], tuple(Verdict)).items()}
        return cls(
            {state: _by_degree(descriptions, state) for state in State},
            {direction: _texts(solutions, direction) for direction in Direction},
            {verdict: {state: _texts(verdicts[verdict], state) for state in State} for verdict in Verdict},
            _texts(parts, "reasons") if "reasons" in parts else (),
        )


@dataclass(frozen=True)
class Banks:
    """What users say and what responses are made of, in one choice."""

    prompts: PromptBank
    responses: ResponseBank


@cache
def prompt_bank() -> PromptBank:
    """The bank of user sentences that comes with the package."""
    return PromptBank.of(load_data("prompts"))


@cache
def response_bank() -> ResponseBank:
    """The bank of response parts that comes with the package."""
    return ResponseBank.of(load_data("responses"))


@cache
def default_banks() -> Banks:
    """Both banks that come with the package."""
    return Banks(prompt_bank(), response_bank())


def _parts(data: Any, names: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or set(data) - set(optional) != set(names):
        found = sorted(map(str, data)) if isinstance(data, Mapping) else data
        raise ValueError(f"it needs the keys {', '.join(names)} here, and has {found}")
    return data


def _by_degree(parts: Mapping[str, Any], name: str) -> ByDegree:
    if not isinstance(parts[name], Mapping):
        return dict.fromkeys(Degree, _texts(parts, name))
    degrees = _parts(parts[name], tuple(Degree))
    return {degree: _texts(degrees, degree) for degree in Degree}


def _texts(parts: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = parts[name]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{name} needs at least one template, and texts alone")
    return tuple(texts)
