"""Room multitrack: segments of songs in which the stems that matter are active."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mixlab.multitrack.index import Measures, SegmentIndex, segment_index
from mixlab.multitrack.store import SongStore, StoredSong
from mixlab.settings import LevelDbfs, Settings, Share


class Gates(Settings):
    """What a segment and its stems must reach, measured on the unmodified segment as the model hears it: `gates`.

    The defaults are those of the predecessor's proposal (mixture -25 dBFS, stem -40 dBFS, 30 % active frames).
    """

    mixture_dbfs: LevelDbfs = -25.0
    stem_dbfs: LevelDbfs = -40.0
    active_ratio: Share = 0.30
    active_frame_dbfs: LevelDbfs = -60.0

    def closed_for(self, stem: Measures) -> str | None:
        """The gate that a stem does not pass: ``too_quiet`` or ``rarely_active``; None where it passes."""
        if stem.level_dbfs < self.stem_dbfs or stem.lufs is None:
            return "too_quiet"
        return "rarely_active" if stem.active_ratio < self.active_ratio else None


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
    lufs_source: Mapping[str, float] = field(default_factory=dict)
    """The same at the source's own rate and channels; empty where it is not known (exports of before it was kept)."""
    active_ratio: Mapping[str, float] = field(default_factory=dict)
    """Share of frames in which each active stem plays."""
    work: str = ""
    """What the song shares with other people's mixes of the same music; empty where there are none."""
    mixes_lufs: tuple[Mapping[str, float], ...] = ()
    """Loudness of each stem over the whole song, in every mix of the same music, its own first; empty with one mix."""

    @property
    def lufs_played(self) -> Mapping[str, float]:
        """Loudness of each active stem as it is played, by which norms go; as it is heard where that is unknown."""
        return {stem: self.lufs_source.get(stem, lufs) for stem, lufs in self.lufs.items()}

    def spread_db(self, anchor: str, stem: str) -> tuple[float, float]:
        """How much quieter and louder than here all mixers put a stem beside the anchor, in dB; 0 and 0 with one mix.

        The range holds 0, which is this mix itself. A mixer who left one of the two out tells nothing.
        """
        levels = [lufs[stem] - lufs[anchor] for lufs in self.mixes_lufs if stem in lufs and anchor in lufs]
        return (min(levels) - levels[0], max(levels) - levels[0]) if levels else (0.0, 0.0)


def list_segments(
    store: SongStore, songs: Sequence[StoredSong], anchor: str | None, duration_s: float, step_s: float, gates: Gates
) -> tuple[list[Segment], Counter[str]]:
    """All segments of `songs` on a grid of `step_s` in which the anchor and at least one other stem are active.

    Args:
        anchor: None where any active stem may be the anchor.

    Returns:
        The segments, and how many songs and segments each gate dropped.
    """
    dropped: Counter[str] = Counter()
    index = segment_index(store, duration_s, step_s, gates.active_frame_dbfs)
    segments: list[Segment] = []
    works: dict[str, list[StoredSong]] = defaultdict(list)
    for song in store.songs.values():
        works[song.work or song.song_id].append(song)
    for song in songs:
        if anchor is not None and anchor not in song.stems:
            dropped["songs_without_anchor"] += 1
        elif song.duration_s < duration_s:
            dropped["songs_too_short"] += 1
        else:
            mixes = sorted(works[song.work or song.song_id], key=lambda mix: mix.song_id != song.song_id)
            segments.extend(_segments_of(index, mixes, anchor, gates, dropped))
    return segments, dropped


def _segments_of(
    index: SegmentIndex, mixes: Sequence[StoredSong], anchor: str | None, gates: Gates, dropped: Counter[str]
) -> list[Segment]:
    """The segments of the first of the mixes of one work."""
    song, found = mixes[0], []
    mixes_lufs = [{s: lufs for s, lufs in mix.song_lufs.items() if math.isfinite(lufs)} for mix in mixes]
    for row in index.of_song(song.song_id):
        if row.mixture_dbfs < gates.mixture_dbfs:
            dropped["segments_mixture_too_quiet"] += 1
            continue
        closed = {stem: gates.closed_for(measures) for stem, measures in row.stems.items()}
        active = tuple(stem for stem, gate in closed.items() if gate is None)
        if anchor is not None and closed[anchor] is not None:
            dropped[f"segments_anchor_{closed[anchor]}"] += 1
        elif len(active) < 2:
            dropped["segments_nothing_beside_anchor"] += 1
        else:
            found.append(
                Segment(
                    song_id=song.song_id,
                    split=song.split,
                    genre=song.genre,
                    start_s=row.start_s,
                    duration_s=index.duration_s,
                    stems=active,
                    mixture_dbfs=row.mixture_dbfs,
                    lufs={stem: float(row.stems[stem].lufs or 0.0) for stem in active},
                    lufs_source={stem: lufs for stem in active if (lufs := row.stems[stem].lufs_source) is not None},
                    active_ratio={stem: row.stems[stem].active_ratio for stem in active},
                    work=song.work,
                    mixes_lufs=tuple(mixes_lufs) if len(mixes) > 1 else (),
                )
            )
    return found


def group_by_song(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Segments by song id, in their order."""
    by_song: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_song[segment.song_id].append(segment)
    return dict(by_song)


def heard_together(first: Segment, segments: Sequence[Segment], count: int) -> list[Segment]:
    """A segment with others of its song in which the same stems are active, so that one mix is heard at several places.

    Args:
        segments: of the song.
        count: how many at most.

    Returns:
        `first`, then one by one the segment that is farthest from all that were chosen; of equals, the earliest.
    """
    chosen = [first]
    others = [s for s in segments if s.start_s != first.start_s and set(first.stems) <= set(s.stems)]
    while others and len(chosen) < count:
        gaps_s = [min(abs(other.start_s - one.start_s) for one in chosen) for other in others]
        chosen.append(others.pop(gaps_s.index(max(gaps_s))))
    return chosen
