"""What is there twice: it is named, counted once, and never both trained and tested on."""

import shutil

import numpy as np
import pytest
import soundfile

from mixlab.errors import InputFileError, MixlabError
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.musdb import Musdb18HQ
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry

RATE = 8000
SHARES = {"validation_share": 0.0, "test_share": 0.0}


def noise(seed, seconds=2.0, channels=1):
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))


def write(path, samples, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, **form)


@pytest.fixture
def song(tmp_path):
    """A song's folder with a bass and two tracks of drums."""
    for number, name in enumerate(("bass", "kick", "snare")):
        write(tmp_path / "songs" / "A" / f"{name}.wav", noise(number))
    return tmp_path / "songs" / "A"


def listed(song):
    (entry,) = FolderSource(song.parent, **SHARES).entries()
    return entry, {path.removeprefix(f"{song}/") for path, *_ in entry.details["tracks"]}


# --- tracks of a song ---


def test_a_copy_beside_its_track_is_counted_once_and_both_are_named(song):
    before = listed(song)[0]
    shutil.copy(song / "bass.wav", song / "bass (1).wav")
    entry, tracks = listed(song)
    assert len(tracks) == 3
    (note,) = entry.notes
    said = "bass (1).wav holds the same sound as bass.wav, and both are bass: it is counted once."
    assert note == f"{song}/{said}"
    source = FolderSource(song.parent, **SHARES)
    np.testing.assert_array_equal(source.load(entry).stems["bass"], source.load(before).stems["bass"])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("bass copy.flac", {"subtype": "PCM_16"}),
        ("Bass DI.aiff", {"subtype": "PCM_16"}),
        ("sub.wav", {"subtype": "FLOAT"}),
    ],
)
def test_a_copy_in_another_format_or_of_another_name_is_found_by_its_sound(song, name, form):
    samples, _ = soundfile.read(song / "bass.wav")
    write(song / name, samples, **form)
    entry, tracks = listed(song)
    assert len(tracks) == 3
    assert len(entry.notes) == 1


def test_tracks_that_differ_in_their_last_sample_alone_are_no_copies(song):
    samples, _ = soundfile.read(song / "bass.wav")
    samples[-1] += 0.1
    write(song / "sub.wav", samples)
    entry, tracks = listed(song)
    assert len(tracks) == 4
    assert entry.notes == ()


def test_silent_tracks_and_the_sides_of_a_stereo_track_may_be_equal(song):
    for name in ("tom 1.wav", "tom 2.wav"):
        write(song / name, np.zeros(2 * RATE))
    for name in ("OH L.wav", "OH R.wav", "OH L copy.wav"):
        write(song / name, noise(7))
    entry, tracks = listed(song)
    assert {"tom 1.wav", "tom 2.wav", "OH R.wav"} <= tracks
    assert entry.notes == ()
    write(song / "overheads_left.wav", noise(7))
    assert len(listed(song)[0].notes) == 1


def test_a_track_in_two_formats_that_do_not_sound_the_same_is_refused(song):
    samples, _ = soundfile.read(song / "bass.wav")
    write(song / "bass.ogg", samples)
    with pytest.raises(InputFileError, match=r"bass\.ogg and bass\.wav look like one track in two formats.*keep one"):
        listed(song)


def test_a_track_that_cannot_be_decoded_is_named_when_it_is_loaded(song):
    content = (song / "bass.wav").read_bytes()
    write(song / "sub.flac", noise(9))
    flac = bytearray((song / "sub.flac").read_bytes())
    flac[len(flac) // 2 :] = b"\0" * (len(flac) - len(flac) // 2)
    (song / "sub.flac").write_bytes(flac)
    assert (song / "bass.wav").read_bytes() == content
    source = FolderSource(song.parent, **SHARES)
    (entry,) = source.entries()
    with pytest.raises(InputFileError, match=r"sub\.flac"):
        _ = source.load(entry).stems["bass"]


# --- songs of a data set ---


@pytest.fixture
def musdb(tmp_path):
    """A MUSDB18-HQ of two training songs and two test songs; writes a copy of one song under another title."""
    root = tmp_path / "musdb"
    for number, title in enumerate(("train/A - One", "train/B - Two", "test/C - Three", "test/D - Four")):
        for stem, name in enumerate(STEMS):
            write(root / title / f"{name}.wav", noise(10 * number + stem, channels=2), subtype="FLOAT")
    return root


def prepared(root, tmp_path):
    return prepare(Musdb18HQ(str(root)), tmp_path / "cache", RATE, 1)


def test_a_song_in_train_and_test_is_tested_on_alone(musdb, tmp_path, caplog):
    shutil.copytree(musdb / "test" / "C - Three", musdb / "train" / "E - Five")
    store = prepared(musdb, tmp_path)
    assert [song.song_id for song in store.split("train")] == ["A - One", "B - Two"]
    assert [song.song_id for song in store.split("test")] == ["C - Three", "D - Four"]
    (note,) = store.notes
    assert note.startswith("'E - Five' (train) holds the same sound as 'C - Three' (test) and is left out")
    assert note in caplog.text


def test_a_song_that_was_written_anew_is_the_same_song_and_counts_once_within_a_split(musdb, tmp_path):
    for name in STEMS:
        samples, _ = soundfile.read(musdb / "train" / "A - One" / f"{name}.wav", dtype="float32")
        write(musdb / "train" / "Z - Last" / f"{name}.wav", samples, subtype="DOUBLE")
    store = prepared(musdb, tmp_path)
    assert [song.song_id for song in store.split("train")] == ["A - One", "B - Two"]
    assert len(store.notes) == 1


def test_songs_that_differ_in_one_stem_both_stay(musdb, tmp_path):
    shutil.copytree(musdb / "test" / "C - Three", musdb / "train" / "E - Five")
    write(musdb / "train" / "E - Five" / "vocals.wav", noise(99, channels=2), subtype="FLOAT")
    store = prepared(musdb, tmp_path)
    assert len(store.songs) == 5
    assert store.notes == ()


def test_two_stems_of_a_song_with_the_same_sound_are_named(musdb, tmp_path):
    shutil.copy(musdb / "train" / "A - One" / "other.wav", musdb / "train" / "A - One" / "vocals.wav")
    assert prepared(musdb, tmp_path).notes == ("The stems 'other' and 'vocals' of 'A - One' hold the same sound.",)


def test_remarks_without_end_are_counted(tmp_path):
    for number in range(40):
        write(tmp_path / "songs" / f"S{number:02d}" / "bass.wav", noise(1, 0.5))
    store = prepare(FolderSource(tmp_path / "songs", **SHARES), tmp_path / "cache", RATE, 1)
    assert list(store.songs) == ["S00"]
    assert len(store.notes) == 21
    assert store.notes[-1] == "There are 19 more of these remarks on the songs."


def test_a_source_whose_song_has_a_stem_of_no_role_is_refused(tmp_path):
    class Flute:
        roles = STEMS

        def __repr__(self):
            return "Flute()"

        def identity(self, entry):
            return {}

        def files(self, entry):
            return ()

        def entries(self):
            return [SongEntry("a", "train")]

        def load(self, entry):
            return LoadedSong({"flute": noise(0).T.astype(np.float32)}, RATE)

    with pytest.raises(MixlabError, match=r"Flute\(\) has stems of the role 'flute', which its roles lack"):
        prepare(Flute(), tmp_path, RATE, 1)
