"""Room multitrack: what a data set measures: loudness by stem and split, balance by genre, and what the gates drop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.multitrack.index import MEASURES, SegmentIndex
from mixlab.multitrack.segments import Gates, Segment

PERCENTILES = (5, 25, 50, 75, 95)
ALL_GENRES = "all"
UNKNOWN_GENRE = "unknown"

FEWEST_SONGS = 5
"""Songs of a genre below which its balance is taken from all songs: a deviation of fewer says little."""

Columns = Mapping[str, NDArray[Any]]
Rows = NDArray[np.bool_]


def statistics(index: SegmentIndex, gates: Gates) -> dict[str, Any]:
    """Statistics of the segments of an index, as JSON values.

    - ``roles``: of the data set, in their order.
    - ``songs`` and ``segments`` by split; segments before any gate.
    - ``gates``: by split, how many segments each gate closes for: the mixture's level, then for each stem its level
      and its activity among the segments whose mixture passes; and for each anchor how many segments are left.
    - ``stems``: by split and stem, percentiles of every measure over the segments where the stem passes all gates.
    - ``relative_lufs`` (at the source's rate and channels) and ``relative_lufs_heard`` (as the model hears it): by
      split and genre, percentiles over songs of the loudness of one stem above one before it in LU, such as
      ``vocals-bass``. A song counts once, with its median over the segments where both stems pass.
    """
    columns = {name: index.table.column(name).to_numpy(zero_copy_only=False) for name in index.table.schema.names}
    passing = _passing(columns, index.roles, gates)
    splits = sorted(set(columns["split"]))
    chosen = {split: columns["split"] == split for split in splits}
    return {
        "roles": list(index.roles),
        "songs": {split: len(set(columns["song_id"][rows])) for split, rows in chosen.items()},
        "segments": {split: int(rows.sum()) for split, rows in chosen.items()},
        "gates": {split: _gates(columns, passing, rows, gates) for split, rows in chosen.items()},
        "stems": {split: _stems(columns, passing, rows) for split, rows in chosen.items()},
        "relative_lufs": {s: _relative(columns, passing, rows, "lufs_source") for s, rows in chosen.items()},
        "relative_lufs_heard": {s: _relative(columns, passing, rows, "lufs") for s, rows in chosen.items()},
    }


@dataclass(frozen=True)
class Spread:
    """Loudness of one stem above another in LU over songs: their number, mean and standard deviation."""

    songs: int
    mean_lu: float
    deviation_lu: float


@dataclass(frozen=True)
class UsualBalance:
    """What songs of each genre do: for (genre, anchor, stem) the spread of the stem's loudness above the anchor."""

    spreads: Mapping[tuple[str, str, str], Spread]

    def of(self, genre: str | None, anchor: str, stem: str) -> Spread | None:
        """The spread of a genre, that of all songs where it has fewer than `FEWEST_SONGS`; None where too few do."""
        for name in (genre or UNKNOWN_GENRE, ALL_GENRES):
            found = self.spreads.get((name, anchor, stem))
            if found is not None and found.songs >= FEWEST_SONGS and found.deviation_lu > 0:
                return found
        return None


def usual_balance(segments: Sequence[Segment]) -> UsualBalance:
    """The balance of the songs that segments are of, as it is played; a song counts once, with its median."""
    by_song: dict[tuple[str, str, str, str], list[float]] = {}
    for segment in segments:
        lufs = segment.lufs_played
        for anchor, stem in permutations(lufs, 2):
            key = (segment.genre or UNKNOWN_GENRE, segment.song_id, anchor, stem)
            by_song.setdefault(key, []).append(lufs[stem] - lufs[anchor])
    values: dict[tuple[str, str, str], list[float]] = {}
    for (genre, _, anchor, stem), found in by_song.items():
        for name in (genre, ALL_GENRES):
            values.setdefault((name, anchor, stem), []).append(float(np.median(found)))
    return UsualBalance(
        {
            key: Spread(len(songs), float(np.mean(songs)), float(np.std(songs, ddof=1)) if len(songs) > 1 else 0.0)
            for key, songs in values.items()
        }
    )


def _loud_enough(columns: Columns, stem: str, gates: Gates) -> Rows:
    with np.errstate(invalid="ignore"):
        return (columns[f"{stem}_level_dbfs"] >= gates.stem_dbfs) & np.isfinite(columns[f"{stem}_lufs"])


def _passing(columns: Columns, roles: Sequence[str], gates: Gates) -> dict[str, Rows]:
    """For each role the segments in which it and the mixture pass all gates."""
    mixture = columns["mixture_dbfs"] >= gates.mixture_dbfs
    with np.errstate(invalid="ignore"):
        active = {stem: columns[f"{stem}_active_ratio"] >= gates.active_ratio for stem in roles}
    return {stem: mixture & _loud_enough(columns, stem, gates) & active[stem] for stem in roles}


def _gates(columns: Columns, passing: Mapping[str, Rows], rows: Rows, gates: Gates) -> dict[str, Any]:
    mixture = rows & (columns["mixture_dbfs"] >= gates.mixture_dbfs)
    several = np.sum(list(passing.values()), axis=0) >= 2
    stems = {}
    for stem in passing:
        there = mixture & np.isfinite(columns[f"{stem}_level_dbfs"])
        loud = there & _loud_enough(columns, stem, gates)
        stems[stem] = {
            "songs_without": len(set(columns["song_id"][rows & ~np.isfinite(columns[f"{stem}_level_dbfs"])])),
            "too_quiet": int((there & ~loud).sum()),
            "rarely_active": int((loud & ~passing[stem]).sum()),
            "segments_as_anchor": int((rows & passing[stem] & several).sum()),
        }
    return {"segments": int(rows.sum()), "mixture_too_quiet": int((rows & ~mixture).sum()), "stems": stems}


def _stems(columns: Columns, passing: Mapping[str, Rows], rows: Rows) -> dict[str, Any]:
    found = {}
    for stem in passing:
        active = rows & passing[stem]
        if active.any():
            measures = {name: _percentiles(columns[f"{stem}_{name}"][active]) for name in MEASURES}
            songs = len(set(columns["song_id"][active]))
            found[stem] = {"songs": songs, "segments": int(active.sum()), **measures}
    return found


def _relative(columns: Columns, passing: Mapping[str, Rows], rows: Rows, measure: str) -> dict[str, Any]:
    genres = np.array([UNKNOWN_GENRE if genre is None else genre for genre in columns["genre"]], dtype=object)
    found: dict[str, Any] = {}
    for genre in [ALL_GENRES, *sorted(set(genres[rows]))]:
        of_genre = rows if genre == ALL_GENRES else rows & (genres == genre)
        pairs = {}
        for low, high in combinations(passing, 2):
            both = of_genre & passing[low] & passing[high]
            difference = columns[f"{high}_{measure}"] - columns[f"{low}_{measure}"]
            medians = np.array(list(_by_song(columns["song_id"], difference, both)))
            if medians.size:
                pairs[f"{high}-{low}"] = {"songs": int(medians.size), **_percentiles(medians)}
        found[str(genre)] = pairs
    return found


def _by_song(song_ids: NDArray[Any], values: NDArray[np.float64], rows: Rows) -> Iterator[float]:
    """The median of each song that has any of the rows."""
    order = np.flatnonzero(rows & np.isfinite(values))
    if order.size:
        # Rows are sorted by song.
        ids = song_ids[order]
        for part in np.split(values[order], np.flatnonzero(ids[1:] != ids[:-1]) + 1):
            yield float(np.median(part))


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    return {f"p{p}": round(float(v), 3) for p, v in zip(PERCENTILES, np.percentile(finite, PERCENTILES), strict=True)}
