"""Room language: how templates are filled: stem names, agreement in number, amounts in dB; pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

STEM_NAMES = ("bass", "drums", "vocals", "other")
"""The stems that are read and enumerated where the caller names none."""

OTHER = "other"
"""The role whose name is an ordinary word; sentences call it "the other stem"."""

AGREEMENT = re.compile(r"\{(\w+)\|(\w+)\}")
"""A word that agrees in number: plural, then singular."""

_PLURAL_ENDING = re.compile(r"(?<!s)s$")


class RangeForm(StrEnum):
    """The two ways to say by how much when the amount is a range; a single value has one way."""

    TO = "to"
    BETWEEN = "between"


@cache
def load_data(name: str) -> Any:
    """The content of ``mixlab/language/data/<name>.yaml``, read once.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    text = resources.files("mixlab.language").joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def label_name(stem: str) -> str:
    """A stem's name in a label: ``lead_guitar`` reads "lead guitar"."""
    return stem.replace("_", " ")


def sentence_name(stem: str) -> str:
    """A stem's name in a sentence, after an article: "vocals", and "other stem" for the role `other`."""
    return "other stem" if stem == OTHER else label_name(stem)


def is_plural(stem: str) -> bool:
    """Whether a sentence about the stem takes the plural: "the drums are", but "the bass is"."""
    return stem != OTHER and _PLURAL_ENDING.search(stem) is not None


def list_names(stems: Sequence[str]) -> str:
    """Stems as a list in a label: "drums, vocals and other"."""
    names = [label_name(stem) for stem in stems]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def number_text(value_db: float) -> str:
    """The shortest decimal that reads back as the value: "6", "1.5"; never an exponent."""
    text = format(Decimal(repr(float(value_db))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount_fields(low_db: float, high_db: float, form: RangeForm) -> dict[str, str]:
    """The fields ``{amount}`` ("6 dB", "3 to 6 dB") and ``{by}`` ("by 6 dB", "between 3 and 6 dB").

    Args:
        low_db, high_db: the amount, both positive, equal for a single value.

    Raises:
        ValueError: if the amount is not positive or the range is inverted.
    """
    if not 0 < low_db <= high_db:
        raise ValueError(f"an amount needs 0 < low_db <= high_db, got {low_db} and {high_db}")
    low, high = number_text(low_db), number_text(high_db)
    if low == high:
        return {"amount": f"{low} dB", "by": f"by {low} dB"}
    amount = f"{low} to {high} dB"
    return {"amount": amount, "by": f"by {amount}" if form is RangeForm.TO else f"between {low} and {high} dB"}


def fill(template: str, fields: Mapping[str, str], plural: bool = False) -> str:
    """Fill a template: ``{name}`` from the fields, ``{are|is}`` by number.

    Raises:
        KeyError: if the template has a field that is not given.
    """
    agreed = AGREEMENT.sub(lambda match: match.group(1 if plural else 2), template)
    return agreed.format_map(fields)
