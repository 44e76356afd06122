"""The forms that a judge fills in, and reading its answer, as servers may ignore what was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

# Not every server knows bounds of numbers, but all know lists of values.
Score = Annotated[int, Field(ge=1, le=5), WithJsonSchema({"type": "integer", "enum": [1, 2, 3, 4, 5]})]


class FormAsked(StrEnum):
    """How a server is asked for a form, beside the words of the question."""

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    NONE = "none"


class Malformed(Exception):
    """An answer does not keep to its form; the message says why, in words that the judge can act on."""


class Preference(BaseModel):
    """Which of two texts is the better advice."""

    model_config = ConfigDict(strict=True, extra="forbid")
    reason: str
    better: Literal["first", "second", "tie"]


def scores_form(criteria: Sequence[str]) -> type[BaseModel]:
    """The form of a rating: a reason, then a score for each criterion."""
    fields: dict[str, Any] = {name: (Score, ...) for name in criteria}
    return create_model("Scores", __config__=ConfigDict(strict=True, extra="forbid"), reason=(str, ...), **fields)


def ranks_form(criteria: Sequence[str], letters: str) -> type[BaseModel]:
    """The form of a ranking: a reason, then for each criterion all letters, that of the best text first."""

    def complete(order: list[str]) -> list[str]:
        if sorted(order) != sorted(letters):
            raise ValueError(f"it has to name each of {', '.join(letters)} once")
        return order

    schema = {"type": "array", "items": {"type": "string", "enum": list(letters)}}
    order: Any = Annotated[list[str], AfterValidator(complete), WithJsonSchema(schema)]
    fields: dict[str, Any] = {name: (order, ...) for name in criteria}
    return create_model("Ranks", __config__=ConfigDict(strict=True, extra="forbid"), reason=(str, ...), **fields)


def form_words(form: type[BaseModel]) -> str:
    """How a form is asked for in words."""
    parts = []
    for name, field in form.model_json_schema()["properties"].items():
        values = [json.dumps(value) for value in field.get("enum", [])]
        shown = f"<{', '.join(values[:-1])} or {values[-1]}>" if values else '"<one short sentence>"'
        if field.get("type") == "array":
            letters = ", ".join(json.dumps(letter) for letter in field["items"]["enum"])
            shown = f"[<each of {letters} once, the best first>]"
        parts.append(f'"{name}": {shown}')
    return "Answer with one JSON object and nothing else, in this form: {" + ", ".join(parts) + "}"


def response_format(form: type[BaseModel], asked: FormAsked) -> dict[str, Any] | None:
    """The form as servers understand it; None where they are not to be asked."""
    if asked is FormAsked.NONE:
        return None
    if asked is FormAsked.JSON_OBJECT:
        return {"type": "json_object"}
    schema = {"name": form.__name__.lower(), "schema": form.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def read_form(text: str, form: type[BaseModel]) -> BaseModel:
    """The form filled in by an answer, which may stand between other words.

    Raises:
        Malformed: if no object in the answer keeps to the form, or several do and differ.
    """
    said = text.rpartition("</think>")[2]
    found: list[BaseModel] = []
    problem = "there is no JSON object in it"
    for record in _objects(said):
        try:
            filled = form.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            problem = f"'{name}': {first['msg'][:1].lower()}{first['msg'][1:]}"
            continue
        if filled not in found:
            found.append(filled)
    if len(found) > 1:
        raise Malformed("it holds several different answers")
    if not found:
        raise Malformed(problem)
    return found[0]


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects in a text, outermost ones only."""
    decoder, place, objects = json.JSONDecoder(), 0, []
    while (place := text.find("{", place)) >= 0:
        try:
            record, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        objects.append(record)
    return objects
