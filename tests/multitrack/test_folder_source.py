"""Any folder of multitracks as a source: one folder a song, one file a stem; what does not fit is named."""

import logging
import os
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.errors import ConfigError, InputFileError, MixlabError
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.preparation import prepare

RATE = 8000


def tone(hertz: float = 200.0, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    wave = 0.1 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave * (1 - 0.5 * channel) for channel in range(channels)]).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, rate, subtype="FLOAT" if path.suffix == ".wav" else None)


@pytest.fixture
def root(tmp_path):
    """Four songs with bass and drums."""
    for number, song in enumerate(("Abend", "Morgen", "Mittag", "Nacht")):
        write(tmp_path / "songs" / song / "bass.wav", tone(100 + number))
        write(tmp_path / "songs" / song / "drums.wav", tone(300))
    return tmp_path / "songs"


def loaded(root: Path, song: str):
    source = FolderSource(root)
    return source.load(next(entry for entry in source.entries() if entry.song_id == song))


def refusal(root: Path, **arguments) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(MixlabError) as raised:
        FolderSource(root, **arguments).entries()
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


# --- what is listed ---


def test_every_folder_is_a_song_named_after_it(root):
    entries = FolderSource(root).entries()
    assert [entry.song_id for entry in entries] == ["Abend", "Mittag", "Morgen", "Nacht"]
    assert all(entry.genre is None and entry.licence is None for entry in entries)


def test_listing_reads_no_audio(root, monkeypatch):
    monkeypatch.setattr("mixlab.multitrack.tracks.read_blocks", None)
    FolderSource(root).entries()


def test_other_files_hidden_files_and_mixtures_are_left_out(root):
    (root / "README.md").write_text("Songs")
    (root / "Abend" / "cover.jpg").write_bytes(b"\xff\xd8")
    (root / "Abend" / "._bass.wav").write_bytes(b"resource fork")
    (root / "__MACOSX").mkdir()
    write(root / "Abend" / "mix.wav", tone(50))
    assert len(FolderSource(root).entries()) == 4
    assert sorted(loaded(root, "Abend").stems) == ["bass", "drums"]


def test_the_source_travels_to_other_processes(root):
    source = FolderSource(root)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.entries() == source.entries()
    assert [copy.identity(entry) for entry in copy.entries()] == [source.identity(entry) for entry in source.entries()]


# --- what is loaded ---


def test_stems_keep_rate_channels_and_samples(root):
    write(root / "Abend" / "bass.wav", tone(100, rate=44100, channels=2), 44100)
    write(root / "Abend" / "drums.wav", tone(300, rate=44100), 44100)
    song = loaded(root, "Abend")
    assert song.sample_rate == 44100
    np.testing.assert_array_equal(song.stems["bass"], tone(100, rate=44100, channels=2))
    assert song.stems["drums"].dtype == np.float32


def test_files_of_one_role_are_summed_at_unity_gain(root):
    write(root / "Abend" / "Kick In.wav", tone(60))
    write(root / "Abend" / "SnareTop.wav", tone(500))
    song = loaded(root, "Abend")
    np.testing.assert_allclose(song.stems["drums"], tone(300) + tone(60) + tone(500), atol=1e-6)


def test_a_mono_file_goes_to_both_channels_of_its_role(root):
    write(root / "Abend" / "Overheads.wav", tone(500, channels=2))
    np.testing.assert_allclose(loaded(root, "Abend").stems["drums"], tone(500, channels=2) + tone(300), atol=1e-6)


def test_split_stereo_becomes_one_stereo_stem_and_is_keyed_as_such(root, tmp_path):
    stereo = tone(500, channels=2)
    for name, side in (("vocals.L.wav", 0), ("vocals.R.wav", 1)):
        write(root / "Abend" / name, stereo[side : side + 1])
        write(root / "Morgen" / name.replace("vocals.", f"vocals {side}."), stereo[side : side + 1])
    np.testing.assert_array_equal(loaded(root, "Abend").stems["vocals"], stereo)
    np.testing.assert_allclose(loaded(root, "Morgen").stems["vocals"], stereo.sum(axis=0, keepdims=True), atol=1e-7)
    source = FolderSource(root)
    identities = [source.identity(entry)["roles"] for entry in source.entries() if entry.song_id in ("Abend", "Morgen")]
    assert identities[0] != identities[1]


