"""Every file has a role that the checkpoint knows, or there is a sentence that names the file and the override."""

from pathlib import Path

import pytest

from mixlab.advising.roles import assign_roles, check_anchor, override_for
from mixlab.errors import ConfigError
from mixlab.multitrack.song import STEMS


def paths(*names):
    return [Path(name) for name in names]


def test_names_tell_roles_and_several_files_may_share_one():
    roles = assign_roles(paths("bass.wav", "a/Bass Drum.wav", "a/hats.flac", "LeadVox.mp3", "gtr 2.ogg"), {}, STEMS)
    assert list(roles.values()) == ["bass", "drums", "drums", "vocals", "other"]


@pytest.mark.parametrize("key", ["weird.wav", "weird", "takes/weird.wav", "we?rd.wav", "*eird*"])
def test_an_override_names_a_file_by_name_path_or_pattern(key):
    assert assign_roles(paths("bass.wav", "takes/weird.wav"), {key: "vocals"}, STEMS) == {
        Path("bass.wav"): "bass",
        Path("takes/weird.wav"): "vocals",
    }


def test_an_override_outranks_the_name():
    assert assign_roles(paths("bass.wav"), {"bass.wav": "other"}, STEMS)[Path("bass.wav")] == "other"


@pytest.mark.parametrize("name", ["weird.wav", "drums and bass.wav"])
def test_a_name_that_tells_no_role_or_two_gets_the_override_to_use(name):
    with pytest.raises(ConfigError, match=rf"{name}.*roles='{{{name}: other}}'"):
        assign_roles(paths("bass.wav", name), {}, STEMS)


def test_the_mix_itself_is_no_track():
    with pytest.raises(ConfigError, match=r"full mix\.wav looks like the mix itself"):
        assign_roles(paths("full mix.wav"), {}, STEMS)


def test_an_override_for_no_file_is_an_error():
    with pytest.raises(ConfigError, match=r"'vocal\.wav', which is none of the files \(vocals\.wav\)"):
        assign_roles(paths("vocals.wav"), {"vocal.wav": "vocals"}, STEMS)


def test_a_role_that_the_checkpoint_never_heard_is_an_error():
    with pytest.raises(ConfigError, match=r"vocals\.wav is taken as 'lead'.*bass, drums"):
        assign_roles(paths("vocals.wav"), {"vocals.wav": "lead"}, ("bass", "drums"))


def test_an_anchor_that_the_checkpoint_never_saw_is_an_error():
    roles = {Path("drums.wav"): "drums", Path("vocals.wav"): "vocals"}
    with pytest.raises(ConfigError, match=r"anchor drums\.wav.*trained with bass.*roles='{drums\.wav: bass}'"):
        check_anchor(list(roles), roles, ["bass"])


def test_the_anchors_role_belongs_to_the_anchor_alone():
    roles = {Path("bass.wav"): "bass", Path("sub.wav"): "bass"}
    with pytest.raises(ConfigError, match=r"sub\.wav is taken as 'bass', as is the anchor bass\.wav"):
        check_anchor(list(roles), roles, ["bass"])


def test_the_suggested_override_holds_nothing_that_a_shell_or_hydra_would_read():
    suggestion = override_for(Path("it's (1), 50%.wav"), "vocals")
    assert suggestion == "roles='{it?s ?1?? 50?.wav: vocals}'"
    assert assign_roles([Path("it's (1), 50%.wav")], {"it?s ?1?? 50?.wav": "vocals"}, STEMS)
