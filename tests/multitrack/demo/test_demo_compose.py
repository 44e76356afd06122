"""What a composed demo song holds before it sounds."""

import numpy as np
import pytest

from mixlab.multitrack.demo.compose import compose
from mixlab.multitrack.demo.genres import genre_named, genre_names, shifted_timbres
from mixlab.multitrack.demo.parts import strokes
from mixlab.multitrack.demo.score import SCALES
from mixlab.multitrack.song import STEMS

EVERY_GENRE = genre_names() + genre_names(held_out=True)
SEEDS = range(8)
LONGEST_REST_S = 2.5


def all_songs(shifted: bool):
    return [compose(seed, genre, shifted) for genre in EVERY_GENRE for seed in SEEDS]


def test_the_same_seed_writes_the_same_song():
    one, again, other = compose(5, "jazz"), compose(5, "jazz"), compose(6, "jazz")
    assert one.outline == again.outline
    assert one.timbres == again.timbres
    assert one.target_db == again.target_db
    for role in STEMS:
        assert np.array_equal(one.notes[role].start_s, again.notes[role].start_s)
        assert np.array_equal(one.notes[role].pitch_midi, again.notes[role].pitch_midi)
    assert one.tempo_bpm != other.tempo_bpm


def test_a_wider_deviation_changes_the_balance_and_not_the_music():
    narrow, wide = compose(5, "folk", sigma_db=1.0), compose(5, "folk", sigma_db=2.0)
    for role in STEMS:
        assert wide.deviation_db[role] == pytest.approx(2.0 * narrow.deviation_db[role])
        assert np.array_equal(narrow.notes[role].level_db, wide.notes[role].level_db)


def test_shifted_songs_use_no_training_timbre_or_tempo():
    for song in all_songs(shifted=True):
        slow, fast = genre_named(song.genre).tempo_bpm
        assert not slow <= song.tempo_bpm <= fast
        assert all(song.timbres[role] in shifted_timbres(role) for role in STEMS)


def test_training_songs_use_no_shifted_timbre_or_tempo():
    for song in all_songs(shifted=False):
        slow, fast = genre_named(song.genre).tempo_bpm
        assert slow <= song.tempo_bpm <= fast
        assert not any(song.timbres[role] in shifted_timbres(role) for role in STEMS)


@pytest.mark.parametrize("shifted", [False, True])
def test_no_stem_rests_for_more_than_two_and_a_half_seconds(shifted):
    for song in all_songs(shifted):
        for role in STEMS:
            notes = song.notes[role]
            ends = np.maximum.accumulate(np.concatenate([[0.0], notes.start_s + notes.duration_s]))
            rests = np.append(notes.start_s, song.duration_s) - ends
            assert rests.max() <= LONGEST_REST_S, (song.genre, song.seed, role, rests.max())


def test_voices_stay_where_people_sing():
    for song in all_songs(shifted=False) + all_songs(shifted=True):
        hz = 440.0 * 2.0 ** ((song.notes["vocals"].pitch_midi - 69) / 12)
        assert hz.min() > 135, (song.genre, song.seed)
        assert hz.max() < 610, (song.genre, song.seed)


def test_vocals_and_accompaniment_stay_in_the_scale():
    for song in all_songs(shifted=False):
        scale = {(song.outline.tonic + semitone) % 12 for semitone in SCALES[song.outline.mode]}
        for role in ("vocals", "other"):
            assert {int(pitch) % 12 for pitch in song.notes[role].pitch_midi} <= scale


def test_deviations_spread_by_sigma_and_leave_the_bass_alone():
    songs = [compose(seed, "rock", duration_s=2.0, sigma_db=1.5) for seed in range(300)]
    for stem in ("drums", "vocals", "other"):
        deviation_db = np.array([song.deviation_db[stem] for song in songs])
        assert abs(deviation_db.mean()) < 0.35
        assert 1.3 < deviation_db.std() < 1.7
    assert all(song.target_db["bass"] == 0.0 for song in songs)


def test_a_bar_is_read_as_strokes_that_are_held():
    assert list(strokes("R--.F-..")) == [(0, 3, "R"), (4, 2, "F")]


def test_swing_delays_the_second_eighth_and_no_beat():
    outline = compose(1, "jazz").outline
    assert outline.time_s(4) == pytest.approx(4 * outline.step_s)
    assert outline.time_s(2) == pytest.approx((2 + outline.swing) * outline.step_s)
