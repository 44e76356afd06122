"""Nothing that a stranger sends gets in, gets out of its folder, or stays behind when it is refused."""

from pathlib import Path

import pytest

pytest.importorskip("gradio")

from mixlab.errors import MixlabError
from mixlab.models.checkpoints import Description
from mixlab.web.desk import Desk
from mixlab.web.sessions import Folders
from mixlab.web.work import LEFT_OUT, Advisor
from tests.web.hostile import HOSTILE, LIMITS, WAV, content_of, sound, zipped

STEMS = ["bass", "drums", "vocals", "other"]
DESCRIPTION = Description("tiny", {}, None, None, "stems", ["bass"], STEMS, 10.0, -32.0, 12)


@pytest.fixture
def desk():
    folders = Folders(100.0, 60.0)
    yield Desk(Advisor(DESCRIPTION, 16000, lambda questions: [""] * len(questions), True), folders, LIMITS)
    folders.close()


def upload(desk, name, content):
    """A file where the server puts what arrives."""
    with desk.folders.arriving(len(content) / 1e6) as place:
        path = place / "by content" / name
        path.parent.mkdir()
        path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_upload_is_refused_with_a_sentence_and_leaves_nothing_behind(desk, case):
    folder = desk.folders.new()
    path = upload(desk, *content_of(case))
    with pytest.raises(MixlabError, match=HOSTILE[case][2]) as refusal:
        desk.take(folder, [path])
    assert str(desk.folders.root) not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert desk.work_of(folder).tracks == []
    assert desk.folders.used_mb() == 0.0


def test_there_are_more_than_thirty_of_them():
    assert len(HOSTILE) > 30


def test_a_refused_file_leaves_what_was_there_before(desk):
    folder = desk.folders.new()
    desk.take(folder, [upload(desk, "bass.wav", WAV)])
    with pytest.raises(MixlabError):
        desk.take(folder, [upload(desk, "drums.wav", WAV), upload(desk, "vocals.wav", b"hello")])
    assert [track.upload.name for track in desk.work_of(folder).tracks] == ["bass.wav"]
    assert len(list(folder.path.iterdir())) == 1


def test_stems_in_folders_of_a_zip_are_taken_and_grouped_by_role(desk):
    folder = desk.folders.new()
    names = (
        "Song/kick.wav",
        "Song/snare.wav",
        "Song/BASS.wav",
        "Song/mix.wav",
        "Song/readme.txt",
        "__MACOSX/._kick.wav",
    )
    left_out = desk.take(folder, [upload(desk, "song.zip", zipped(*((name, WAV) for name in names)))])
    roles = {track.upload.name: track.role for track in desk.work_of(folder).tracks}
    assert roles == {"kick.wav": "drums", "snare.wav": "drums", "BASS.wav": "bass", "mix.wav": LEFT_OUT}
    assert left_out == ["readme.txt", "._kick.wav"]


def test_only_files_that_were_uploaded_are_taken(desk, tmp_path):
    path = tmp_path / "bass.wav"
    path.write_bytes(WAV)
    mine = desk.folders.new()
    desk.take(mine, [upload(desk, "bass.wav", WAV)])
    (held,) = mine.path.iterdir()
    link = Path(upload(desk, "link.wav", WAV))
    link.unlink()
    link.symlink_to(path)
    around = f"{desk.folders.uploads}/a/b/../../../{mine.token}/{held.name}"
    for wanted in (link, path, held, around, f"{desk.folders.uploads}/../../../../{path}"):
        with pytest.raises(MixlabError, match="was not uploaded"):
            desk.take(desk.folders.new(), [str(wanted)])
    assert path.read_bytes() == WAV
    assert held.is_file()


def test_two_people_with_one_file_each_have_their_own(desk):
    first, second = upload(desk, "bass.wav", WAV), upload(desk, "bass.wav", WAV)
    for path in (first, second):
        folder = desk.folders.new()
        desk.take(folder, [path])
        assert [track.upload.name for track in desk.work_of(folder).tracks] == ["bass.wav"]
    assert list(desk.folders.uploads.iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing(desk):
    with pytest.raises(TypeError), desk.folders.arriving(1.0) as place:
        (place / "half of it").write_bytes(None)
    assert list(desk.folders.uploads.iterdir()) == []


def test_an_archive_may_be_as_large_as_all_files_and_a_file_in_it_as_a_file(desk):
    packed = zipped(*((f"{role}.wav", sound(seconds=20)) for role in ("bass", "drums")))
    assert LIMITS.file_mb * 1e6 < len(packed) < LIMITS.total_mb * 1e6
    folder = desk.folders.new()
    desk.take(folder, [upload(desk, "stems.zip", packed)])
    assert len(desk.work_of(folder).tracks) == 2


def test_a_folder_serves_only_what_it_offers_and_only_under_its_own_token(desk):
    mine, yours = desk.folders.new(), desk.folders.new()
    (mine.path / "play-bass.flac").write_bytes(b"x")
    (mine.path / "secret.wav").write_bytes(b"x")
    mine.serve(mine.path / "play-bass.flac", "play-bass.flac")
    assert desk.folders.file(mine.token, "play-bass.flac") == mine.path / "play-bass.flac"
    for token, name in (
        (yours.token, "play-bass.flac"), ("", "play-bass.flac"),
        (mine.token, "secret.wav"), (mine.token, "../secret.wav"),
        (mine.token, f"../{mine.token}/play-bass.flac"), (mine.token, "/etc/passwd"),
    ):  # fmt: skip
        assert desk.folders.file(token, name) is None


def test_what_is_left_idle_or_closed_is_deleted(desk):
    folder = desk.folders.of_visitor("someone")
    desk.take(folder, [upload(desk, "bass.wav", WAV)])
    desk.folders.leave("someone")
    assert desk.folders.used_mb() == 0.0
    folder = desk.folders.of_visitor("someone")
    folder.used -= 61.0
    desk.folders.sweep()
    assert not folder.path.exists()


def test_a_full_server_refuses_with_a_sentence(desk):
    with pytest.raises(MixlabError, match="no space for this"), desk.folders.room(101.0):
        pass


def test_what_is_written_at_one_time_has_to_fit_together(desk):
    with desk.folders.room(60.0):
        with pytest.raises(MixlabError, match="no space for this"), desk.folders.room(60.0):
            pass
        with desk.folders.room(30.0):
            pass
    with desk.folders.room(99.0):
        pass


def test_an_upload_that_is_still_arriving_is_not_tidied_away(desk):
    desk.folders.idle_s = -1.0
    with desk.folders.arriving(1.0) as place:
        desk.folders.sweep()
        assert place.is_dir()
    desk.folders.sweep()
    assert not place.exists()
