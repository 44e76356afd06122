"""What metadata files say of a song: labels of tracks, artist, genre, licence; what they lack is named."""

import json

import pytest

from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.metadata import ArtistPattern, Metadata, SongFacts, same_artist
from mixlab.multitrack.patterns import Patterns

FLAT = {"file": "data.json", "tracks": "stems/*", "path": "stems/{entry}.*", "name": "{kind}"}
NESTED = {
    "file": "data.json",
    "tracks": "stems/*/tracks/*",
    "path": "{group}/{id}.{format}",
    "name": "{group}/{kind}",
}


@pytest.fixture
def song(tmp_path):
    """Writes a song's metadata and gives its folder."""

    def write(document, name="data.json", folder="Ida - Abend"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(json.dumps(document))
        return tmp_path / folder

    return write


def refusal(keys, folder, files=()) -> str:
    with pytest.raises(InputFileError) as raised:
        Metadata.of(keys).read(folder, files)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    return sentence


def test_facts_come_from_their_places(song):
    keys = {"file": "data.json", "artist": "song/artist", "genre": "genre", "licence": "rights"}
    folder = song({"song": {"artist": " Ida  Blau "}, "genre": "rock", "rights": ["CC BY"]})
    assert Metadata.of(keys).read(folder, []) == SongFacts("Ida Blau", "rock", "CC BY")


def test_labels_come_from_a_mapping_whose_keys_name_the_files(song):
    folder = song({"stems": {"S00": {"kind": "Bass"}, "S01": {"kind": ["Kick", "Snare"]}, "S02": {"kind": "lost"}}})
    labels = Metadata.of(FLAT).read(folder, ["stems/S00.flac", "stems/S01.wav", "mix.wav"]).labels
    assert labels == {"stems/S00.flac": ("Bass",), "stems/S01.wav": ("Kick", "Snare")}


def test_labels_come_from_lists_in_lists_with_the_values_around_them(song):
    tracks = [{"id": 1, "kind": "lead", "format": "wav"}, {"id": 2, "kind": "choir", "format": "wav"}]
    folder = song({"stems": [{"group": "vocals", "id": "no file", "tracks": tracks}, {"group": "bass", "tracks": []}]})
    labels = Metadata.of(NESTED).read(folder, ["vocals/1.wav", "vocals/2.wav"]).labels
    assert labels == {"vocals/1.wav": ("vocals/lead",), "vocals/2.wav": ("vocals/choir",)}


def test_a_value_with_wildcards_matches_itself_alone(song):
    folder = song({"stems": {"S[0]*": {"kind": "Bass"}}})
    labels = Metadata.of(FLAT).read(folder, ["stems/S[0]*.wav", "stems/S0.wav", "stems/S01.wav"]).labels
    assert labels == {"stems/S[0]*.wav": ("Bass",)}


def test_a_value_with_braces_is_no_placeholder(song):
    folder = song({"stems": {"S00": {"kind": "{entry}"}}})
    assert Metadata.of(FLAT).read(folder, ["stems/S00.wav"]).labels == {"stems/S00.wav": ("{entry}",)}


def test_paths_out_of_the_song_lead_nowhere(song, tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"secret")
    keys = {**FLAT, "path": "{file}"}
    folder = song({"stems": {"S00": {"kind": "Bass", "file": "../secret.wav"}}})
    assert Metadata.of(keys).read(folder, ["bass.wav"]).labels == {}


def test_the_files_of_all_songs_may_lie_in_one_folder(song, tmp_path):
    folder = song({})
    (tmp_path / "facts").mkdir()
    for name, artist in (("Ida - Abend", "Ida"), ("Ute - Abend", "Ute")):
        (tmp_path / "facts" / f"{name}_METADATA.yaml").write_text(f"artist: {artist}")
    keys = {"file": "{song}_metadata.yaml", "folder": str(tmp_path / "facts"), "artist": "artist"}
    assert Metadata.of(keys).read(folder, []).artist == "Ida"


@pytest.mark.parametrize("artist", [None, "", {"name": "Ida"}, True, ["Ida", "Ute"]])
def test_a_fact_that_is_no_text_is_named_with_the_remedy(song, artist):
    keys = {"file": "data.json", "artist": "artist"}
    sentence = refusal(keys, song({"artist": artist}))
    assert "data.json has no text at 'artist'; correct the file, or set dataset.metadata.artist to null" in sentence


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "lacks the key 'stems' of dataset.metadata.tracks"),
        ({"tracks": []}, "lacks the key 'stems' of dataset.metadata.tracks"),
        ({"stems": "S00"}, "has no list where dataset.metadata.tracks says '*'"),
        ({"stems": ["Bass"]}, "lists a track ('0') without a text 'kind'"),
        ({"stems": {"S00": {"kind": {}}}}, "lists a track ('S00') without a text 'kind'"),
        ({"stems": {"S00": {"kind": "a"}, "s00": {"kind": "b"}}}, "whose file stems/S00.wav it lists before"),
    ],
)
def test_a_document_of_another_shape_is_named(song, document, says):
    assert says in refusal(FLAT, song(document), ["stems/0.wav", "stems/S00.wav"])


