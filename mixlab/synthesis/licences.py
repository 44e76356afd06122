"""Room synthesis: which licences of songs let their audio be published; the list is ``licences.yaml``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from mixlab.synthesis.problem import Problem


def is_free(licence: str | None) -> bool:
    """Whether audio under this licence may be published: False for None and whatever is not in the list."""
    return licence is not None and _spelled(licence) in _free()


def hub_name(licences: Collection[str | None], withheld: bool) -> str:
    """The licence of a data set as the Hugging Face Hub names it: that of the songs if they all share a free one."""
    names = {_free().get(_spelled(licence or "")) for licence in licences}
    return next(iter(names)) or "other" if len(names) == 1 and not withheld else "other"


def songs_in(problem: Problem, known: Collection[str]) -> list[str]:
    """Every song of `known` that a problem names anywhere, sorted.

    A problem may take stems from several songs; one that is overlooked could publish what may not be published.
    """
    found: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, str):
            found.update({node} if node in known else ())
        elif isinstance(node, Mapping):
            for part in (*node, *node.values()):
                collect(part)
        elif isinstance(node, list | tuple):
            for part in node:
                collect(part)

    collect(problem.to_json())
    return sorted(found)


@cache
def _free() -> dict[str, str]:
    text = resources.files("mixlab.synthesis").joinpath("licences.yaml").read_text(encoding="utf-8")
    return {_spelled(name): hub for name, hub in yaml.safe_load(text).items()}


def _spelled(licence: str) -> str:
    return "-".join(licence.upper().split())