def test_a_song_whose_channels_cancel_in_mono_is_named_at_every_preparation(root, tmp_path, caplog):
    vocals = tone(500)
    write(root / "Abend" / "vocals.wav", np.concatenate([vocals, -vocals]))
    for _ in range(2):
        caplog.clear()
        prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)
        assert "'Abend': vocals.wav: in mono, which is what the model hears, all sound is lost" in caplog.text
        assert "Morgen" not in caplog.text


def test_a_mono_stem_of_a_stereo_song_is_as_loud_as_the_same_in_both_channels(root, tmp_path):
    for song in ("Abend", "Morgen"):
        write(root / song / "vocals.wav", np.repeat(tone(500), 2, axis=0))
    write(root / "Morgen" / "bass.wav", -np.repeat(tone(100), 2, axis=0))
    songs = prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1).songs
    assert songs["Abend"].song_lufs == pytest.approx(songs["Morgen"].song_lufs, abs=1e-6)
    assert songs["Abend"].song_lufs["drums"] - songs["Mittag"].song_lufs["drums"] == pytest.approx(3.01, abs=0.01)


def test_files_of_several_rates_are_resampled_to_the_highest_and_the_log_says_so(root, caplog):
    write(root / "Abend" / "drums.wav", tone(300, rate=16000), 16000)
    with caplog.at_level(logging.INFO):
        song = loaded(root, "Abend")
    assert song.sample_rate == 16000
    inner = slice(1000, -1000)
    np.testing.assert_allclose(song.stems["bass"][0, inner], tone(100, rate=16000)[0, inner], atol=1e-3)
    assert "'Abend' has files at [8000, 16000] Hz; they are resampled to 16000 Hz" in caplog.text


def test_files_a_little_shorter_are_padded_to_the_longest(root):
    write(root / "Abend" / "drums.wav", tone(300, seconds=0.95))
    drums = loaded(root, "Abend").stems["drums"]
    assert drums.shape == (1, RATE)
    np.testing.assert_array_equal(drums[:, round(0.95 * RATE) :], 0.0)


@pytest.mark.parametrize("name", ["vocals.flac", "vocals.ogg", "vocals.mp3", "VOCALS.AIFF"])
def test_formats_may_be_mixed_within_a_song(root, name):
    write(root / "Abend" / name, tone(800))
    assert sorted(loaded(root, "Abend").stems) == ["bass", "drums", "vocals"]


def test_the_store_takes_the_songs_in(root, tmp_path):
    store = prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)
    np.testing.assert_array_equal(store.read("Abend", ["bass"], 0.0, 1.0)["bass"], tone(100)[0])


def test_a_song_without_a_stem_is_served_with_the_others(root):
    (root / "Abend" / "bass.wav").unlink()
    assert sorted(loaded(root, "Abend").stems) == ["drums"]
    assert sorted(loaded(root, "Morgen").stems) == ["bass", "drums"]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stem_keeps_its_channels_and_is_heard_as_their_mean(root, tmp_path, channels):
    write(root / "Abend" / "bass.wav", tone(100, channels=channels))
    assert loaded(root, "Abend").stems["bass"].shape == (channels, RATE)
    store = prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)
    heard = store.read("Abend", ["bass"], 0.0, 1.0)["bass"]
    np.testing.assert_allclose(heard, tone(100, channels=channels).mean(axis=0), atol=1e-6)


def test_stems_that_start_together_may_differ_in_length_as_far_as_is_allowed(root):
    write(root / "Abend" / "drums.wav", tone(300, seconds=0.4))
    assert "raise dataset.length_tolerance_s if they start together" in refusal(root)
    source = FolderSource(root, length_tolerance_s=0.7)
    drums = source.load(source.entries()[0]).stems["drums"]
    assert drums.shape == (1, RATE)
    np.testing.assert_array_equal(drums[:, round(0.4 * RATE) :], 0.0)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_that_are_not_ascii_come_through(root, tmp_path, form):
    name = unicodedata.normalize(form, "Żółć, 夜の歌 🎸")
    (root / "Abend").rename(root / name)
    (root / name / "bass.wav").rename(root / name / unicodedata.normalize(form, "Gesang é.wav"))
    assert sorted(loaded(root, name).stems) == ["drums", "vocals"]
    store = prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)
    assert name in store.songs


