"""What the genres of the demo songs promise: shared timbres, distinct balances, tempi of their own."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from mixlab.errors import ConfigError
from mixlab.multitrack.demo.genres import (
    DRUM_VOICES,
    genre_named,
    genre_names,
    pattern,
    shifted_timbres,
    timbre,
    training_timbres,
)
from mixlab.multitrack.song import STEMS

GENRES = genre_names()
EVERY_GENRE = genre_names() + genre_names(held_out=True)


def test_there_are_six_genres_to_learn_from_and_one_held_out():
    assert len(GENRES) == 6
    assert len(genre_names(held_out=True)) == 1


@pytest.mark.parametrize("role", STEMS)
def test_a_timbre_is_shared_by_several_genres(role):
    users = Counter(name for genre in GENRES for name in genre_named(genre).parts[role].timbres)
    assert set(users) == set(training_timbres(role))
    assert all(2 <= count <= 4 for count in users.values())


@pytest.mark.parametrize("role", STEMS)
def test_each_role_has_timbres_to_train_on_and_others_to_shift_to(role):
    assert len(training_timbres(role)) >= 4
    assert len(shifted_timbres(role)) >= 2
    assert not set(training_timbres(role)) & set(shifted_timbres(role))


def test_two_genres_never_share_timbres_in_more_than_two_roles():
    for one, other in combinations(GENRES, 2):
        shared = [
            role
            for role in STEMS
            if set(genre_named(one).parts[role].timbres) & set(genre_named(other).parts[role].timbres)
        ]
        assert len(shared) <= 2, (one, other, shared)


def test_no_genre_has_a_tempo_in_both_ranges():
    for name in EVERY_GENRE:
        (slow, fast), (shifted_slow, shifted_fast) = genre_named(name).tempo_bpm, genre_named(name).shifted_tempo_bpm
        assert slow < fast < shifted_slow < shifted_fast or shifted_slow < shifted_fast < slow < fast


def test_the_balance_of_a_stem_spreads_and_does_not_follow_from_another():
    stems = [stem for stem in STEMS if stem != "bass"]
    balance_db = np.array([[genre_named(name).balance_db[stem] for stem in stems] for name in GENRES])
    assert np.all((balance_db.std(axis=0) >= 3.0) & (balance_db.std(axis=0) <= 4.0))
    correlation = np.corrcoef(balance_db.T) - np.eye(len(stems))
    assert np.max(np.abs(correlation)) < 0.3


def test_the_bass_is_the_reference_of_every_balance():
    assert all(genre_named(name).balance_db["bass"] == 0.0 for name in EVERY_GENRE)


@pytest.mark.parametrize("role", STEMS)
def test_every_name_in_a_genre_is_defined_and_every_bar_has_sixteen_steps(role):
    for name in EVERY_GENRE:
        part = genre_named(name).parts[role]
        for timbre_name in part.timbres:
            assert timbre(role, timbre_name)
        for pattern_name in part.patterns:
            written = pattern(role, pattern_name)
            bars = written.values() if role == "drums" else [written]
            assert all(len(bar) == 16 for bar in bars), pattern_name


def test_every_kit_has_every_drum():
    for kit in training_timbres("drums") + shifted_timbres("drums"):
        assert set(DRUM_VOICES) <= set(timbre("drums", kit))


def test_an_unknown_genre_is_named_with_the_choices():
    with pytest.raises(ConfigError, match=r"'polka'.*rock, house"):
        genre_named("polka")
