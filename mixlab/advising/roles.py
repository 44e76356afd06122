"""Room advising: which role (bass, drums, vocals, other) a file name tells, from the words in ``roles.yaml``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path

import yaml

from mixlab.errors import ConfigError

_WORDS = re.compile(r"[^\W\d_]+")
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLAIN = re.compile(r"[^A-Za-z0-9_. -]")


@cache
def patterns() -> Mapping[tuple[str, ...], str]:
    """Words (one or several in a row) to the role that they tell.

    Raises:
        ValueError: if the data file gives the same words to two roles.
    """
    text = resources.files("mixlab.advising").joinpath("roles.yaml").read_text(encoding="utf-8")
    found: dict[tuple[str, ...], str] = {}
    for role, entries in yaml.safe_load(text).items():
        for entry in entries:
            key = tuple(entry.split())
            if found.setdefault(key, role) != role:
                raise ValueError(f"roles.yaml gives '{entry}' to {found[key]} and to {role}")
    return found


def roles_in_name(name: str) -> tuple[str, ...]:
    """The roles that the words of a file name tell, sorted: none where it is unknown, several where it is ambiguous."""
    parts = _CASE_CHANGE.sub(" ", unicodedata.normalize("NFKC", name))
    words = [word.casefold() for word in _WORDS.findall(parts)]
    known = patterns()
    longest = max(map(len, known))
    roles, position = set(), 0
    while position < len(words):
        for length in range(min(longest, len(words) - position), 0, -1):
            found = words[position : position + length]
            role = known.get(tuple(found)) or known.get(tuple(_singular(word) for word in found))
            if role is not None:
                roles.add(role)
                position += length
                break
        else:
            position += 1
    return tuple(sorted(roles))


def assign_roles(paths: Sequence[Path], overrides: Mapping[str, str], allowed: Sequence[str]) -> dict[Path, str]:
    """The role of each file: from `overrides` (by path, file name, or a name with ``*`` and ``?``), else from its name.

    Args:
        allowed: the roles that the checkpoint knows.

    Raises:
        ConfigError: naming the file and the override, if a name is unknown or ambiguous, or a role is not allowed; or
            naming the override, if it fits no file.
    """
    given: dict[Path, str] = {}
    for key, role in overrides.items():
        fitting = _fitting(key, paths)
        if not fitting:
            names = ", ".join(path.name for path in paths)
            raise ConfigError(f"The key roles names '{key}', which is none of the files ({names}); correct the name.")
        given |= dict.fromkeys(fitting, role)
    return {path: _checked(path, given.get(path) or _role_of(path, allowed), allowed) for path in paths}


def override_for(path: Path, role: str) -> str:
    """The override that gives a file a role, in a form that the command line takes.

    Characters with a meaning to Hydra or the shell become ``?``, which fits any character.
    """
    return f"roles='{{{_PLAIN.sub('?', path.name)}: {role}}}'"


def _role_of(path: Path, allowed: Sequence[str]) -> str:
    roles = roles_in_name(path.stem)
    if len(roles) == 1:
        return roles[0]
    choices = roles or tuple(allowed)
    remedy = f"say which it is, for example {override_for(path, choices[-1])}"
    if roles:
        raise ConfigError(f"The name of {path} is ambiguous: it could be {' or '.join(roles)}; {remedy}.")
    raise ConfigError(f"The name of {path} tells no role ({', '.join(allowed)}); {remedy}.")


def _checked(path: Path, role: str, allowed: Sequence[str]) -> str:
    if role not in allowed:
        raise ConfigError(
            f"{path} is taken as '{role}', a role that this checkpoint never heard; it knows {', '.join(allowed)}: "
            f"leave the file out or choose one, for example {override_for(path, allowed[-1])}."
        )
    return role


def _fitting(key: str, paths: Sequence[Path]) -> list[Path]:
    exact = [path for path in paths if key in (path.name, path.stem, str(path)) or Path(key).expanduser() == path]
    return exact or [path for path in paths if fnmatchcase(path.name, key)]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word
