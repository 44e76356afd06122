"""Patterns of track names: what they match, which role they give, and what is refused."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.patterns import Patterns, RoleRules, plain

STEMS = {"drums": ["*kick*", "*snare*", "drums/*"], "bass": ["*bass*"], "other": ["Café/*"]}


def role(path: str, stems=STEMS, ignore=(), labels=None) -> str | None:
    return RoleRules.of(stems, ignore).role(Path("/songs/Abend") / path, path, labels)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("01 KICK in.wav", "drums"), ("drums/01.wav", "drums"), ("takes/Snare/2.wav", "drums"), ("Bass DI.flac", "bass")],
)
def test_a_pattern_matches_the_path_below_the_song_in_any_case(path, expected):
    assert role(path) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_pattern_matches_either_unicode_form_of_a_name(form):
    assert role(unicodedata.normalize(form, "Café/é.wav")) == "other"
    stems = {"other": [unicodedata.normalize(form, "*é*")]}
    assert role("É.wav", stems) == "other"


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and not set(text) & set("*?[")))
def test_a_text_without_wildcards_matches_itself_alone(text):
    patterns = Patterns((text,))
    assert patterns.match(text)
    assert patterns.match(unicodedata.normalize("NFD", text))
    assert not patterns.match(f"{text}x")


@given(st.text(max_size=20))
def test_a_texts_plain_form_is_its_own_plain_form(text):
    assert plain(plain(text)) == plain(text)


def test_no_patterns_match_nothing():
    assert not Patterns().match("")


def test_a_track_of_no_pattern_is_named_with_the_remedy():
    with pytest.raises(InputFileError, match=r"^/songs/Abend/flute\.wav is matched by no pattern.*dataset\.ignore\.$"):
        role("flute.wav")


def test_a_track_of_two_roles_is_named_with_both():
    with pytest.raises(
        InputFileError, match=r"kick\+bass\.wav is matched by dataset\.stems\.bass and .*\.drums; narrow"
    ):
        role("kick+bass.wav")


def test_ignored_tracks_have_no_role_even_where_a_pattern_matches():
    assert role("Bass MIDI render.wav", ignore=["*midi*"]) is None
    assert role("Bass MIDI render.wav", stems=None, ignore=["*midi*"]) is None


def test_mixes_are_left_out_by_their_words_only_where_words_tell_the_roles():
    assert role("mix.wav", stems=None) is None
    with pytest.raises(InputFileError, match="no pattern"):
        role("mix.wav")


def test_a_label_from_metadata_stands_for_the_path():
    assert role("S01.wav", labels=["electric bass"]) == "bass"
    assert role("Bass Song/S01.wav", labels=["snare drum"]) == "drums"
    assert role("S01.wav", stems=None, labels=["Guitar"]) == "other"
    assert role("S01.wav", ignore=["click track"], labels=["click track"]) is None


def test_a_track_of_several_labels_needs_one_role_of_all():
    assert role("S01.wav", labels=["kick drum", "snare drum"]) == "drums"
    with pytest.raises(InputFileError, match=r"\('kick drum', 'bass' in the metadata\) is matched by dataset\.stems"):
        role("S01.wav", labels=["kick drum", "bass"])
    with pytest.raises(InputFileError, match="matched by no pattern"):
        role("S01.wav", labels=["kick drum", "flute"])


def test_a_label_is_shown_on_one_line_and_cut():
    with pytest.raises(InputFileError) as raised:
        role("S01.wav", labels=["x\ny" + "z" * 5000])
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("stems", "ignore", "says"),
    [
        ({"Flute": ["*"]}, [], r"role 'Flute', which is not lower-case words joined by '_'; choose another name"),
        ({"lead guitar": ["*"]}, [], r"names the role 'lead guitar', which is not lower-case words"),
        ({3: ["*"]}, [], r"names the role 3, which is not lower-case words"),
        ({"bass": ["*"], "up": ["*up*"]}, [], r"with which '.* Turn the bass up by 1 to 2 dB\.' cannot be read"),
        ({"rest": ["*"], "bass": ["*bass*"]}, [], r"names the role 'rest' among rest, bass, with which 'The rest is"),
        ({"bass": []}, [], r"dataset\.stems\.bass is an empty list; add a pattern"),
        ({"bass": "*bass*"}, [], r"dataset\.stems\.bass is '\*bass\*'; set it to a list"),
        ({"bass": None}, [], r"dataset\.stems\.bass is None; set it to a list"),
        ({"bass": [""]}, [], r"dataset\.stems\.bass holds the pattern ''"),
        ({"bass": [808]}, [], r"dataset\.stems\.bass holds the pattern 808"),
        ({}, [], r"dataset\.stems is \{\}; set it to lists of patterns by role, or to null"),
        (["bass"], [], r"dataset\.stems is \['bass'\]; set it to lists"),
        (None, "*mix*", r"dataset\.ignore is '\*mix\*'; set it to a list"),
    ],
)
def test_a_configuration_that_cannot_work_is_named_by_its_key(stems, ignore, says):
    with pytest.raises(ConfigError, match=says):
        RoleRules.of(stems, ignore)