def test_names_as_long_as_a_file_system_allows_come_through(root, tmp_path):
    name = "x" * 255
    (root / "Abend").rename(root / name)
    (root / name / "bass.wav").rename(root / name / f"{'y' * 246} bass.wav")
    store = prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)
    assert store.songs[name].stems == ("bass", "drums")


# --- roles by patterns, songs of several levels ---


def test_patterns_map_tracks_in_sub_folders(root):
    write(root / "Abend" / "Takes" / "Spur 1.wav", tone(700))
    write(root / "Abend" / "Old" / "bass.wav", tone(900))
    source = FolderSource(
        root, stems={"bass": ["bass*"], "drums": ["DRUMS.*"], "vocals": ["takes/*"]}, ignore=["old/*"]
    )
    song = source.load(source.entries()[0])
    assert sorted(song.stems) == ["bass", "drums", "vocals"]
    np.testing.assert_array_equal(song.stems["bass"], tone(100))


def test_tracks_in_sub_folders_that_nothing_maps_are_not_lost_in_silence(root, caplog):
    write(root / "Abend" / "Takes" / "Vocals.wav", tone(700))
    assert sorted(loaded(root, "Abend").stems) == ["bass", "drums"]
    assert "Vocals.wav is not read: tracks in sub-folders need dataset.stems to map them" in caplog.text


def test_ignored_files_need_no_role_and_no_format_that_is_read(root):
    write(root / "Abend" / "Audio 01.wav", tone())
    (root / "Abend" / "Video.mp4").write_bytes(b"ftyp")
    assert len(FolderSource(root, ignore=["audio 0?.wav", "*.mp4"]).entries()) == 4


def test_songs_may_lie_deeper_and_are_named_after_their_path(root, tmp_path):
    (tmp_path / "root").mkdir()
    root.rename(tmp_path / "root" / "Album")
    source = FolderSource(tmp_path / "root", validation_share=0, test_share=0, songs="*/m*")
    assert [entry.song_id for entry in source.entries()] == ["Album/Mittag", "Album/Morgen"]
    write(tmp_path / "root" / "Album" / "loose.wav", tone())
    assert "Album holds audio files itself (loose.wav)" in refusal(tmp_path / "root", songs="*/*")


def test_the_licence_of_the_configuration_is_that_of_every_song(root):
    assert {entry.licence for entry in FolderSource(root, licence="CC BY 4.0").entries()} == {"CC BY 4.0"}


def test_songs_of_an_artist_are_in_one_split_where_folders_name_the_artist(root):
    for before, after in (("Abend", "Ida - Abend"), ("Morgen", "IDA - Morgen"), ("Nacht", "Ute - Nacht")):
        (root / before).rename(root / after)
    (root / "Mittag").rename(root / "Ada - Mittag")
    splits = {entry.song_id: entry.split for entry in FolderSource(root, artist="{artist} - {title}").entries()}
    assert splits["Ida - Abend"] == splits["IDA - Morgen"]
    assert set(splits.values()) == {"train", "validation", "test"}
    (root / "Ada - Mittag").rename(root / "Mittag")
    assert "Mittag does not fit dataset.artist" in refusal(root, artist="{artist} - {title}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"songs": ""}, "dataset.songs is ''; set it to the songs' folders below the root"),
        ({"songs": "/data/*"}, "dataset.songs is '/data/*'"),
        ({"songs": "../*"}, "dataset.songs is '../*'"),
        ({"songs": "**"}, "dataset.songs is '**'"),
        ({"songs": "Album*"}, "holds no song folders that match dataset.songs ('Album*')"),
        ({"stems": {"Flute": ["*"]}}, "dataset.stems names the role 'Flute'"),
        ({"stems": {"bass": []}}, "dataset.stems.bass is an empty list"),
        ({"metadata": {"file": "x.json"}}, "holds no file of the name 'x.json'"),
        ({"metadata": {"name": "x"}}, "dataset.metadata.file has no value"),
        ({"artist": "artist"}, "dataset.artist is 'artist'; set it to a pattern"),
        ({"artist": "{artist}", "metadata": {"file": "a", "artist": "b"}}, "dataset.metadata.artist are both set"),
        ({"licence": "CC0", "metadata": {"file": "a", "licence": "b"}}, "dataset.metadata.licence are both set"),
        ({"licence": " "}, "dataset.licence is ' '; set it to the licence's name, or to null"),
        ({"splits": {"test": ["*"]}}, "dataset.splits is {'test': ['*']}; set it to patterns of songs"),
        ({"length_tolerance_s": 0}, "dataset.length_tolerance_s is 0; set it to seconds above 0"),
        ({"length_tolerance_s": float("nan")}, "dataset.length_tolerance_s is nan"),
    ],
)
def test_a_key_that_cannot_work_gets_a_sentence(root, arguments, says):
    with pytest.raises(MixlabError) as raised:
        FolderSource(root, **arguments).entries()
    assert says in str(raised.value)
    assert str(raised.value).endswith(".")


