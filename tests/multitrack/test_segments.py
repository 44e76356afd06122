"""Segments: only stretches in which the stems that matter are active; what is dropped is counted."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from mixlab.audio.levels import rms_dbfs
from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, Segment, heard_together, list_segments
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry

RATE = 8000


@dataclass
class OneSong:
    """A song of noise; each stem has a level in dBFS for every 5 s."""

    levels_dbfs: dict[str, list[float]]
    roles = STEMS

    def identity(self, entry):
        return self.levels_dbfs

    def files(self, entry):
        return ()

    def entries(self):
        return [SongEntry("song", "test", genre="jazz")]

    def load(self, entry):
        rng = np.random.default_rng(0)
        stems = {}
        for stem, levels in self.levels_dbfs.items():
            gains = np.repeat(10.0 ** (np.asarray(levels) / 20), 5 * RATE)
            stems[stem] = (rng.standard_normal(gains.size) * gains).astype(np.float32)[None]
        return LoadedSong(stems, RATE)


@pytest.fixture
def segments_of(tmp_path):
    """Segments of a song with the given levels, on a grid of 5 s unless told otherwise, and the counts of the drops."""

    def listed(anchor="bass", step_s=5.0, duration_s=10.0, gates=None, **levels_dbfs):
        store = prepare(OneSong(levels_dbfs), tmp_path, RATE, workers=1)
        return list_segments(store, store.split("test"), anchor, duration_s, step_s, gates or Gates())

    return listed


OFF = -200.0


def test_an_active_song_gives_a_segment_at_every_step(segments_of):
    segments, dropped = segments_of(step_s=1.0, bass=[-20.0] * 5, drums=[-20.0] * 5)
    assert [segment.start_s for segment in segments] == list(range(16))
    assert {segment.stems for segment in segments} == {("bass", "drums")}
    assert not dropped
    assert all(after.start_s - before.start_s == 1.0 for before, after in pairwise(segments))


def test_a_stem_that_is_silent_in_a_segment_is_not_in_it(segments_of):
    segments, _ = segments_of(bass=[-20.0] * 4, drums=[-20.0] * 4, vocals=[OFF, OFF, -20.0, -20.0])
    assert [segment.stems for segment in segments] == [
        ("bass", "drums"),
        ("bass", "drums", "vocals"),
        ("bass", "drums", "vocals"),
    ]
    assert all(set(segment.lufs) == set(segment.stems) for segment in segments)


def test_a_stem_below_the_gate_is_not_in_the_segment(segments_of):
    segments, _ = segments_of(bass=[-20.0] * 2, drums=[-20.0] * 2, vocals=[-40.5] * 2, other=[-39.5] * 2)
    assert segments[0].stems == ("bass", "drums", "other")


def test_a_stem_that_plays_too_rarely_is_not_in_the_segment(segments_of):
    often = Gates(active_ratio=0.6)
    segments, _ = segments_of(gates=often, bass=[-20.0] * 2, drums=[-20.0] * 2, vocals=[-20.0, OFF])
    assert segments[0].stems == ("bass", "drums")


def test_a_song_without_the_anchor_is_dropped_and_counted(segments_of):
    assert segments_of(drums=[-20.0] * 3, vocals=[-20.0] * 3) == ([], {"songs_without_anchor": 1})


def test_a_song_shorter_than_a_segment_is_dropped_and_counted(segments_of):
    assert segments_of(bass=[-20.0], drums=[-20.0]) == ([], {"songs_too_short": 1})


def test_segments_with_a_silent_anchor_are_dropped_and_counted(segments_of):
    segments, dropped = segments_of(bass=[OFF, OFF, OFF, -20.0], drums=[-20.0] * 4)
    assert [segment.start_s for segment in segments] == [10.0]
    assert dropped == {"segments_anchor_too_quiet": 2}


def test_segments_with_the_anchor_alone_are_dropped_and_counted(segments_of):
    assert segments_of(bass=[-20.0] * 2, drums=[OFF] * 2) == ([], {"segments_nothing_beside_anchor": 1})


def test_segments_that_are_too_quiet_are_dropped_and_counted(segments_of):
    assert segments_of(bass=[-30.0] * 2, drums=[-30.0] * 2) == ([], {"segments_mixture_too_quiet": 1})


def test_levels_are_those_of_the_unmodified_segment(segments_of, tmp_path):
    segments, _ = segments_of(bass=[-20.0, -30.0, -10.0], drums=[-20.0, -15.0, -20.0])
    store = prepare(OneSong({"bass": [-20.0, -30.0, -10.0], "drums": [-20.0, -15.0, -20.0]}), tmp_path, RATE, 1)
    for segment in segments:
        stems = store.read("song", segment.stems, segment.start_s, segment.duration_s)
        assert segment.mixture_dbfs == pytest.approx(rms_dbfs(stems["bass"] + stems["drums"]), abs=1e-3)
        for stem, samples in stems.items():
            alone = float(integrated_lufs(k_weighted_power(samples[None], RATE)))
            # The filters start anew in the segment read alone, which is heard in its first block.
            assert segment.lufs[stem] == pytest.approx(alone, abs=0.05)


def test_the_split_and_genre_of_the_song_are_the_segments(segments_of):
    segments, _ = segments_of(bass=[-20.0] * 2, drums=[-20.0] * 2)
    assert (segments[0].split, segments[0].genre, segments[0].song_id) == ("test", "jazz", "song")


def at(*starts_s, stems=("bass", "drums")):
    return [Segment("song", "test", "jazz", float(start_s), 10.0, stems, -20.0) for start_s in starts_s]


def test_segments_heard_together_lie_as_far_apart_as_they_can():
    segments = at(*range(11))
    chosen = [s.start_s for s in heard_together(segments[0], segments, 3)]
    assert chosen == [0, 10, 5]
    assert [s.start_s for s in heard_together(segments[4], segments, 2)] == [4, 10]
    assert heard_together(segments[4], segments, 1) == [segments[4]]
    assert len({s.start_s for s in heard_together(segments[4], segments, 99)}) == 11


def test_where_a_stem_is_silent_a_segment_is_not_heard_with_one_where_it_plays():
    (first,), others = at(0), at(5, stems=("bass", "drums", "vocals")) + at(10, stems=("bass",))
    assert [s.start_s for s in heard_together(first, [first, *others], 3)] == [0, 5]
