"""Augmentations of training examples leave what is to be done as it is, and stand in the problem."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.items.drawn import DrawnTraining, SongExamples
from mixlab.language.banks import default_banks
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.synthesis.augment import Augmentation, CrossSong
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator

NOTHING = Augmentation(polarity_probability=0.0, start_jitter_s=0.0, cross_song_probability=0.0)
EVERYTHING = Augmentation(polarity_probability=0.5, start_jitter_s=0.5, cross_song_probability=0.7)
INDICES = st.integers(0, 10000)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Twelve songs of two genres."""
    source = DemoSource(12, 0, 0, 0, duration_s=12.0, genres=["rock", "house"])
    return source, prepare(source, tmp_path_factory.mktemp("augment"), 16000, workers=1)


@pytest.fixture(scope="module")
def training_of(songs, protocol):
    """Training problems of the twelve songs under an augmentation."""
    source, store = songs
    segments, _ = list_segments(store, store.split("train"), "bass", 10.0, 1.0, Gates())
    balance_db = {genre: source.balance_db(genre) for genre in ("rock", "house")}
    cross_song = CrossSong(store, segments, balance_db, source.sigma_db, protocol.level)
    return lambda augmentation: DrawnTraining(store, segments, protocol, 0, augmentation, cross_song)


@pytest.fixture(scope="module")
def examples(songs):
    """Makes the problems of the twelve songs audible, a clip a stem."""
    return SongExamples(songs[1], LAYOUTS["stems"], default_banks())


@given(INDICES)
def test_without_augmentation_nothing_is_changed(training_of, index):
    plain = training_of(NOTHING).problem(0, index)
    assert plain.flipped == plain.borrowed == ()
    assert plain.start_s == round(plain.start_s)


@given(INDICES)
def test_what_is_wrong_and_what_is_said_stay_as_they_are(training_of, index):
    plain, changed = (training_of(augmentation).problem(1, index) for augmentation in (NOTHING, EVERYTHING))
    assert changed.right_advice == plain.right_advice
    kept = {"start_s": plain.start_s, "flipped": (), "borrowed": (), "headroom_gain_db": plain.headroom_gain_db}
    assert replace(changed, **kept) == plain


@given(INDICES)
def test_an_augmented_problem_is_a_pure_function_of_its_index_and_survives_json(training_of, index):
    problem = training_of(EVERYTHING).problem(2, index)
    assert training_of(EVERYTHING).problem(2, index) == problem
    assert Problem.from_json(json.loads(json.dumps(problem.to_json()))) == problem


@given(INDICES)
@settings(max_examples=20)
def test_a_flipped_stem_is_heard_with_its_sign_turned(training_of, examples, index):
    problem = training_of(NOTHING.but(polarity_probability=0.5)).problem(0, index)
    clips, plain = (examples.example(p).clips for p in (problem, replace(problem, flipped=())))
    for clip, before in zip(clips, plain, strict=True):
        sign = -1 if clip.stems[0] in problem.flipped else 1
        np.testing.assert_array_equal(clip.samples, sign * before.samples)


def test_stems_flip_as_often_as_they_are_told_to(training_of):
    problems = [training_of(NOTHING.but(polarity_probability=0.3)).problem(0, index) for index in range(800)]
    flips = sum(len(problem.flipped) for problem in problems) / sum(len(problem.stems) for problem in problems)
    assert flips == pytest.approx(0.3, abs=0.03)


@given(INDICES)
def test_a_start_is_shifted_by_half_a_second_at_most_and_stays_within_the_song(training_of, songs, index):
    plain = training_of(NOTHING).problem(0, index)
    shifted = training_of(NOTHING.but(start_jitter_s=0.5)).problem(0, index)
    assert abs(shifted.start_s - plain.start_s) <= 0.5
    assert 0 <= shifted.start_s <= songs[1].songs[plain.song_id].duration_s - plain.duration_s
    assert shifted.headroom_gain_db == plain.headroom_gain_db


def test_a_cross_song_mix_is_of_one_genre_and_as_balanced_as_its_songs(training_of, songs):
    source, store = songs
    training = training_of(NOTHING.but(cross_song_probability=1.0))
    deviations_db = []
    for index in range(300):
        problem = training.problem(0, index)
        assert {loan.stem for loan in problem.borrowed} == set(problem.stems) - {"bass"}
        bass_lufs = store.songs[problem.song_id].song_lufs["bass"]
        for loan in problem.borrowed:
            donor = store.songs[loan.song_id]
            assert donor.genre == problem.genre
            assert donor.song_id != problem.song_id
            relative_db = donor.song_lufs[loan.stem] + loan.gain_db - bass_lufs
            deviations_db.append(relative_db - source.balance_db(problem.genre)[loan.stem])
    assert np.mean(deviations_db) == pytest.approx(0.0, abs=0.15)
    assert np.std(deviations_db) == pytest.approx(source.sigma_db, abs=0.1)


def test_a_cross_song_mix_is_heard_from_its_songs_at_the_headroom_level(training_of, examples, protocol):
    drawn = training_of(NOTHING.but(cross_song_probability=1.0)).problem(0, 3)
    problem = replace(drawn, errors=(), master_gain_db=0.0, error_category="no_error")
    clips = {clip.stems[0]: clip.samples for clip in examples.example(problem).clips}
    power = sum(float(np.mean(np.square(samples, dtype=np.float64))) for samples in clips.values())
    assert 10 * np.log10(power) == pytest.approx(protocol.level.headroom_dbfs, abs=0.05)
    loan = problem.borrowed[0]
    source = examples.store.read(loan.song_id, [loan.stem], loan.start_s, problem.duration_s)[loan.stem]
    gain = 10 ** ((problem.headroom_gain_db + loan.gain_db) / 20)
    np.testing.assert_allclose(clips[loan.stem], source * gain, rtol=1e-4, atol=1e-7)


def test_the_only_song_of_its_genre_keeps_its_stems(songs, protocol):
    source, store = songs
    segments, _ = list_segments(store, store.split("train")[:1], "bass", 10.0, 1.0, Gates())
    alone = CrossSong(store, segments, {segments[0].genre: source.balance_db(segments[0].genre)}, 1.5, protocol.level)
    problem = draw_problem(segments[0], protocol, generator(0), "item")
    assert alone.mix(problem, generator(1)).borrowed == ()
