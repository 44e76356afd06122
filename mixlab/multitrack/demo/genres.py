"""Room multitrack: the genres, patterns and timbres of the demo songs, read from the YAML files beside this module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import ConfigError
from mixlab.multitrack.song import STEMS

DRUM_VOICES = ("kick", "snare", "hat", "open", "ride", "shaker", "tom")
"""The drums of a kit; a drum note names its drum by the place in this tuple."""

ANCHOR = "bass"
"""The stem that the balance of a genre is measured against."""

_FOLDER = Path(__file__).parent
_FILES = ("genres.yaml", "patterns.yaml", "timbres.yaml")


@dataclass(frozen=True)
class Part:
    """What one role plays in a genre."""

    timbres: tuple[str, ...]
    """Timbres of the training songs, one drawn for each song."""
    patterns: tuple[str, ...]
    centre_midi: float = 0.0
    """Middle of the register, as a MIDI note number; unused for drums."""
    gate: float = 1.0
    """Share of a note's written length that sounds."""
    chord: str = "triad"
    strum_s: float = 0.0


@dataclass(frozen=True)
class Genre:
    """A genre of the demo songs."""

    name: str
    held_out: bool
    """Whether its songs appear in the split ``shifted`` only."""
    tempo_bpm: tuple[float, float]
    shifted_tempo_bpm: tuple[float, float]
    swing: float
    modes: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]
    balance_db: Mapping[str, float]
    """Integrated loudness of a stem relative to the bass, in LU, averaged over songs; our choice, not measured."""
    parts: Mapping[str, Part]

    def timbre_pool(self, role: str, shifted: bool) -> tuple[str, ...]:
        """The timbres that a song of this genre draws from for `role`."""
        return shifted_timbres(role) if shifted else self.parts[role].timbres


@cache
def _read(file_name: str) -> Any:
    return yaml.safe_load((_FOLDER / file_name).read_text(encoding="utf-8"))


@cache
def _genres() -> dict[str, Genre]:
    return {name: _genre(name, written) for name, written in _read("genres.yaml").items()}


def _genre(name: str, written: Mapping[str, Any]) -> Genre:
    parts = {}
    for role in STEMS:
        part = dict(written[role])
        timbres, patterns = tuple(part.pop("timbres")), tuple(part.pop("patterns"))
        parts[role] = Part(timbres=timbres, patterns=patterns, **part)
    slow, fast = written["tempo_bpm"]
    shifted_slow, shifted_fast = written["shifted_tempo_bpm"]
    return Genre(
        name=name,
        held_out=bool(written.get("held_out", False)),
        tempo_bpm=(float(slow), float(fast)),
        shifted_tempo_bpm=(float(shifted_slow), float(shifted_fast)),
        swing=float(written["swing"]),
        modes=tuple(written["modes"]),
        progressions=tuple(tuple(degrees) for degrees in written["progressions"]),
        balance_db={ANCHOR: 0.0} | {stem: float(level) for stem, level in written["balance_db"].items()},
        parts=parts,
    )


def genre_names(held_out: bool = False) -> tuple[str, ...]:
    """The genres in the order of `genres.yaml`: those to learn from, or with `held_out` those kept out of training."""
    return tuple(name for name, genre in _genres().items() if genre.held_out == held_out)


def genre_named(name: str) -> Genre:
    """The genre called `name`.

    Raises:
        ConfigError: if there is none.
    """
    if name not in _genres():
        raise ConfigError(f"There is no demo genre {name!r}; choose among {', '.join(_genres())}.")
    return _genres()[name]


def pattern(role: str, name: str) -> Any:
    """A bar of 16 steps from `patterns.yaml`: a string, or for drums a mapping from drum to string."""
    return _read("patterns.yaml")[role][name]


def timbre(role: str, name: str) -> Mapping[str, Any]:
    """The parameters of a timbre from `timbres.yaml`."""
    parameters: Mapping[str, Any] = _read("timbres.yaml")[role][name]
    return parameters


def vowel(name: str) -> list[list[float]]:
    """The formants of a vowel: frequency in Hz and level in dB of each."""
    formants: list[list[float]] = _read("timbres.yaml")["vowels"][name]
    return formants


def training_timbres(role: str) -> tuple[str, ...]:
    """The timbres that songs outside the split ``shifted`` draw from."""
    return tuple(name for name, written in _read("timbres.yaml")[role].items() if not written.get("shifted", False))


def shifted_timbres(role: str) -> tuple[str, ...]:
    """The timbres of the split ``shifted``, in no other song."""
    return tuple(name for name, written in _read("timbres.yaml")[role].items() if written.get("shifted", False))


@cache
def data_digest() -> str:
    """A short digest of the three YAML files: it changes when a genre, a pattern or a timbre does."""
    digest = hashlib.sha256()
    for file_name in _FILES:
        digest.update((_FOLDER / file_name).read_bytes())
    return digest.hexdigest()[:16]
