"""Room synthesis: changes of a training problem that leave its advice right; drawn, and recorded in the problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from mixlab.multitrack.segments import Segment
from mixlab.multitrack.store import FRAME_S, SongStore
from mixlab.settings import Settings, Share
from mixlab.synthesis.problem import BorrowedStem, Problem
from mixlab.synthesis.protocol import LevelProtocol

REFERENCE_STEM = "bass"
"""The stem that a genre's balance is relative to; a cross-song mix keeps its own."""


class Augmentation(Settings):
    """How often training examples are changed, and how far: the group `data.augmentation`.

    Attributes:
        polarity_probability: that the sign of a stem is flipped, for each stem. It changes how stems interfere where
            they are summed, and nothing that can be heard of one of them.
        start_jitter_s: half width of the uniform shift of a segment's start, within its song. Loudness stays that of
            the segment on the grid.
        cross_song_probability: that the stems come from several songs (see `CrossSong`).
    """

    polarity_probability: Share
    start_jitter_s: Annotated[float, Field(ge=0.0, le=1.0)]
    cross_song_probability: Share

    def apply(self, problem: Problem, song_s: float, cross_song: CrossSong | None, rng: np.random.Generator) -> Problem:
        """A problem with its own draws of what is turned on.

        Args:
            song_s: length of the problem's song.
            cross_song: needed where stems may come from several songs.
        """
        if self.cross_song_probability > 0 and cross_song is not None and rng.uniform() < self.cross_song_probability:
            problem = cross_song.mix(problem, rng)
        if self.start_jitter_s > 0:
            earliest_s = max(0.0, problem.start_s - self.start_jitter_s)
            latest_s = max(earliest_s, min(song_s - problem.duration_s, problem.start_s + self.start_jitter_s))
            problem = replace(problem, start_s=round(float(rng.uniform(earliest_s, latest_s)), 3))
        if self.polarity_probability > 0:
            flips = rng.uniform(size=len(problem.stems)) < self.polarity_probability
            flipped = [stem for stem, flip in zip(problem.stems, flips, strict=True) if flip]
            problem = replace(problem, flipped=tuple(sorted(flipped)))
        return problem


class CrossSong:
    """Mixes of stems from several songs of one genre, at a balance that is as true as that of the genre's songs.

    The bass stays; every other stem comes from another song of the genre and is brought to the genre's balance with the
    bass plus a deviation of its own, by the integrated loudness of both songs, as the songs themselves were made. There
    is such a balance for demo songs only.

    Args:
        store: of the songs.
        segments: those that stems are taken from.
        balance_db: genre -> stem -> typical loudness relative to the bass.
        sigma_db: standard deviation of songs around it, for each stem but the bass.
        level: what the sum is brought to.
    """

    def __init__(
        self,
        store: SongStore,
        segments: Sequence[Segment],
        balance_db: Mapping[str, Mapping[str, float]],
        sigma_db: float,
        level: LevelProtocol,
    ) -> None:
        self.store, self.balance_db, self.sigma_db, self.level = store, balance_db, sigma_db, level
        self._donors: dict[tuple[str | None, str], list[Segment]] = {}
        for segment in segments:
            for stem in segment.stems:
                self._donors.setdefault((segment.genre, stem), []).append(segment)

    def mix(self, problem: Problem, rng: np.random.Generator) -> Problem:
        """The problem with its stems taken from other songs; a stem that no other song has stays."""
        own_lufs = self.store.songs[problem.song_id].song_lufs
        balance_db = self.balance_db.get(problem.genre or "")
        if balance_db is None or not np.isfinite(own_lufs.get(REFERENCE_STEM, np.nan)):
            return problem
        borrowed = []
        for stem in sorted(problem.stems):
            donors = [s for s in self._donors.get((problem.genre, stem), []) if s.song_id != problem.song_id]
            if stem == REFERENCE_STEM or not donors:
                continue
            donor = donors[rng.integers(len(donors))]
            wanted_lufs = own_lufs[REFERENCE_STEM] + balance_db[stem] + self.sigma_db * float(rng.standard_normal())
            gain_db = wanted_lufs - self.store.songs[donor.song_id].song_lufs[stem]
            borrowed.append(BorrowedStem(stem, donor.song_id, donor.start_s, gain_db))
        problem = replace(problem, borrowed=tuple(borrowed))
        return replace(problem, headroom_gain_db=self.level.headroom_dbfs - self._mixture_dbfs(problem))

    def _mixture_dbfs(self, problem: Problem) -> float:
        """Level of the sum before any error; the powers of the stems are added, as those of different songs are."""
        loans = {loan.stem: loan for loan in problem.borrowed}
        power = 0.0
        for stem in problem.stems:
            loan = loans.get(stem, BorrowedStem(stem, problem.song_id, problem.start_s, 0.0))
            row = self.store.songs[loan.song_id].stems.index(stem)
            first, frames = round(loan.start_s / FRAME_S), round(problem.duration_s / FRAME_S)
            frame_power = self.store.levels(loan.song_id).power[row, first : first + frames]
            power += float(frame_power.mean(dtype=np.float64)) * 10.0 ** (loan.gain_db / 10.0)
        return float(10.0 * np.log10(power))
