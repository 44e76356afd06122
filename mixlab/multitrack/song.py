"""Room multitrack: a song, its source, and the words for its stems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.blocks import Blocks
from mixlab.audio.files import BLOCK_FRAMES
from mixlab.multitrack.tracks import RoleSums

_INT16_SCALE = np.float32(1.0 / 32768.0)

STEMS = ("bass", "drums", "vocals", "other")
"""The roles of a data set that states none of its own."""


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
    notes: tuple[str, ...] = ()
    """Sentences on what is not as one may think: a track that is missing, or there twice."""
    work: str = ""
    """What several people's mixes of one piece of music have in common; empty where there is one mix."""


@dataclass(frozen=True)
class LoadedSong:
    """The stems of a song as they came from the source.

    Attributes:
        stems: samples by role, of shape (channels, frames), float32 or 16-bit integers; all of one length. A stem that
            the song lacks is not in the mapping.
        tolerance_s: by how much the stems may differ in length as long as they are read block by block.
    """

    stems: Mapping[str, NDArray[np.float32] | NDArray[np.int16]]
    sample_rate: int
    tolerance_s: float = 0.0

    def name(self, stem: str) -> str:
        """What a sentence calls a stem: its files, where it has any."""
        return self.stems.names(stem) if isinstance(self.stems, RoleSums) else f"the stem '{stem}'"

    def blocks(self, stem: str) -> Blocks:
        """A stem in float32, block by block; stems in files are not decoded whole for that."""
        if isinstance(self.stems, RoleSums):
            return self.stems.blocks(stem)
        samples = self.stems[stem]
        return (as_float32(samples[:, at : at + BLOCK_FRAMES]) for at in range(0, samples.shape[1], BLOCK_FRAMES))


def as_float32(samples: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
    """Samples as float32 with full scale at 1: 16-bit integers are scaled, floats are left where they are."""
    if samples.dtype == np.int16:
        return np.multiply(samples, _INT16_SCALE, dtype=np.float32)
    return np.asarray(samples, dtype=np.float32)


class MultitrackSource(Protocol):
    """Where songs come from. Sources are small, picklable and hold no audio."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that a stem of its songs can have, in their order."""
        ...

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