# --- what is refused, in a sentence, before any audio is read ---


def test_no_such_folder(tmp_path):
    assert "nowhere does not exist; set dataset.root" in refusal(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder(root):
    assert "bass.wav is not a folder" in refusal(root / "Abend" / "bass.wav")


def test_a_folder_without_songs(tmp_path):
    assert "no song folders" in refusal(tmp_path)


def test_a_folder_with_audio_files_of_its_own(root):
    assert "(bass.wav); put the files of each song into a folder" in refusal(root / "Abend")


def test_a_song_without_stems(root):
    (root / "Leer").mkdir()
    (root / "Leer" / "notes.txt").write_text("soon")
    assert f"{root / 'Leer'} holds no stems" in refusal(root)


def test_a_song_with_a_mixture_alone(root):
    write(root / "Leer" / "mix.wav", tone())
    assert f"{root / 'Leer'} holds no stems" in refusal(root)


@pytest.mark.parametrize("name", ["Audio 01.wav", "drums and bass.wav"])
def test_a_name_that_tells_no_role_is_not_guessed(root, name):
    write(root / "Abend" / name, tone())
    assert f"{root / 'Abend' / name} has a name that tells no single role" in refusal(root)


def test_a_format_that_is_not_read_is_not_left_out_in_silence(root):
    (root / "Abend" / "vocals.m4a").write_bytes(b"ftyp")
    assert "vocals.m4a has a format that is not read; convert it" in refusal(root)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "the file is empty"), (b"RIFF1234WAVE nonsense", "cannot be read as audio")],
    ids=["empty", "corrupt"],
)
def test_a_broken_header_is_named(root, content, says):
    (root / "Morgen" / "vocals.wav").write_bytes(content)
    sentence = refusal(root)
    assert str(root / "Morgen" / "vocals.wav") in sentence
    assert says in sentence


def test_a_file_that_breaks_off_is_named(root):
    path = root / "Morgen" / "drums.wav"
    path.write_bytes(path.read_bytes()[:5000])
    assert f"{path} breaks off" in refusal(root)


def test_files_of_other_lengths_are_named(root):
    write(root / "Morgen" / "vocals.wav", tone(seconds=1.2))
    sentence = refusal(root)
    assert f"{root / 'Morgen' / 'bass.wav'} is 1.00 s long and vocals.wav 1.20 s" in sentence


def test_an_mp3_without_its_encoders_delay_is_noted(root):
    soundfile.write(
        root / "Abend" / "vocals.mp3", tone(500, rate=16000)[0], 16000, bitrate_mode="CONSTANT", compression_level=0.5
    )
    assert FolderSource(root).entries()[0].notes == ()
    data = (root / "Abend" / "vocals.mp3").read_bytes()
    (root / "Abend" / "vocals.mp3").write_bytes(data[data.index(data[:2], 200) :])
    (note,) = FolderSource(root).entries()[0].notes
    assert note.startswith("'Abend': vocals.mp3: MP3 without its encoder's delay")


