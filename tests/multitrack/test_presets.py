"""The presets over `dataset=folder`: folders shaped as each data set is published come in with roles and facts."""

import json
import pickle

import pytest
import yaml

from mixlab.errors import ConfigError, InputFileError
from mixlab.items.build import open_dataset
from mixlab.registry import Choice
from mixlab.settings import parse
from tests.conftest import composed


@pytest.fixture
def source_of():
    """Builds the source of a preset as a command does."""

    def build(preset, root, *overrides):
        values = composed(f"dataset={preset}", f"dataset.root={root}", *overrides)
        return open_dataset(parse(values["dataset"], Choice, "dataset"))

    return build


@pytest.fixture
def stems_of(hertz_of):
    """What a source serves of a song: the frequencies in each stem."""

    def read(source, song_id):
        song = source.load(next(entry for entry in source.entries() if entry.song_id == song_id))
        return {role: hertz_of(samples, song.sample_rate) for role, samples in song.stems.items()}

    return read


ALL_TO_TRAIN = ("dataset.validation_share=0", "dataset.test_share=0")


# --- MoisesDB ---


@pytest.fixture
def moisesdb(tmp_path, write_tone):
    """Four songs of three artists; the first has two tracks of a stem, a click track and one track that ends early."""

    def song(uuid, artist, stems):
        listed = []
        for stem, tracks in stems.items():
            for track, _, hertz, seconds in tracks:
                write_tone(tmp_path / uuid / stem / f"{track}.wav", hertz, seconds)
            described = [{"id": track, "trackType": kind, "extension": "wav"} for track, kind, _, _ in tracks]
            listed.append({"id": f"stem of {stem}", "stemName": stem, "tracks": described})
        facts = {"artist": artist, "song": f"Song {uuid}", "genre": "rock", "stems": listed}
        (tmp_path / uuid / "data.json").write_text(json.dumps(facts))

    song(
        "5c1d-0001",
        "The 1975",
        {
            "vocals": [("a1", "lead male singer", 800, 0.5), ("a2", "background vocals", 900, 0.5)],
            "bass": [("b1", "bass guitar", 100, 0.5)],
            "other": [("c1", "click track", 3000, 0.5), ("c2", "fx/processed sound, scratches", 1500, 0.3)],
            "percussion": [("d1", "a-tonal percussion", 2000, 0.5)],
        },
    )
    for number, artist in enumerate(("The 1975", "Ida", "Björk"), start=2):
        song(f"5c1d-000{number}", artist, {"drums": [(f"k{number}", "kick drum", 60, 0.5)]})
    return tmp_path


def test_moisesdb_sums_the_tracks_of_a_stem_and_leaves_the_click_out(moisesdb, source_of, stems_of):
    stems = stems_of(source_of("moisesdb", moisesdb, *ALL_TO_TRAIN), "5c1d-0001")
    assert set(stems) == {"vocals", "bass", "other"}
    assert stems["vocals"] == {800, 900}
    assert {1500, 2000} <= stems["other"]
    assert 3000 not in stems["other"]


def test_moisesdb_tells_genre_and_licence_and_keeps_artists_in_one_split(moisesdb, source_of):
    entries = source_of("moisesdb", moisesdb).entries()
    assert {entry.genre for entry in entries} == {"rock"}
    assert {entry.licence for entry in entries} == {"MoisesDB, non-commercial research only"}
    splits = {entry.song_id[-1]: entry.split for entry in entries}
    assert splits["1"] == splits["2"]
    assert set(splits.values()) == {"train", "validation", "test"}


def test_moisesdb_can_keep_its_own_eleven_stems(moisesdb, source_of, stems_of):
    source = source_of("moisesdb_11", moisesdb, *ALL_TO_TRAIN)
    assert source.roles == (
        "bass", "drums", "vocals", "other", "guitar", "other_plucked", "percussion", "piano", "other_keys",
        "bowed_strings", "wind",
    )  # fmt: skip
    stems = stems_of(source, "5c1d-0001")
    assert set(stems) == {"vocals", "bass", "other", "percussion"}
    assert stems["percussion"] == {2000}
    assert source_of("moisesdb", moisesdb, *ALL_TO_TRAIN).roles == ("bass", "drums", "vocals", "other")


def test_tracks_that_moisesdbs_metadata_list_and_the_disk_lacks_are_named(moisesdb, source_of):
    assert all(not entry.notes for entry in source_of("moisesdb", moisesdb).entries())
    (moisesdb / "5c1d-0001" / "vocals" / "a2.wav").unlink()
    (moisesdb / "5c1d-0001" / "other" / "c1.wav").unlink()  # the click track, which is ignored in any case
    first, *others = source_of("moisesdb", moisesdb).entries()
    (note,) = first.notes
    assert note == f"{moisesdb / '5c1d-0001'} lacks 'vocals/a2.wav', which its metadata list: it is served without."
    assert all(not entry.notes for entry in others)


