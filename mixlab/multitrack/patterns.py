"""Room multitrack: wildcard patterns of the configuration, and the role that they give a track."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.roles import unspeakable
from mixlab.multitrack.roles import is_mixture, role_of
from mixlab.multitrack.song import STEMS


@dataclass(frozen=True)
class Patterns:
    """Wildcards (``*``, ``?``, ``[a-z]``) that a whole text has to match, in any case and Unicode form.

    ``*`` goes over slashes: ``drums/*`` matches all files below the folder ``drums``, and ``*kick*`` any path with
    that word in it.
    """

    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, node: Any, empty: bool = False) -> Patterns:
        """The patterns that stand at a key of the configuration.

        Raises:
            ConfigError: if they are no list of texts, or an empty one where `empty` is false.
        """
        if isinstance(node, str) or not isinstance(node, Sequence):
            raise ConfigError(f"{key} is {node!r}; set it to a list of patterns, such as ['*kick*', 'drums/*'].")
        for pattern in node:
            if not isinstance(pattern, str) or not pattern.strip():
                raise ConfigError(f"{key} holds the pattern {pattern!r}; set it to a text such as '*kick*'.")
        if not node and not empty:
            raise ConfigError(f"{key} is an empty list; add a pattern or remove the key.")
        return cls(tuple(node))

    def match(self, text: str) -> bool:
        """Whether one of the patterns matches the whole text."""
        return self._expression is not None and self._expression.match(plain(text)) is not None

    @cached_property
    def _expression(self) -> re.Pattern[str] | None:
        parts = [fnmatch.translate(plain(pattern)) for pattern in self.patterns]
        return re.compile("|".join(parts)) if parts else None


NO_PATTERNS = Patterns()


@dataclass(frozen=True)
class RoleRules:
    """Which role a track has, by patterns or, where there are none, by the words of ``roles.yaml``.

    Attributes:
        stems: the patterns of each role, or None.
        ignore: tracks that are left out: mixes, click tracks and the like.
    """

    stems: Mapping[str, Patterns] | None
    ignore: Patterns

    @classmethod
    def of(cls, stems: Any, ignore: Any) -> RoleRules:
        """The rules that ``dataset.stems`` and ``dataset.ignore`` give.

        Raises:
            ConfigError: naming the role that advice could not speak of, or the list that is empty or no list.
        """
        ignored = Patterns.of("dataset.ignore", ignore, empty=True)
        if stems is None:
            return cls(None, ignored)
        if not isinstance(stems, Mapping) or not stems:
            raise ConfigError(f"dataset.stems is {stems!r}; set it to lists of patterns by role, or to null.")
        if fault := unspeakable(tuple(stems)):
            raise ConfigError(f"dataset.stems names the role {fault}; choose another name, such as 'lead_guitar'.")
        return cls({str(role): Patterns.of(f"dataset.stems.{role}", node) for role, node in stems.items()}, ignored)

    def role(self, file: Path, path: str, labels: Iterable[str] | None) -> str | None:
        """The role of a track, or None if it is to be left out.

        Args:
            file: the track, for the message.
            path: its path below the song's folder, which is matched unless there are labels.
            labels: what the song's metadata call the track (several: all have to be of one role), or None.

        Raises:
            InputFileError: naming the file, if it has no role or several.
        """
        names = (path,) if labels is None else tuple(labels)
        if self.ignore.match(path) or any(self.ignore.match(name) for name in names):
            return None
        if self.stems is None and labels is None and role_of(path) is None and is_mixture(path):
            return None
        found = [self._roles(name) for name in names]
        roles = sorted(set().union(*found))
        if len(roles) == 1 and all(found):
            return roles[0]
        called = "" if labels is None else f" ({', '.join(map(shown, names))} in the metadata)"
        if self.stems is None:
            what = "has a name" if labels is None else "has a label"
            raise InputFileError(
                f"{file}{called} {what} that tells no single role; name it after {', '.join(STEMS)} or an instrument, "
                "map it under dataset.stems, list it under dataset.ignore, or remove it."
            )
        if len(roles) > 1:
            raise InputFileError(
                f"{file}{called} is matched by {' and '.join(f'dataset.stems.{role}' for role in roles)}; narrow their "
                "patterns, or list it under dataset.ignore."
            )
        raise InputFileError(
            f"{file}{called} is matched by no pattern of dataset.stems; add one, or list it under dataset.ignore."
        )

    def _roles(self, name: str) -> set[str]:
        if self.stems is not None:
            return {role for role, patterns in self.stems.items() if patterns.match(name)}
        role = role_of(name)
        return set() if role is None else {role}


def plain(text: str) -> str:
    """A text in one case and one Unicode form: files from a Mac spell ``é`` with two characters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def shown(text: str) -> str:
    """A text of a file in quotes for a message: on one line and not too long."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:60]}...")
