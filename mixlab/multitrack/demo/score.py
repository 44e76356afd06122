"""Room multitrack: what a composed demo song consists of, before it sounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEPS_PER_BAR = 16
STEPS_PER_BEAT = 4

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones above the tonic of the seven degrees of each mode."""

CHORDS = {
    "power": (0, 4, 7),
    "triad": (0, 2, 4, 7),
    "seventh": (0, 2, 4, 6),
    "ninth": (2, 4, 6, 8),
    "sus": (0, 1, 4, 8),
}
"""Tones of a chord as steps of the scale above its root."""


class Note(NamedTuple):
    """One note as it is written down; see `Notes` for the units."""

    start_s: float
    duration_s: float
    pitch_midi: float
    level_db: float
    sound: int = 0


@dataclass(frozen=True)
class Notes:
    """The notes of one role, in the order of their starts; every array has shape (notes,)."""

    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    pitch_midi: NDArray[np.float64]
    level_db: NDArray[np.float64]
    """Level of the note relative to others of its role: section, accent and a little chance."""
    sound: NDArray[np.int64]
    """For drums the place in `DRUM_VOICES`; for vocals a number that chooses vowels and consonant; else 0."""

    @classmethod
    def of(cls, notes: Iterable[Note]) -> Notes:
        """Arrays of single notes, sorted by start."""
        ordered = sorted(notes)
        table = np.array([note[:4] for note in ordered], dtype=np.float64).reshape(-1, 4)
        sound = np.array([note.sound for note in ordered], dtype=np.int64)
        table.flags.writeable = sound.flags.writeable = False
        return cls(table[:, 0], table[:, 1], table[:, 2], table[:, 3], sound)

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True)
class Section:
    """A few bars of one character."""

    name: str
    first_bar: int
    bars: int
    level_db: float
    """Level common to all stems."""
    stem_level_db: Mapping[str, float]
    """What a single stem adds to it."""

    @property
    def loud(self) -> bool:
        """Whether the fuller patterns play."""
        return self.name in ("chorus", "bridge")


@dataclass(frozen=True)
class Outline:
    """What all parts of a song agree on."""

    tempo_bpm: float
    swing: float
    tonic: int
    """Pitch class of the key, 0 is C."""
    mode: str
    progression: tuple[int, ...]
    sections: tuple[Section, ...]
    duration_s: float

    @property
    def step_s(self) -> float:
        """Length of a sixteenth note."""
        return 60.0 / self.tempo_bpm / STEPS_PER_BEAT

    @property
    def bars(self) -> int:
        """Number of bars that begin within the song."""
        return int(np.ceil(self.duration_s / (STEPS_PER_BAR * self.step_s)))

    def time_s(self, step: int) -> float:
        """When a step sounds, counted from the start of the song, swing included."""
        beat, within = divmod(step, STEPS_PER_BEAT)
        half = STEPS_PER_BEAT / 2
        late = half + self.swing
        warped = within * late / half if within < half else late + (within - half) * (STEPS_PER_BEAT - late) / half
        return (beat * STEPS_PER_BEAT + warped) * self.step_s

    def section_of(self, bar: int) -> Section:
        """The section that `bar` belongs to."""
        return next(section for section in self.sections if bar < section.first_bar + section.bars)

    def root_of(self, bar: int) -> int:
        """Degree of the scale, from 0, on which the chord of `bar` stands."""
        return self.progression[bar % len(self.progression)] - 1

    def pitch_of(self, degree: int) -> int:
        """MIDI note of a degree of the scale, degree 0 being the tonic in the octave from C-1."""
        octave, place = divmod(degree, 7)
        return self.tonic + SCALES[self.mode][place] + 12 * octave

    def pitch_near(self, degree: int, centre_midi: float) -> int:
        """The note of the pitch class of `degree` that is nearest to `centre_midi`."""
        pitch_class = self.pitch_of(degree)
        return pitch_class + 12 * round((centre_midi - pitch_class) / 12)


@dataclass(frozen=True)
class Composition:
    """A song as a score: everything that chance decides, and no audio."""

    seed: int
    genre: str
    shifted: bool
    outline: Outline
    notes: Mapping[str, Notes]
    timbres: Mapping[str, str]
    colour: Mapping[str, float]
    """How much brighter than its timbre a role sounds in this song, in dB an octave."""
    deviation_db: Mapping[str, float]
    """How far this song's balance departs from its genre's, in LU; 0 for the bass."""
    target_db: Mapping[str, float]
    """Loudness of each stem relative to the bass: the genre's balance plus the song's deviation."""

    @property
    def tempo_bpm(self) -> float:
        """Beats a minute."""
        return self.outline.tempo_bpm

    @property
    def duration_s(self) -> float:
        """Length of the song."""
        return self.outline.duration_s
