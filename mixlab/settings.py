"""Ground floor: settings as typed, frozen objects, parsed once from plain values and refused in one sentence."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError
from typing_extensions import TypeAliasType

from mixlab.errors import ConfigError

T = TypeVar("T")
Parsed = TypeVar("Parsed", bound="Settings")

LONGEST_NAME = 80
"""In characters: file systems take 255 bytes, and names of files are made out of names."""

LONGEST_PART = 255
"""Of a path, in bytes."""


def _name(text: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", text) or len(text) > LONGEST_NAME:
        raise ValueError(
            f"a name has 1 to {LONGEST_NAME} letters, digits, _, - or dots, and begins with none of the last two"
        )
    return text


def _place(text: str) -> str:
    if not text:
        raise ValueError("it is empty; give the path of a file or folder")
    if "\0" in text or any(len(os.fsencode(part)) > LONGEST_PART for part in text.split("/")):
        raise ValueError("no file has such a name; give the path of a file or folder")
    found = os.path.expanduser(text)
    # Of a user that this machine does not know; a file may be called so.
    return f"./{found}" if found.startswith("~") else found


Share = Annotated[float, Field(ge=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=0, le=2**53)]
PositiveCount = Annotated[int, Field(ge=1, le=2**53)]
Workers = Annotated[int, Field(ge=0, le=1024)]
"""Processes or threads."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
GainDb = Annotated[float, Field(ge=-60.0, le=60.0)]
LevelDbfs = Annotated[float, Field(ge=-120.0, le=0.0)]
Name = Annotated[str, AfterValidator(_name)]
FilePath = Annotated[str, AfterValidator(_place)]
"""The path of a file or folder, `~` expanded; it need not exist."""
Many = Annotated[tuple[T, ...], Strict(False)]
"""Several values; YAML has lists, settings hold tuples."""

Spelled = Annotated[T, Strict(False)]
"""A value that YAML spells as text, such as a member of an enumeration."""

Plain = TypeAliasType("Plain", "bool | int | float | str | list[Plain] | dict[str, Plain] | None")
"""What YAML and JSON can say."""


class Settings(BaseModel):
    """A part of a configuration: its schema, and the object that the code uses. Defaults stand in the YAML of `conf/`.

    Values are checked and not converted ('0.001' as text is no number), and keys that it does not know are refused.

    Attributes:
        refused: keys that people may look for here, and why there are none, with the remedy.
    """

    refused: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        arbitrary_types_allowed=True,
    )

    def but(self, **changes: Any) -> Self:
        """A copy with other values for some keys, checked like the original."""
        return type(self).model_validate(dict(self) | changes)

    def plain(self) -> dict[str, Plain]:
        """The settings as YAML and JSON can say them; what `parse` reads."""
        return self.model_dump(mode="json", by_alias=True)


def parse(values: Mapping[str, Any], kind: type[Parsed], where: str = "") -> Parsed:
    """Settings from plain values.

    Args:
        values: resolved; ``???`` stands for a value that is left to the user.
        kind: what they are parsed into.
        where: dotted key of `values` in a larger configuration, for the message.

    Raises:
        ConfigError: one sentence with the first key that is missing or wrong, its value and the remedy.
    """
    if missing := _first_missing(values, where):
        raise ConfigError(f"The key '{missing}' has no value; set it, as in {missing}=...")
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(sentence(error, kind, where)) from None


def close_to(name: str, known: Mapping[str, Any] | set[str] | tuple[str, ...] | list[str]) -> str:
    """ " (did you mean 'x'?)" where a known name is close to `name`, else nothing."""
    found = difflib.get_close_matches(name, [str(entry) for entry in known], n=1, cutoff=0.6)
    return f" (did you mean '{found[0]}'?)" if found else ""


def sum_to_one(values: Mapping[Any, float], what: str) -> None:
    """Raise ValueError unless shares sum to 1."""
    total = sum(values.values())
    if abs(total - 1.0) > 1e-6:
        shown = {str(name): value for name, value in values.items()}
        raise ValueError(f"the {what} sum to {total:g}, not to 1 ({shown}); change them so that they do")


def sentence(error: ValidationError, kind: type[Settings], where: str = "") -> str:
    """What is wrong first, with key, value and remedy; a key that nobody knows explains one that is missing."""
    found = error.errors()
    first = next((entry for entry in found if entry["type"] == "extra_forbidden"), found[0])
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    key = ".".join([*([where] if where else []), *parts])
    if first["type"] == "extra_forbidden":
        found_in = settings_at(kind, parts[:-1])
        if found_in is not None and parts[-1] in found_in.refused:
            return f"The key '{key}' is {first['input']!r}: {found_in.refused[parts[-1]]}."
        hint = close_to(parts[-1], list(found_in.model_fields) if found_in is not None else [])
        return f"The configuration has an unknown key '{key}'{hint}; remove it or correct its name."
    if first["type"] == "missing":
        return f"The key '{key}' is missing; set it, as in {key}=..."
    reason, value = first["msg"].removeprefix("Value error, ").rstrip("."), first["input"]
    shown = f" is {value!r}" if not isinstance(value, Mapping | Settings) else ""
    whole = f"The configuration{f' of {where}' if where else ''} does not fit together"
    subject = f"The key '{key}'{shown}" if parts else whole
    return f"{subject}: {reason[0].lower()}{reason[1:]}."


def settings_at(kind: Any, path: Sequence[str]) -> type[Settings] | None:
    """The settings at a place of the tree of a kind of settings; None where that is something else."""
    for part in path:
        field = getattr(kind, "model_fields", {}).get(part)
        kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def _first_missing(node: Any, key: str = "") -> str | None:
    """The first key that a choice leaves to the user (``???``) and the user left open."""
    if isinstance(node, str) and node == "???":
        return key
    parts = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    found = (_first_missing(part, f"{key}.{name}" if key else str(name)) for name, part in parts)
    return next((name for name in found if name), None)
