"""Room advising: the role of each of the user's files, from its name or from an override."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mixlab.errors import ConfigError
from mixlab.multitrack.roles import is_mixture, role_of

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_. -]")


def assign_roles(paths: Sequence[Path], overrides: Mapping[str, str], allowed: Sequence[str]) -> dict[Path, str]:
    """The role of each file: from `overrides` (by path, file name, or a name with ``*`` and ``?``), else from its name.

    Args:
        allowed: the roles that the checkpoint knows.

    Raises:
        ConfigError: naming the file and the override, if a name tells no role or one that is not allowed; or naming
            the override, if it fits no file.
    """
    given: dict[Path, str] = {}
    for key, role in overrides.items():
        fitting = _fitting(key, paths)
        if not fitting:
            names = ", ".join(path.name for path in paths)
            raise ConfigError(f"The key roles names '{key}', which is none of the files ({names}); correct the name.")
        given |= dict.fromkeys(fitting, role)
    return {path: _checked(path, given.get(path) or role_of(path.name), allowed) for path in paths}


def check_anchor(paths: Sequence[Path], roles: Mapping[Path, str], anchors: Sequence[str]) -> None:
    """Refuse an anchor (the first path) that the checkpoint was not trained on, or whose role another file has too.

    Raises:
        ConfigError: naming the file and the override.
    """
    anchor, *others = paths
    role = roles[anchor]
    if role not in anchors:
        raise ConfigError(
            f"The anchor {anchor} is taken as '{role}', but this checkpoint was trained with {' or '.join(anchors)} as "
            f"the anchor; give such a file as anchor=, or, if this is one, say so with "
            f"{override_for(anchor, anchors[0])}."
        )
    for path in others:
        if roles[path] == role:
            other = "other" if role != "other" else "vocals"
            raise ConfigError(
                f"{path} is taken as '{role}', as is the anchor {anchor.name}; leave it out or give it another role, "
                f"for example {override_for(path, other)}."
            )


def override_for(path: Path, role: str) -> str:
    """The override that gives a file a role, in a form that the command line takes.

    Characters with a meaning to Hydra or the shell become ``?``, which fits any character.
    """
    return f"roles='{{{_NOT_PLAIN.sub('?', path.name)}: {role}}}'"


def _checked(path: Path, role: str | None, allowed: Sequence[str]) -> str:
    if role in allowed and role is not None:
        return role
    example = override_for(path, allowed[-1])
    if role is not None:
        raise ConfigError(
            f"{path} is taken as '{role}', a role that this checkpoint never heard; it knows {', '.join(allowed)}: "
            f"leave the file out or choose one, for example {example}."
        )
    if is_mixture(path.name):
        raise ConfigError(f"{path} looks like the mix itself; leave it out, or say which track it is with {example}.")
    raise ConfigError(
        f"The name of {path} tells no role ({', '.join(allowed)}) or more than one; say which it is, for example with "
        f"{example}."
    )


def _fitting(key: str, paths: Sequence[Path]) -> list[Path]:
    exact = [path for path in paths if key in (path.name, path.stem, str(path)) or Path(key).expanduser() == path]
    return exact or [path for path in paths if fnmatchcase(path.name, key)]
