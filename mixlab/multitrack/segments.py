"""Room multitrack: segments of songs in which the stems that matter are active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mixlab.audio.levels import FLOOR_DBFS
from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs
from mixlab.multitrack.store import FRAME_S, SongStore, StoredSong


@dataclass(frozen=True)
class Gates:
    """What a segment and its stems must reach, measured on the unmodified segment as the model hears it.

    The defaults are those of the predecessor's proposal (mixture -25 dBFS, stem -40 dBFS, 30 % active frames).
    """

    mixture_dbfs: float = -25.0
    stem_dbfs: float = -40.0
    active_ratio: float = 0.30
    active_frame_dbfs: float = -60.0


@dataclass(frozen=True)
class Segment:
    """A stretch of a song, the stems active in it, and what is measured before any error is injected."""

    song_id: str
    split: str
    genre: str | None
    start_s: float
    duration_s: float
    stems: tuple[str, ...]
    """Active stems, sorted by name."""
    mixture_dbfs: float
    lufs: Mapping[str, float] = field(default_factory=dict)
    """BS.1770 loudness of each active stem over the segment, as the model hears it."""
    active_ratio: Mapping[str, float] = field(default_factory=dict)
    """Share of frames in which each active stem plays."""


def list_segments(
    store: SongStore, songs: list[StoredSong], anchor: str | None, duration_s: float, step_s: float, gates: Gates
) -> tuple[list[Segment], Counter[str]]:
    """All segments of `songs` on a grid of `step_s` in which the anchor and at least one other stem are active.

    Args:
        anchor: None where any active stem may be the anchor.

    Returns:
        The segments, and how many songs and segments each gate dropped.
    """
    dropped: Counter[str] = Counter()
    segments: list[Segment] = []
    for song in songs:
        if anchor is not None and anchor not in song.stems:
            dropped["songs_without_anchor"] += 1
            continue
        if song.duration_s < duration_s:
            dropped["songs_too_short"] += 1
            continue
        segments.extend(_segments_of(store, song, anchor, duration_s, step_s, gates, dropped))
    return segments, dropped


def _segments_of(
    store: SongStore,
    song: StoredSong,
    anchor: str | None,
    duration_s: float,
    step_s: float,
    gates: Gates,
    dropped: Counter[str],
) -> list[Segment]:
    levels = store.levels(song.song_id)
    frames, hops = round(duration_s / FRAME_S), round(duration_s / POWER_HOP_S)
    found = []
    for start_s in np.arange(0.0, song.duration_s - duration_s + 1e-6, step_s).round(3):
        first_frame, first_hop = round(start_s / FRAME_S), round(start_s / POWER_HOP_S)
        power = levels.power[:, first_frame : first_frame + frames].astype(np.float64)
        frame_dbfs = _power_to_db(power)
        segment_dbfs = _power_to_db(power.mean(axis=1))
        if segment_dbfs[-1] < gates.mixture_dbfs:
            dropped["segments_mixture_too_quiet"] += 1
            continue
        active_ratio = (frame_dbfs > gates.active_frame_dbfs).mean(axis=1)
        lufs = integrated_lufs(levels.k_power[:, first_hop : first_hop + hops].astype(np.float64))
        active = [
            stem
            for row, stem in enumerate(song.stems)
            if segment_dbfs[row] >= gates.stem_dbfs
            and active_ratio[row] >= gates.active_ratio
            and np.isfinite(lufs[row])
        ]
        if anchor is not None and anchor not in active:
            dropped["segments_anchor_inactive"] += 1
        elif len(active) < 2:
            dropped["segments_nothing_beside_anchor"] += 1
        else:
            found.append(
                Segment(
                    song_id=song.song_id,
                    split=song.split,
                    genre=song.genre,
                    start_s=float(start_s),
                    duration_s=duration_s,
                    stems=tuple(active),
                    mixture_dbfs=float(segment_dbfs[-1]),
                    lufs={stem: float(lufs[song.stems.index(stem)]) for stem in active},
                    active_ratio={stem: float(active_ratio[song.stems.index(stem)]) for stem in active},
                )
            )
    return found


def _power_to_db(power: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DBFS / 10.0)))
