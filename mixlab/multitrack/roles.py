"""Room multitrack: the role of a track (bass, drums, vocals, other) by the words in its file name."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath

import yaml

from mixlab.audio.files import EXTENSIONS
from mixlab.multitrack.song import STEMS

_WORD = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])")


@dataclass(frozen=True)
class _Patterns:
    phrases: tuple[tuple[tuple[str, ...], str], ...]
    """Words in a row and their role, the longest first."""
    words: dict[str, str]
    weak: dict[str, str]
    mixture: frozenset[str]


def role_of(file_name: str) -> str | None:
    """The role of a track by its file name, or None where no word of it is known or its words point to two roles.

    Args:
        file_name: with or without folders and extension, such as ``03_LeadVox.wav``.
    """
    patterns, words = _patterns(), _words(file_name)
    found = set()
    for phrase, role in patterns.phrases:
        for start in range(len(words) - len(phrase) + 1):
            if tuple(words[start : start + len(phrase)]) == phrase:
                found.add(role)
                words[start : start + len(phrase)] = [""] * len(phrase)
    found |= {patterns.words[word] for word in words if word in patterns.words}
    found = found or {patterns.weak[word] for word in words if word in patterns.weak}
    return found.pop() if len(found) == 1 else None


def is_mixture(file_name: str) -> bool:
    """Whether a file's name says that it is the sum of all tracks: ``mix``, ``full``, and no role beside it."""
    words = _words(file_name)
    patterns = _patterns()
    named = any(word in patterns.words or word in patterns.weak for word in words)
    return not named and not patterns.mixture.isdisjoint(words)


def _words(file_name: str) -> list[str]:
    path = PurePath(file_name)
    name = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    return _WORD.findall(_HUMP.sub(" ", unicodedata.normalize("NFC", name)).casefold())


@cache
def _patterns() -> _Patterns:
    text = resources.files("mixlab.multitrack").joinpath("roles.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    roles = {*data["phrases"].values(), *data["words"], *data["weak"]}
    if not roles <= set(STEMS):
        raise ValueError(f"roles.yaml names roles that are none: {sorted(roles - set(STEMS))}")
    phrases = {tuple(phrase.split()): role for phrase, role in data["phrases"].items()}
    return _Patterns(
        phrases=tuple(sorted(phrases.items(), key=lambda pair: -len(pair[0]))),
        words={word: role for role, words in data["words"].items() for word in words},
        weak={word: role for role, words in data["weak"].items() for word in words},
        mixture=frozenset(data["mixture"]),
    )
