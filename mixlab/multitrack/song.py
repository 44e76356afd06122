"""Room multitrack: a song, its source, and the words for its stems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

STEMS = ("bass", "drums", "vocals", "other")
"""The roles that a track can have."""


@dataclass(frozen=True)
class SongEntry:
    """A song as its source lists it, before any audio is read."""

    song_id: str
    split: str
    """``train``, ``validation``, ``test`` or, for the demo songs, ``shifted``."""
    genre: str | None = None
    licence: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the source needs to load the song (file paths, a seed): plain, picklable values."""


@dataclass(frozen=True)
class LoadedSong:
    """The stems of a song as they came from the source.

    `stems` maps a role to samples of shape (channels, frames), float32 or 16-bit integers; all of one length.
    A stem that the song lacks is not in the mapping.
    """

    stems: Mapping[str, NDArray[np.float32] | NDArray[np.int16]]
    sample_rate: int


class MultitrackSource(Protocol):
    """Where songs come from. Sources are small, picklable and hold no audio."""

    def identity(self, entry: SongEntry) -> Mapping[str, Any]:
        """What decides the song's audio beside the contents of its files (versions, parameters, a seed), as JSON."""
        ...

    def files(self, entry: SongEntry) -> Sequence[Path]:
        """The files whose contents decide the song's audio, in a fixed order; empty where none is read."""
        ...

    def entries(self) -> Sequence[SongEntry]:
        """All songs, sorted by id; cheap, reads no audio."""
        ...

    def load(self, entry: SongEntry) -> LoadedSong:
        """Read or render the song's stems.

        Raises:
            InputFileError: naming the file, if it cannot be read.
        """
        ...
