"""Room baselines: how loud stems of unmodified songs are beside an anchor: means by genre, covariance within a genre.

A clip departs from its genre for two reasons: its song does (between songs), and the clip does from its song (within
songs). Who hears several segments of a song averages the second away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.loudness import shrunk_means

LEAST_SD_DB = 0.1
"""Standard deviation below which nothing is believed to lie; it keeps covariances of few songs invertible."""


@dataclass(frozen=True)
class Levels:
    """What is measured of one clip without errors: its song, its genre, and the loudness of its stems in LUFS.

    A gain common to all stems changes nothing.
    """

    song_id: str
    genre: str
    lufs: Mapping[str, float]


@dataclass(frozen=True)
class UsualLevels:
    """Loudness of stems relative to one anchor in LU, over songs.

    Attributes:
        stems: that were ever heard beside the anchor.
        genres: in the order of the first axis of `means_db`.
        shares: share of songs of each genre, shape (genres,).
        means_db: mean over the songs of each genre, shrunk to that of all songs, shape (genres, stems).
        between: covariance in dB^2 of songs' means within a genre, shape (stems, stems).
        within: for each song, the summed products of its clips' deviations from their mean, shape
            (songs, stems, stems).
        counts: for each song, over how many clips these go, shape (songs, stems, stems).
        spare: songs less genres, the degrees of freedom of `between`.
    """

    stems: tuple[str, ...]
    genres: tuple[str, ...]
    shares: NDArray[np.float64]
    means_db: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]
    counts: NDArray[np.float64]
    spare: int

    def covariance(self, stems: Sequence[str], within: bool = True) -> NDArray[np.float64]:
        """Covariance in dB^2 around the genre's mean of what is heard in a clip, shape (stems, stems).

        Args:
            within: False for the mean of all clips of a song, which does not depart from the song's.
        """
        parts = self.within / np.maximum(self.counts, 1) * within
        total = self.between + parts.sum(axis=0) / np.maximum((self.counts > 0).sum(axis=0), 1)
        columns = [self.stems.index(stem) for stem in stems]
        values, vectors = np.linalg.eigh(total[np.ix_(columns, columns)])
        return np.asarray((vectors * np.maximum(values, LEAST_SD_DB**2)) @ vectors.T)

    def means(self, stems: Sequence[str]) -> NDArray[np.float64]:
        """The mean of each genre in LU, shape (genres, stems)."""
        return self.means_db[:, [self.stems.index(stem) for stem in stems]]


def usual_levels(found: Sequence[Levels], anchor: str) -> UsualLevels:
    """What clips without errors have relative to an anchor; every song counts once."""
    genre_of_song = {clip.song_id: clip.genre for clip in found}
    genres = tuple(sorted(set(genre_of_song.values())))
    by_song: dict[str, list[Levels]] = {}
    for clip in found:
        if anchor in clip.lufs:
            by_song.setdefault(clip.song_id, []).append(clip)
    stems = tuple(sorted({stem for clips in by_song.values() for clip in clips for stem in clip.lufs} - {anchor}))
    means, within, counts = (np.zeros((len(by_song), *[len(stems)] * axes)) for axes in (1, 2, 2))
    for song, clips in enumerate(by_song.values()):
        levels = np.array([[clip.lufs.get(stem, np.nan) - clip.lufs[anchor] for stem in stems] for clip in clips])
        means[song] = _mean(levels)
        deviations, heard = np.nan_to_num(levels - means[song]), np.isfinite(levels).astype(np.float64)
        within[song], counts[song] = deviations.T @ deviations, heard.T @ heard
    genre_of = np.array([genre_of_song[song] for song in by_song], dtype=object)
    songs_of = {genre: means[genre_of == genre] for genre in genres}
    between, spare = np.zeros((2, len(stems), len(stems)))
    for songs in songs_of.values():
        deviations, heard = np.nan_to_num(songs - _mean(songs)), np.isfinite(songs).astype(np.float64)
        between += deviations.T @ deviations
        spare += np.maximum(heard.T @ heard - 1.0, 0.0)
    genre_means = np.empty((len(genres), len(stems)))
    for column in range(len(stems)):
        values = {genre: songs[np.isfinite(songs[:, column]), column].tolist() for genre, songs in songs_of.items()}
        shrunk = shrunk_means({genre: levels for genre, levels in values.items() if levels})
        overall = float(np.mean([level for levels in values.values() for level in levels]))
        genre_means[:, column] = [shrunk.get(genre, overall) for genre in genres]
    songs_in = list(genre_of_song.values())
    shares = np.array([songs_in.count(genre) for genre in genres]) / len(songs_in)
    spare_songs = sum(max(0, len(songs) - 1) for songs in songs_of.values())
    return UsualLevels(
        stems, genres, shares, genre_means, between / np.maximum(spare, 1.0), within, counts, spare_songs
    )


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the first axis of what is finite, NaN where nothing is."""
    counts = np.isfinite(values).sum(axis=0)
    return np.divide(np.nan_to_num(values).sum(axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)
