"""The demo songs as a source: ids, splits, seeds and independence of the process that renders."""

import hashlib
import json
import pickle
import subprocess
import sys
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

import mixlab
from mixlab.errors import ConfigError
from mixlab.multitrack.demo.genres import genre_named, genre_names
from mixlab.multitrack.demo.source import PURPOSES, SPLITS, DemoSource, song_seeds
from mixlab.multitrack.song import STEMS

SMALL = {"train_songs": 12, "validation_songs": 6, "test_songs": 6, "shifted_songs": 7, "duration_s": 4.0}


def digest_of(source: DemoSource, song_id: str) -> str:
    entry = next(entry for entry in source.entries() if entry.song_id == song_id)
    stems = source.load(entry).stems
    return hashlib.sha256(b"".join(stems[role].tobytes() for role in STEMS)).hexdigest()


def test_another_process_renders_the_same_samples():
    source = DemoSource(**SMALL)
    here = digest_of(source, "demo-test-0004")
    program = (
        "import hashlib, pickle, sys; source, entry, roles = pickle.loads(sys.stdin.buffer.read()); "
        "stems = source.load(entry).stems; "
        "print(hashlib.sha256(b''.join(stems[role].tobytes() for role in roles)).hexdigest())"
    )
    entry = next(entry for entry in source.entries() if entry.song_id == "demo-test-0004")
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((source, entry, STEMS)),
        capture_output=True,
        check=True,
        cwd=Path(mixlab.__file__).parents[1],
    )
    assert answer.stdout.decode().strip() == here


def test_the_order_of_rendering_does_not_matter():
    source = DemoSource(**SMALL)
    alone = digest_of(DemoSource(**SMALL), "demo-train-0003")
    digest_of(source, "demo-train-0009")
    assert digest_of(source, "demo-train-0003") == alone


def test_listening_and_experiment_seeds_never_meet():
    ranges = [
        song_seeds(purpose, seed, split, 10**6)
        for purpose, seed, split in product(PURPOSES, (0, 1, 2, 999_998, 999_999), SPLITS)
    ]
    for one, other in combinations(ranges, 2):
        assert one.stop <= other.start or other.stop <= one.start
    last_experiment = song_seeds("experiment", 999_999, SPLITS[-1], 10**6).stop
    assert last_experiment <= song_seeds("listening", 0, SPLITS[0], 10**6).start


def test_songs_of_the_two_purposes_differ():
    experiment, listening = DemoSource(**SMALL), DemoSource(**SMALL, purpose="listening")
    seeds = [{entry.details["seed"] for entry in source.entries()} for source in (experiment, listening)]
    assert not seeds[0] & seeds[1]
    assert digest_of(experiment, "demo-train-0000") != digest_of(listening, "demo-train-0000")


def test_more_songs_leave_the_others_as_they_were():
    few = {entry.song_id: entry for entry in DemoSource(**SMALL).entries()}
    many = {entry.song_id: entry for entry in DemoSource(**(SMALL | {"train_songs": 30})).entries()}
    assert all(many[song_id] == entry for song_id, entry in few.items())


def test_every_split_has_its_genres_in_equal_numbers():
    entries = DemoSource(**SMALL).entries()
    for split, count in (("train", 2), ("validation", 1), ("test", 1)):
        genres = Counter(entry.genre for entry in entries if entry.split == split)
        assert genres == dict.fromkeys(genre_names(), count)
    shifted = {entry.genre for entry in entries if entry.split == "shifted"}
    assert shifted == {*genre_names(), *genre_names(held_out=True)}


def test_the_held_out_genre_is_in_the_shifted_split_alone():
    held_out = set(genre_names(held_out=True))
    splits = {entry.split for entry in DemoSource().entries() if entry.genre in held_out}
    assert splits == {"shifted"}


def test_entries_are_sorted_free_and_plain():
    entries = DemoSource(**SMALL).entries()
    ids = [entry.song_id for entry in entries]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids) == 31
    assert {entry.licence for entry in entries} == {"CC0-1.0"}
    assert json.loads(json.dumps(dict(entries[0].details))) == dict(entries[0].details)


def test_what_a_song_is_keyed_by_follows_every_argument_but_the_number_of_songs():
    def identity(**changes):
        source = DemoSource(**(SMALL | changes))
        return source.identity(source.entries()[0])

    assert json.loads(json.dumps(identity())) == identity()
    changes = [{"seed": 1}, {"sigma_db": 1.0}, {"duration_s": 5.0}, {"sample_rate": 22050}, {"purpose": "listening"}]
    assert all(identity(**change) != identity() for change in changes)
    assert identity(train_songs=13) == identity()


def test_the_balance_of_a_genre_is_what_songs_scatter_around():
    source = DemoSource(train_songs=300, validation_songs=0, test_songs=0, shifted_songs=0, duration_s=2.0)
    songs = [source.composition(entry) for entry in source.entries() if entry.genre == "folk"]
    vocals = np.array([song.target_db["vocals"] for song in songs])
    assert vocals.mean() == pytest.approx(source.balance_db("folk")["vocals"], abs=0.6)
    assert source.balance_db("folk") == genre_named("folk").balance_db


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"purpose": "fun"}, "purpose is 'fun'"),
        ({"seed": -1}, "seed is -1"),
        ({"test_songs": -3}, "test_songs is -3"),
        ({"genres": ["polka"]}, "'polka'"),
        ({"genres": ["dub"]}, r"genres is \['dub'\]"),
        ({"duration_s": 0.5}, "duration_s is 0.5"),
        ({"sigma_db": -1.0}, "sigma_db is -1.0"),
        ({"sample_rate": 100}, "sample_rate is 100"),
    ],
)
def test_an_argument_that_cannot_work_is_named(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        DemoSource(**(SMALL | change))
