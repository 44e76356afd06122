"""What is usual in a genre: the spread over its songs of the loudness of one stem above another."""

from __future__ import annotations

import pytest

from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import usual_balance


def songs(genre, levels_lu, segments=1):
    return [
        Segment(f"{genre}-{song}", "train", genre, float(start), 10.0, ("bass", "drums"), -15.0,
                {"bass": -20.0, "drums": -20.0 + level_lu})
        for song, level_lu in enumerate(levels_lu)
        for start in range(segments)
    ]  # fmt: skip


def test_a_song_counts_once_however_many_segments_it_has():
    usual = usual_balance(songs("rock", [1.0, 2.0, 3.0, 4.0, 5.0]) + songs("rock", [1.0], segments=50))
    spread = usual.of("rock", "bass", "drums")
    assert (spread.songs, spread.mean_lu) == (5, 3.0)
    assert spread.deviation_lu == pytest.approx(1.5811, abs=1e-4)


def test_the_other_way_round_the_sign_turns():
    usual = usual_balance(songs("rock", [1.0, 2.0, 3.0, 4.0, 5.0]))
    assert usual.of("rock", "drums", "bass").mean_lu == -3.0


def test_a_genre_of_few_songs_or_none_takes_the_balance_of_all():
    usual = usual_balance(songs("rock", [1.0, 2.0, 3.0, 4.0]) + songs("jazz", [-9.0]))
    for genre in ("rock", "jazz", "polka", None):
        assert usual.of(genre, "bass", "drums").mean_lu == pytest.approx(0.2)


def test_where_nothing_is_known_nothing_is_said():
    usual = usual_balance(songs("rock", [1.0, 2.0]))
    assert usual.of("rock", "bass", "drums") is None
    assert usual.of("rock", "bass", "vocals") is None
