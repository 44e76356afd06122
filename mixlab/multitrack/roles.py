"""Room multitrack: the role of a track (bass, drums, vocals, other) by the words in its file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath

import yaml

from mixlab.audio.files import EXTENSIONS
from mixlab.multitrack.song import STEMS

_WORD = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])")
_SIGNS = (
    # "Mix -drums" lacks the drums, where "Song - drums" and "song-drums" are the drums of a song.
    (re.compile(r"(?:^|(?<=[\s(\[]))[-\u2212\u2013](?=[^\W\d_])"), " minus "),
    (re.compile(r"\+(?=\s?\d+(?:[.,]\d+)?\s?(?:dB|mix))", re.IGNORECASE), " up "),
    (re.compile(r"[-\u2212\u2013](?=\s?\d+(?:[.,]\d+)?\s?(?:dB|mix))", re.IGNORECASE), " down "),
)


@dataclass(frozen=True)
class _Vocabulary:
    phrases: tuple[tuple[tuple[str, ...], str], ...]
    """Words in a row and their role, or "" where they mean nothing; the longest first."""
    words: Mapping[str, str]
    weak: Mapping[str, str]
    mixture: frozenset[str]
    before: Mapping[str, frozenset[str]]
    """Words that take away a role named after them, and the roles that each takes."""
    after: Mapping[str, frozenset[str]]
    """The same of a role named before them."""
    turned: frozenset[str]
    """Those of both that count beside a word for the mixture alone, or as the first word of a name."""
    between: frozenset[str]
    whole: frozenset[str]


@dataclass
class _Part:
    """A word of a name, or a phrase that has a role, and whether what is around it takes the role away."""

    word: str
    role: str = ""
    weak: bool = False
    reframed: bool = False


def role_of(file_name: str) -> str | None:
    """The role of a track by its file name.

    Args:
        file_name: with or without folders and extension, such as ``03_LeadVox.wav``.

    Returns:
        None where no word of it is known or its words point to two roles; and where it is named after what it lacks or
        what was turned in it (``no_vocals``, ``Vocal Up Mix``, ``drumless``, ``Karaoke``).
    """
    parts = _parts(file_name)
    if any(part.reframed for part in parts):
        return None
    strong = {part.role for part in parts if part.role and not part.weak}
    found = strong or {part.role for part in parts if part.role}
    return found.pop() if len(found) == 1 else None


def is_mixture(file_name: str) -> bool:
    """Whether a file's name says that it is a sum of tracks: ``mix``, ``full``, and no role but re-framed ones."""
    parts = _parts(file_name)
    named = any(part.role and not part.reframed for part in parts)
    return not named and any(map(_says_mixture, parts))


def _parts(file_name: str) -> list[_Part]:
    """What a name is made of, with what each role's neighbours make of it."""
    known = _vocabulary()
    parts = list(_read(_words(file_name), known))
    of_mix = any(_says_mixture(part) for part in parts)
    for index, part in enumerate(parts):
        part.reframed |= part.word in known.whole
        if part.word in known.turned and not (of_mix or index == 0):
            continue
        ahead = next((p for p in parts[index + 1 :] if p.word not in known.between), part)
        behind = next((p for p in reversed(parts[:index]) if p.word not in known.between | known.mixture), part)
        for near, taken in ((ahead, known.before), (behind, known.after)):
            # "Vocals no FX" are vocals, and "No FX" has no role.
            if near.role in taken.get(part.word, ()) and (not near.weak or index == 0):
                near.reframed = True
    return parts


def _says_mixture(part: _Part) -> bool:
    return not _vocabulary().mixture.isdisjoint(part.word.split())


def _read(words: Sequence[str], known: _Vocabulary) -> Iterator[_Part]:
    index = 0
    while index < len(words):
        for phrase, role in known.phrases:
            if tuple(words[index : index + len(phrase)]) == phrase:
                yield _Part(" ".join(phrase), role)
                index += len(phrase)
                break
        else:
            word = words[index]
            yield from _word(word, known)
            index += 1


def _word(word: str, known: _Vocabulary) -> Iterator[_Part]:
    """A word as a part, two where a role is glued to what takes it away: ``novox``, ``drumless``, ``voxoff``."""
    role, weak = known.words.get(word), known.weak.get(word)
    if role is None and weak is None:
        for cut in range(2, len(word) - 1):
            front, back = word[:cut], word[cut:]
            if front in known.before and back in known.words:
                yield from (_Part(front), _Part(back, known.words[back]))
                return
            if front in known.words and back in known.after:
                yield from (_Part(front, known.words[front]), _Part(back))
                return
    yield _Part(word, role or weak or "", role is None and weak is not None)


def _words(file_name: str) -> list[str]:
    path = PurePath(file_name)
    name = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    name = unicodedata.normalize("NFC", name)
    for sign, word in _SIGNS:
        name = sign.sub(word, name)
    return _WORD.findall(_HUMP.sub(" ", name).casefold())


@cache
def _vocabulary() -> _Vocabulary:
    text = resources.files("mixlab.multitrack").joinpath("roles.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    roles = {*data["phrases"].values(), *data["words"], *data["weak"]} - {None}
    if not roles <= set(STEMS):
        raise ValueError(f"roles.yaml names roles that are none: {sorted(roles - set(STEMS))}")
    phrases = {tuple(phrase.split()): role or "" for phrase, role in data["phrases"].items()}
    before, after = (
        {word: frozenset(roles) for roles, words in data[key] for word in words} for key in ("before", "after")
    )
    phrases |= {tuple(words.split()): "" for words in (*before, *data["whole"]) if " " in words}
    return _Vocabulary(
        phrases=tuple(sorted(phrases.items(), key=lambda pair: -len(pair[0]))),
        words={word: role for role, words in data["words"].items() for word in words},
        weak={word: role for role, words in data["weak"].items() for word in words},
        mixture=frozenset(data["mixture"]),
        before=before,
        after=after,
        turned=frozenset(data["turned"]),
        between=frozenset(data["between"]),
        whole=frozenset(data["whole"]),
    )
