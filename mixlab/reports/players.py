"""A mix with its error, after the advice and as it was, from the source's own files, for a report."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.levels import amplitude_to_db, apply_gain
from mixlab.multitrack.song import LoadedSong, MultitrackSource, SongEntry, as_float32
from mixlab.scoring.closed_loop import applied
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import GainError, Problem

PEAK_DBFS = -1.0
"""Where a common trim brings the highest peak to: lossy coding overshoots by some tenths of a dB."""

BLOCK_FRAMES = 1 << 15
"""libsndfile's Vorbis encoder keeps a whole write on its stack, so it is given a block at a time."""


@dataclass(frozen=True)
class Heard:
    """Three mixes of one item, for players.

    Attributes:
        clips: heading -> Ogg Vorbis as a data URI, at the source's own rate and channels.
        trim_db: one gain for all three, 0 or less, so that none exceeds full scale; their levels stay comparable.
        sample_rate: in Hz.
        channels: number of channels.
        licence: of the song, if it is known.
    """

    clips: Mapping[str, str]
    trim_db: float
    sample_rate: int
    channels: int
    licence: str | None

    @property
    def caption(self) -> str:
        """What a listener has to know about the sound, in words."""
        channels = "mono" if self.channels == 1 else "stereo"
        trim = f"all three lowered by {-self.trim_db:.1f} dB" if self.trim_db < 0 else "at the level of the source"
        licence = f"licence {self.licence}" if self.licence else "licence unknown, so not for publication"
        return f"{self.sample_rate / 1000:g} kHz, {channels}, {trim}; {licence}"


class SongPlayer:
    """Renders items from the songs of a source.

    Args:
        source: of the songs.
    """

    def __init__(self, source: MultitrackSource) -> None:
        self.source = source

    @cached_property
    def _entries(self) -> dict[str, SongEntry]:
        return {entry.song_id: entry for entry in self.source.entries()}

    def heard(self, prediction: Prediction) -> Heard | None:
        """The mix with its error, after the advice, and as it was: the stems that the item is about, summed.

        Returns:
            None where the item's song is not in the source, or its stems come from several songs.

        Raises:
            InputFileError: naming the file, if the song cannot be read.
        """
        problem = prediction.problem
        entry = self._entries.get(problem.song_id)
        if entry is None or problem.borrowed:
            return None
        song = self.source.load(entry)
        stages = {
            "with the error" if problem.needed_gains_db else "as it was given": problem,
            "after the advice": applied(problem, prediction.advice),
            "as it was made": _made_right(problem),
        }
        mixes = {heading: mix(song, stage) for heading, stage in stages.items()}
        trim_db = common_trim_db(list(mixes.values()))
        clips = {name: _data_uri(apply_gain(samples, trim_db), song.sample_rate) for name, samples in mixes.items()}
        channels = next(iter(mixes.values())).shape[0]
        return Heard(clips, trim_db, song.sample_rate, channels, entry.licence)


def mix(song: LoadedSong, problem: Problem) -> NDArray[np.float32]:
    """The sum of the problem's stems with its errors, without the gains that are common to all stems.

    Returns:
        Shape (channels, frames) at the song's rate; mono stems go to both channels of a stereo mix.
    """
    start = round(problem.start_s * song.sample_rate)
    frames = round(problem.duration_s * song.sample_rate)
    stems = {stem: as_float32(song.stems[stem][:, start : start + frames]) for stem in problem.stems}
    total = np.zeros((max(samples.shape[0] for samples in stems.values()), frames), dtype=np.float32)
    for stem, samples in stems.items():
        total[:, : samples.shape[1]] += apply_gain(samples, problem.error_db(stem))
    return total


def common_trim_db(mixes: Sequence[NDArray[np.float32]]) -> float:
    """The gain in dB that brings the highest peak of all to `PEAK_DBFS`, down to a tenth; 0 where none is above it."""
    peak_dbfs = max(float(amplitude_to_db(np.max(np.abs(samples), initial=0.0))) for samples in mixes)
    return min(0.0, math.floor(10.0 * (PEAK_DBFS - peak_dbfs)) / 10.0)


def _made_right(problem: Problem) -> Problem:
    """The unmodified balance, at the level that the anchor has in the mix with the error, which nobody asks to move."""
    anchor_db = problem.error_db(problem.anchor)
    errors = tuple(GainError(stem, anchor_db) for stem in problem.stems) if anchor_db else ()
    return replace(problem, errors=errors)


def _data_uri(samples: NDArray[np.float32], sample_rate: int) -> str:
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", samplerate=sample_rate, channels=samples.shape[0], format="OGG", subtype="VORBIS"
    ) as file:
        for start in range(0, samples.shape[1], BLOCK_FRAMES):
            file.write(samples[:, start : start + BLOCK_FRAMES].T)
    return f"data:audio/ogg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
