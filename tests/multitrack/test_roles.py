"""The role of a track, told from its file name or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.multitrack.roles import is_mixture, role_of
from mixlab.multitrack.song import STEMS

NAMES = {
    "bass": [
        "bass.wav", "04_BassDI.wav", "Bass Guitar.flac", "bass-gtr 2.aif", "SUB.wav", "808Bass.wav", "Synth Bass.mp3",
        "double_bass.ogg", "kontra/contrabass.wav", "subbass.wav",
    ],
    "drums": [
        "drums.ogg", "01_Kick In.wav", "kick2.wav", "SnareTop.wav", "hi-hat.wav", "HiHat_L.wav", "tom 3.wav",
        "Cymbals.flac", "percussion.wav", "Bass Drum.wav", "bassdrum.wav", "bass_drum.wav", "Overheads.wav",
        "drum_mix.wav", "808 Kick.wav", "Synth Drums.wav",
    ],
    "vocals": [
        "vocals.wav", "12_LeadVox.wav", "Backing Vocals (dry).wav", "lead_voc.wav", "singer.wav", "VOX2.wav",
        "choir.wav", "Vocal FX.wav", "bgvs.wav", "Bass Singer.wav",
    ],
    "other": [
        "other.wav", "GTR1.WAV", "ElecGtr2.aif", "lead guitar.wav", "Keys.wav", "Piano.ogg", "synth-pad.wav",
        "STRINGS.wav", "fx.wav", "accompaniment.wav", "bassoon.wav", "Bass Clarinet.wav", "steel drums.wav",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in NAMES.items() for name in names])
def test_common_names_tell_their_role(role, name):
    assert role_of(name) == role
    assert not is_mixture(name)


@pytest.mark.parametrize("role", STEMS)
def test_the_roles_own_names_tell_themselves(role):
    assert role_of(role) == role


@pytest.mark.parametrize(
    "name", ["Audio 01.wav", "track3.wav", "take.wav", "lead.wav", "é.wav", ".wav", "instrumental.wav"]
)
def test_an_unknown_name_tells_nothing(name):
    assert role_of(name) is None
    assert not is_mixture(name)


@pytest.mark.parametrize(
    "name",
    [
        "no_vocals.wav", "no lead vocals.wav", "NoDrums.wav", "novox.wav", "without bass.wav", "minus bass.wav",
        "Song (-drums).wav", "-drums.wav", "everything but drums.wav", "Drums Minus One.wav", "ohne Gesang.wav",
        "drums off.wav", "drums (off).wav", "drumless.wav", "vox muted.wav", "voxoff.wav", "guitars removed.wav",
        "Vocals Up.wav", "Vocals +1dB.wav", "Vox -2 dB.wav", "Guitar Turned Up.wav", "with vocals.wav", "No FX.wav",
        "instrumental.wav", "Instrumental Drums.wav", "TV track.wav", "Vocals TV Track.wav", "minus one.wav",
        "karaoke.wav", "Bass Play-Along.wav", "Drum Backing Track.wav", "Drum Mix minus Kick.wav",
    ],
)  # fmt: skip
def test_a_file_named_after_what_it_lacks_or_has_turned_is_not_that_stem(name):
    assert role_of(name) is None
    assert not is_mixture(name)


@pytest.mark.parametrize(
    "name",
    [
        "Mix minus Drums.wav", "Mix -drums.wav", "MixMinusVox.wav", "mix_no_bass.wav", "Vocal Up Mix.wav",
        "Vocal Down Mix.wav", "Lead Vox +1 Mix.wav", "Mix with vocals.wav", "Less Vocals Mix.wav", "Bassless Mix.wav",
        "Instrumental Mix.wav", "TV Mix.wav", "Karaoke Mix.wav", "Full Band minus drums.wav", "Mix ohne Gesang.wav",
    ],
)  # fmt: skip
def test_another_version_of_the_mix_is_a_mixture(name):
    assert role_of(name) is None
    assert is_mixture(name)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Drum Mix.wav", "drums"), ("DrumMix.wav", "drums"), ("Vocal Master.wav", "vocals"),
        ("drums only.wav", "drums"),
        ("A Cappella.wav", "vocals"), ("acapella.wav", "vocals"), ("Song - Drums.wav", "drums"),
        ("song-drums.wav", "drums"), ("Vocals no FX.wav", "vocals"), ("Vocals (no reverb).wav", "vocals"),
        ("Vocal No 2.wav", "vocals"), ("Vocals-1.wav", "vocals"), ("Snare Up.wav", "drums"), ("Kick Out.wav", "drums"),
        ("hihat off axis.wav", "drums"), ("OffBeat HiHat.wav", "drums"), ("upright bass.wav", "bass"),
        ("Bass Octave Down.wav", "bass"), ("Guitar muted.wav", "other"), ("Muted Trumpet.wav", "other"),
        ("muted bass.wav", "bass"), ("Overheads with room.wav", "drums"), ("No Woman No Cry - Vocals.wav", "vocals"),
        ("Don't Bring Me Down - Drums.wav", "drums"), ("Less Is More (Vocals).wav", "vocals"),
        ("Without You - Drums.wav", "drums"), ("TV on the Radio - bass.wav", "bass"), ("backing track.wav", "other"),
    ],
)  # fmt: skip
def test_words_that_only_look_like_that_leave_the_role(name, role):
    assert role_of(name) == role


@pytest.mark.parametrize("name", ["drums and bass.wav", "Guitar+Vocals.wav", "kick_snare_bass.wav"])
def test_a_name_of_two_roles_tells_none(name):
    assert role_of(name) is None


@pytest.mark.parametrize("name", ["embassy.wav", "thatched.wav", "phantom.wav", "advocate.wav", "monkeys.wav"])
def test_a_word_inside_another_word_does_not_count(name):
    assert role_of(name) is None


@pytest.mark.parametrize(
    "name", ["mix.wav", "Mixture.flac", "Song (Full Mix).wav", "master.wav", "FullMix_v2.wav", "FULL.ogg"]
)
def test_the_sum_of_all_tracks_is_known_and_has_no_role(name):
    assert is_mixture(name)
    assert role_of(name) is None


@given(st.sampled_from([name for names in NAMES.values() for name in names]), st.sampled_from([str.upper, str.lower]))
def test_case_matters_only_where_it_parts_words(name, change):
    plain = name.replace("LeadVox", "Lead Vox").replace("BassDI", "Bass DI").replace("ElecGtr", "Elec Gtr")
    assert role_of(change(plain)) == role_of(name)


@given(st.text(max_size=40))
def test_any_text_has_one_role_or_none(name):
    assert role_of(name) in {*STEMS, None}
    assert not (is_mixture(name) and role_of(name))