def test_a_document_that_lists_tracks_without_end_is_named(song):
    folder = song({})
    many = "\n".join(["t: &t {kind: a}", "l: &l [" + "*t," * 1000 + "]", "stems: [" + "*l," * 1000 + "]"])
    (folder / "data.yaml").write_text(many)
    assert "lists more than 2000 tracks" in refusal({**FLAT, "file": "data.yaml", "tracks": "stems/*/*"}, folder)


def test_no_file_or_several_are_named(song):
    keys = {"file": "*.json", "artist": "artist"}
    folder = song({"artist": "Ida"})
    (folder / "._data.json").write_bytes(b"resource fork")
    assert Metadata.of(keys).read(folder, []).artist == "Ida"
    song({}, "more.json")
    assert "holds 2 files of the name '*.json'; a song needs one" in refusal(keys, folder)
    assert "holds no file of the name 'x.yaml'" in refusal({"file": "x.yaml"}, folder)
    assert "cannot be listed" in refusal({"file": "x.yaml", "folder": "/nowhere"}, folder)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("data.json", r"dataset\.metadata is 'data\.json'; set it to null or to the keys file, folder, tracks"),
        ({"artist": "artist"}, r"dataset\.metadata\.file has no value"),
        ({"file": "a", "singer": "b"}, r"unknown key 'singer'; it takes file, folder, tracks, path, name, artist"),
        ({"file": "a", "genre": 3}, r"dataset\.metadata\.genre is 3; set it to a text or to null"),
        ({"file": "a", "genre": ""}, r"dataset\.metadata\.genre is ''; set it to a text or to null"),
        ({"file": "a", "tracks": "stems/*"}, r"sets one of tracks, path and name; set all three"),
    ],
)
def test_a_description_that_cannot_work_is_named_by_its_key(keys, says):
    with pytest.raises(ConfigError, match=says):
        Metadata.of(keys)


# --- what is listed and not there ---


def test_a_listed_track_that_the_folder_lacks_is_told(song):
    folder = song({"stems": {"S00": {"kind": "Bass"}, "S01": {"kind": "Drums"}, "S02": {}}})
    assert Metadata.of(FLAT).read(folder, ["stems/S00.wav"]).missing == ("'stems/S01.*'", "'stems/S02.*'")


def test_a_track_that_is_ignored_or_was_never_rendered_is_not_missing(song):
    document = {
        "S00": {"kind": "Click"},
        "S01": {"kind": "Bass", "there": False},
        "S02": {"kind": "Drums", "there": "false"},
    }
    folder = song({"stems": {**document, "S03": {"kind": "Keys", "there": True}, "S04": {"kind": "Pad"}}})
    (folder / "stems").mkdir()
    (folder / "stems" / "S04.wav").touch()
    ignore = Patterns(("click", "stems/s04*"))
    facts = Metadata.of({**FLAT, "rendered": "there"}).read(folder, [], ignore)
    assert facts.missing == ("'stems/S03.*'",)


def test_a_missing_track_of_any_name_is_one_short_line(song):
    folder = song({"stems": {"a\n\x1b[31m" + "b" * 999: {"kind": "Bass"}}})
    (name,) = Metadata.of(FLAT).read(folder, []).missing
    assert name.isprintable()
    assert len(name) < 80


# --- artists in folder names ---


def test_the_artist_is_read_from_the_folders_name(tmp_path):
    pattern = ArtistPattern.of("{artist} - {title}")
    assert pattern.artist(tmp_path / "Software-Entwicklungskit - Lithium") == "Software-Entwicklungskit"
    assert pattern.artist(tmp_path / "Ida - Abend - live") == "Ida"
    assert ArtistPattern.of("{year} ({artist})").artist(tmp_path / "1975 (Ute)") == "Ute"


def test_a_folder_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(
        InputFileError, match=r"Abend does not fit dataset\.artist \('\{artist\} - \{title\}'\); rename"
    ):
        ArtistPattern.of("{artist} - {title}").artist(tmp_path / "Abend")


@pytest.mark.parametrize("pattern", ["artist", "{title}", "{artist} {artist}", 3, ""])
def test_a_pattern_without_one_artist_is_refused(pattern):
    with pytest.raises(ConfigError, match=r"dataset\.artist is .*set it to a pattern such as '\{artist\} - \{title\}'"):
        ArtistPattern.of(pattern)


def test_artists_are_the_same_in_any_case_and_unicode_form():
    assert same_artist("BJÖRK ") == same_artist("bjo\u0308rk")
    assert same_artist("A  B") == same_artist("a b") != same_artist("ab")
