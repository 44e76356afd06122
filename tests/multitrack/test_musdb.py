"""MUSDB18: folders of its shape made here, and the one real stem file that the stempeg package ships."""

import shutil
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack import musdb
from mixlab.multitrack.musdb import Musdb18, Musdb18HQ, track_facts, validation_titles
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.song import STEMS

RATE = 8000
SONGS = {
    "train": ["A Classic Education - NightOwl", "Actions - One Minute Smile", "Skelpolu - Together Alone"],
    "test": ["Skelpolu - Resurrection", "Al James - Schoolboy Facination", "Nobody - A Song That Is Not Listed"],
}
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None, reason="needs FFmpeg on the PATH"
)


@pytest.fixture
def hq_root(tmp_path):
    """A folder in the shape of MUSDB18-HQ: each stem a constant of its own, in stereo."""
    for subset, titles in SONGS.items():
        for title in titles:
            for number, stem in enumerate((*STEMS, "mixture")):
                path = tmp_path / subset / title / f"{stem}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, np.full((RATE, 2), 0.1 * (number + 1)), RATE, subtype="FLOAT")
    return tmp_path


@pytest.fixture
def stems_root(tmp_path):
    """A folder in the shape of MUSDB18 with the real stem file of the stempeg package as its one test song."""
    (tmp_path / "test").mkdir()
    folder = Path(util.find_spec("stempeg").submodule_search_locations[0]) / "data"
    (file,) = folder.glob("*.stem.mp4")
    shutil.copy(file, tmp_path / "test")
    return tmp_path


def test_the_published_list_has_150_songs_and_holds_every_validation_song():
    assert len(track_facts()) == 150
    assert len(validation_titles()) == 14
    assert validation_titles() <= track_facts().keys()


def test_splits_are_the_official_ones_and_facts_come_with_the_songs(hq_root):
    entries = {entry.song_id: entry for entry in Musdb18HQ(str(hq_root)).entries()}
    assert {song: entry.split for song, entry in entries.items()} == {
        "A Classic Education - NightOwl": "train",
        "Actions - One Minute Smile": "validation",
        "Skelpolu - Together Alone": "train",
        "Skelpolu - Resurrection": "test",
        "Al James - Schoolboy Facination": "test",
        "Nobody - A Song That Is Not Listed": "test",
    }
    assert entries["A Classic Education - NightOwl"].genre == "Singer/Songwriter"
    assert entries["A Classic Education - NightOwl"].licence == "CC BY-NC-SA"
    assert entries["Nobody - A Song That Is Not Listed"].genre is None


def test_test_songs_of_artists_in_training_can_be_left_out(hq_root):
    with_all = {entry.song_id for entry in Musdb18HQ(str(hq_root)).entries()}
    without = {entry.song_id for entry in Musdb18HQ(str(hq_root), shared_artists=False).entries()}
    assert with_all - without == {"Skelpolu - Resurrection"}


def test_a_song_of_the_hq_form_has_its_four_stems_and_not_the_mixture(hq_root):
    source = Musdb18HQ(str(hq_root))
    song = source.load(source.entries()[0])
    assert song.sample_rate == RATE
    for number, stem in enumerate(STEMS):
        np.testing.assert_allclose(song.stems[stem], np.full((2, RATE), 0.1 * (number + 1)), rtol=1e-6)
    assert set(song.stems) == set(STEMS)


def test_a_song_is_stored_anew_when_one_of_its_files_changes(hq_root, tmp_path):
    def keys():
        return {song.song_id: song.key for song in prepare(Musdb18HQ(str(hq_root)), tmp_path, RATE, 1).songs.values()}

    for number, file in enumerate(sorted(hq_root.glob("*/*/drums.wav"))):
        tone = np.sin(np.arange(RATE) * 0.02 * (number + 1))
        soundfile.write(file, 0.1 * np.stack([tone, tone], axis=1), RATE, subtype="FLOAT")
    before = keys()
    changed = SONGS["test"][0]
    soundfile.write(hq_root / "test" / changed / "bass.wav", np.zeros((RATE, 2)), RATE)
    assert {song_id for song_id, key in keys().items() if key != before[song_id]} == {changed}


def test_a_missing_stem_is_named(hq_root):
    missing = hq_root / "train" / SONGS["train"][0] / "drums.wav"
    missing.unlink()
    with pytest.raises(InputFileError, match=r"drums\.wav is not a file"):
        Musdb18HQ(str(hq_root))


def test_stems_of_other_lengths_are_named(hq_root):
    short = hq_root / "train" / SONGS["train"][0] / "drums.wav"
    soundfile.write(short, np.zeros((RATE // 2, 2)), RATE)
    with pytest.raises(InputFileError, match=r"drums\.wav is 0\.50 s long and bass\.wav 1\.00 s; export the tracks"):
        Musdb18HQ(str(hq_root))


@pytest.mark.parametrize("root", ["nowhere", "."])
def test_a_folder_that_is_no_musdb18_is_refused_with_the_shape_that_is_wanted(tmp_path, root):
    with pytest.raises(InputFileError, match=r"set dataset\.root to the folder of MUSDB18-HQ, with train/<song>"):
        Musdb18HQ(str(tmp_path / root))


def test_without_ffmpeg_the_compressed_form_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(musdb.shutil, "which", lambda program: None)
    with pytest.raises(ConfigError, match="ffmpeg and ffprobe, which this machine lacks; install FFmpeg"):
        Musdb18(str(tmp_path))


@needs_ffmpeg
def test_the_real_stem_file_gives_four_stems_that_sum_to_its_mixture(stems_root):
    import stempeg

    source = Musdb18(str(stems_root))
    (entry,) = source.entries()
    assert (entry.song_id, entry.split) == ("The Easton Ellises - Falcon 69", "test")
    song = source.load(entry)
    assert song.sample_rate == 44100
    assert {samples.shape for samples in song.stems.values()} == {(2, 268288)}
    mixture, _ = stempeg.read_stems(entry.details["paths"][0], stem_id=0, dtype=np.float32)
    error = np.sum(list(song.stems.values()), axis=0) - mixture.T
    # The mixture was mastered, so it is near the sum and not the sum; without any one stem the error exceeds 0.4.
    assert np.sqrt(np.mean(error**2)) < 0.2 * np.sqrt(np.mean(mixture**2))


@needs_ffmpeg
@pytest.mark.parametrize("size", [0, 20_000, 500_000])
def test_a_truncated_stem_file_is_named(stems_root, size):
    (file,) = (stems_root / "test").iterdir()
    file.write_bytes(file.read_bytes()[:size])
    source = Musdb18(str(stems_root))
    with pytest.raises(InputFileError, match=r"Falcon 69\.stem\.mp4 .*copy the file again"):
        source.load(source.entries()[0])