def test_a_presets_source_travels_to_other_processes_and_keeps_nothing_of_its_configuration(moisesdb, source_of):
    source = source_of("moisesdb", moisesdb)
    pickled = pickle.dumps(source)
    assert b"omegaconf" not in pickled
    assert pickle.loads(pickled).entries() == source.entries()


def test_moisesdb_refuses_a_song_without_its_metadata(moisesdb, source_of):
    (moisesdb / "5c1d-0002" / "data.json").unlink()
    with pytest.raises(InputFileError, match=r"5c1d-0002 holds no file of the name 'data\.json'"):
        source_of("moisesdb", moisesdb).entries()


# --- Slakh2100 ---


@pytest.fixture
def slakh(tmp_path, write_tone):
    """A song in each of Slakh2100-redux's folders; one of its stems was never rendered."""
    classes = {"S00": ("Bass", 100), "S01": ("Drums", 60), "S02": ("Strings (continued)", 800), "S03": ("Guitar", 900)}
    for number, folder in enumerate(("train", "validation", "test", "omitted")):
        song = tmp_path / folder / f"Track0000{number}"
        for stem, (_, hertz) in classes.items():
            write_tone(song / "stems" / f"{stem}.flac", hertz)
        write_tone(song / "mix.flac", 50)
        (song / "all_src.mid").write_bytes(b"MThd")
        (song / "MIDI").mkdir()
        stems = {
            stem: {"audio_rendered": True, "inst_class": name, "is_drum": name == "Drums", "program_num": 3}
            for stem, (name, _) in classes.items()
        }
        stems["S04"] = {"audio_rendered": False, "inst_class": "Sound Effects", "is_drum": False, "program_num": 127}
        (song / "metadata.yaml").write_text(yaml.safe_dump({"UUID": "1a81", "overall_gain": 0.18, "stems": stems}))
    return tmp_path


def test_slakh2100_lacks_no_stem_that_was_never_rendered_and_is_told_of_others(slakh, source_of):
    assert all(not entry.notes for entry in source_of("slakh2100", slakh).entries())
    (slakh / "train" / "Track00000" / "stems" / "S01.flac").unlink()
    notes = {entry.song_id: entry.notes for entry in source_of("slakh2100", slakh).entries()}
    assert "lacks 'stems/S01.*'" in notes["train/Track00000"][0]
    assert notes["test/Track00002"] == ()


def test_slakh2100_has_its_official_splits_and_leaves_the_omitted_songs_out(slakh, source_of):
    splits = {entry.song_id: entry.split for entry in source_of("slakh2100", slakh).entries()}
    assert splits == {
        "test/Track00002": "test",
        "train/Track00000": "train",
        "validation/Track00001": "validation",
    }


def test_slakh2100_maps_instrument_classes_to_roles(slakh, source_of, stems_of):
    source = source_of("slakh2100", slakh)
    assert stems_of(source, "train/Track00000") == {"bass": {100}, "drums": {60}, "other": {800, 900}}
    assert {entry.licence for entry in source.entries()} == {"CC BY 4.0"}


def test_slakh2100_converted_to_wav_comes_in_too_but_not_twice(slakh, source_of, write_tone):
    stems = slakh / "train" / "Track00000" / "stems"
    (stems / "S00.flac").unlink()
    write_tone(stems / "S00.wav", 100)
    source_of("slakh2100", slakh).entries()
    write_tone(stems / "S01.wav", 60)
    with pytest.raises(InputFileError, match=r"'S01'.*holds stems/S01\.flac and stems/S01\.wav; keep one"):
        source_of("slakh2100", slakh).entries()


def test_slakh2100_without_a_split_folder_says_so(slakh, source_of):
    (slakh / "test" / "Track00002").rename(slakh / "train" / "Track00002")
    with pytest.raises(ConfigError, match=r"no songs that match dataset\.splits\.test \(test/\*\)"):
        source_of("slakh2100", slakh).entries()


# --- MedleyDB ---


@pytest.fixture
def medleydb(tmp_path, write_tone):
    """Three songs; each with stems, raw tracks, a mix and its metadata."""

    def song(name, artist, instruments):
        folder, stems = tmp_path / "Audio" / name, {}
        for number, (instrument, hertz) in enumerate(instruments.items(), start=1):
            file = f"{name}_STEM_{number:02d}.wav"
            write_tone(folder / f"{name}_STEMS" / file, hertz, channels=2)
            write_tone(folder / f"{name}_RAW" / f"{name}_RAW_{number:02d}_01.wav", 3000)
            raw = {"R01": {"filename": f"{name}_RAW_{number:02d}_01.wav", "instrument": instrument}}
            label = instrument.split(" + ") if " + " in instrument else instrument
            stems[f"S{number:02d}"] = {"component": "", "filename": file, "instrument": label, "raw": raw}
        write_tone(folder / f"{name}_MIX.wav", 50, channels=2)
        facts = {"artist": artist, "genre": "World/Folk", "composer": None, "stems": stems, "title": "Night Owl"}
        (folder / f"{name}_METADATA.yaml").write_text(yaml.safe_dump(facts))

    song("Ida_BassDrums", "Ida", {"double bass": 100, "bass drum": 60, "bass clarinet": 800})
    song("Ida_Night", "Ida", {"male singer + female singer": 700, "fx/processed sound": 900})
    song("Ute_Day", "Ute", {"electric bass": 100, "violin section": 800})
    return tmp_path / "Audio"