@pytest.mark.parametrize("channels", [3, 6])
def test_surround_files_are_named(root, channels):
    write(root / "Abend" / "kick.wav", tone(channels=channels))
    assert f"{root / 'Abend' / 'kick.wav'} has {channels} channels" in refusal(root)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.2, 1.0), (0.5, 0.5)])
def test_shares_that_leave_nothing_to_train_on(root, shares):
    with pytest.raises(ConfigError, match=r"dataset\..*_share"):
        FolderSource(root, *shares)


def test_a_link_to_nothing_is_named_since_a_stem_would_be_missing(root):
    (root / "Abend" / "vocals.wav").symlink_to(root / "gone.wav")
    assert "vocals.wav is a link to a file that is not there; mend or remove it" in refusal(root)


def test_a_link_to_a_folder_above_is_named(root):
    (root / "Abend" / "again").symlink_to(root / "Abend")
    stems = {"bass": ["*bass*"], "drums": ["*drums*"]}
    assert "again is a link to a folder above it; remove the link" in refusal(root, stems=stems)


def test_a_name_that_is_no_unicode_is_named(root):
    os.rename(os.fsencode(root / "Abend"), os.fsencode(root) + b"/Ab\xff")
    assert "has a name that is not UTF-8; rename it" in refusal(root)


@pytest.mark.parametrize("name", ["vocals.wav", "vocals.aiff"])
@pytest.mark.parametrize("kept", [12, 100, 4000])
def test_a_file_that_breaks_off_anywhere_is_named(root, name, kept):
    path = root / "Morgen" / name
    soundfile.write(path, tone(800).T, RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:kept])
    assert str(path) in refusal(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_without_permission_is_named(root):
    (root / "Abend").chmod(0)
    assert "Abend cannot be listed" in refusal(root)


# --- what is refused when a song is prepared ---


def test_samples_that_are_no_numbers_are_named_when_the_song_is_prepared(root, tmp_path):
    samples = tone()
    samples[0, 100] = np.nan
    write(root / "Morgen" / "drums.wav", samples)
    with pytest.raises(InputFileError, match=r"Morgen/drums\.wav holds samples that are not finite"):
        prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)


def test_a_flac_whose_sound_is_damaged_is_named_when_the_song_is_prepared(root, tmp_path):
    path = root / "Morgen" / "vocals.flac"
    write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (1, RATE)))
    path.write_bytes(path.read_bytes()[:6000])
    FolderSource(root).entries()
    with pytest.raises(InputFileError, match=r"Morgen/vocals\.flac cannot be read as audio"):
        prepare(FolderSource(root), tmp_path / "cache", RATE, workers=1)


# --- what a stored song is keyed by ---


def keys(root, cache, **options):
    return {song.song_id: song.key for song in prepare(FolderSource(root, **options), cache, RATE, 1).songs.values()}


def test_the_split_is_no_part_of_what_a_song_is_keyed_by(root, tmp_path):
    assert keys(root, tmp_path / "c", seed=1) == keys(root, tmp_path / "c", seed=2, test_share=0.4)


def test_a_key_follows_what_files_hold_and_not_their_place_or_time(root, tmp_path):
    before = keys(root, tmp_path / "c")
    moved = root.rename(tmp_path / "elsewhere")
    os.utime(moved / "Abend" / "bass.wav", ns=(1, 1))
    assert keys(moved, tmp_path / "c") == before


def test_an_edit_that_keeps_size_and_time_is_seen(root, tmp_path):
    before = keys(root, tmp_path / "c")
    file = root / "Abend" / "bass.wav"
    status = file.stat()
    samples, rate = soundfile.read(file)
    soundfile.write(file, samples[::-1], rate, subtype=soundfile.info(file).subtype)
    assert file.stat().st_size == status.st_size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = keys(root, tmp_path / "c")
    assert {song_id for song_id in before if before[song_id] != after[song_id]} == {"Abend"}


def test_a_key_follows_the_roles(root, tmp_path):
    before = keys(root, tmp_path / "c")
    (root / "Abend" / "bass.wav").rename(root / "Abend" / "lead vocals.wav")
    assert keys(root, tmp_path / "c")["Abend"] != before["Abend"]