def test_medleydb_maps_instruments_and_neither_raw_tracks_nor_mixes(medleydb, source_of, stems_of):
    source = source_of("medleydb", medleydb, *ALL_TO_TRAIN)
    assert stems_of(source, "Ida_BassDrums") == {"bass": {100}, "drums": {60}, "other": {800}}
    assert stems_of(source, "Ida_Night") == {"vocals": {700}, "other": {900}}
    assert {(entry.genre, entry.licence) for entry in source.entries()} == {("World/Folk", "CC BY-NC-SA")}


def test_medleydb_says_when_two_artists_cannot_fill_three_splits(medleydb, source_of):
    with pytest.raises(ConfigError, match=r"songs of 2 artist\(s\).*needs 3, since all songs of an artist go into one"):
        source_of("medleydb", medleydb).entries()
    splits = {entry.song_id: entry.split for entry in source_of("medleydb", medleydb, ALL_TO_TRAIN[0]).entries()}
    assert splits["Ida_BassDrums"] == splits["Ida_Night"] != splits["Ute_Day"]


def test_medleydbs_metadata_may_lie_in_a_folder_of_their_own(medleydb, source_of, stems_of, tmp_path):
    (tmp_path / "Metadata").mkdir()
    for file in medleydb.glob("*/*_METADATA.yaml"):
        file.rename(tmp_path / "Metadata" / file.name)
    source = source_of("medleydb", medleydb, *ALL_TO_TRAIN, f"dataset.metadata.folder={tmp_path / 'Metadata'}")
    assert stems_of(source, "Ute_Day") == {"bass": {100}, "other": {800}}


def test_medleydb_names_a_stem_of_instruments_of_two_roles(medleydb, source_of):
    file = medleydb / "Ida_Night" / "Ida_Night_METADATA.yaml"
    file.write_text(file.read_text().replace("- male singer", "- drum set"))
    with pytest.raises(
        InputFileError, match=r"STEM_01\.wav \('drum set', 'female singer' in the metadata\) is matched"
    ):
        source_of("medleydb", medleydb, *ALL_TO_TRAIN).entries()


# --- a workstation's bounces ---

VERSIONS = ["no_vocals.wav", "Minus Drums.wav", "Instrumental.wav", "Drums off.wav", "Karaoke.wav", "Vocal Up Mix.wav"]

BOUNCED = {
    "drums": ["Drums/01 Kick In.wav", "Drums/OH L.wav", "HiHat.wav", "Bass Drum.wav", "Tom 2.wav", "Percussion.wav"],
    "bass": ["Bass DI.wav", "03-Sub.wav", "Bass_Gtr.wav", "Synth Bass.wav", "Bass Synth.wav"],
    "vocals": ["Lead Vox.wav", "Vocals/Ad libs.wav", "BGV L.wav", "Bass Vox.wav"],
    "other": ["Gtr L.wav", "Guitars/E-Gtr 1.wav", "Acoustic Guitar.wav", "Piano.wav", "Synth Lead.wav", "FX.wav"],
}


def test_a_bounce_maps_track_names_in_group_folders_or_not(tmp_path, source_of, write_tone):
    for number, track in enumerate(sum(BOUNCED.values(), ["Song_Mix.wav", "Click.wav", *VERSIONS])):
        write_tone(tmp_path / "Song" / track, 100 + 10 * number)
    (entry,) = source_of("daw_bounce", tmp_path, *ALL_TO_TRAIN).entries()
    found = {role: set() for role in BOUNCED}
    for path, role, _ in entry.details["tracks"]:
        found[role].add(path.removeprefix(f"{tmp_path}/Song/"))
    assert found == {role: set(tracks) for role, tracks in BOUNCED.items()}


def test_a_bounced_track_of_no_or_two_roles_is_named(tmp_path, source_of, write_tone):
    write_tone(tmp_path / "Song" / "Audio 7.wav")
    with pytest.raises(InputFileError, match=r"Audio 7\.wav is matched by no pattern of dataset\.stems; add one"):
        source_of("daw_bounce", tmp_path, *ALL_TO_TRAIN).entries()
    (tmp_path / "Song" / "Audio 7.wav").rename(tmp_path / "Song" / "Drums and Piano.wav")
    with pytest.raises(InputFileError, match=r"is matched by dataset\.stems\.drums and dataset\.stems\.other; narrow"):
        source_of("daw_bounce", tmp_path, *ALL_TO_TRAIN).entries()
