"""Nothing that a stranger sends gets in, gets out of its folder, or stays behind when it is refused."""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from mixlab.errors import MixlabError
from mixlab.language.said import Said
from mixlab.models.checkpoints import Description
from mixlab.web.desk import Desk
from mixlab.web.sessions import MOST_FOLDERS, Folders
from mixlab.web.work import LEFT_OUT, Advisor
from tests.web.hostile import HOSTILE, LIMITS, WAV, content_of, sound, zipped

HERE, THERE = "192.0.2.1", "192.0.2.2"
STEMS = ["bass", "drums", "vocals", "other"]
DESCRIPTION = Description(
    builder="tiny", arguments={}, feature_mean=None, feature_deviation=None, inputs="stems", anchors=["bass"],
    stems=STEMS, segment_s=10.0, headroom_dbfs=-32.0, max_new_tokens=12,
)  # fmt: skip


@pytest.fixture
def desk():
    folders = Folders(100.0, 80.0, 60.0)
    yield Desk(Advisor(DESCRIPTION, 16000, lambda questions: [Said("")] * len(questions), True), folders, LIMITS)
    folders.close()


def upload(desk, name, content):
    """A file where the server puts what arrives."""
    with desk.folders.arriving(HERE) as arrival:
        arrival.grow(len(content))
        path = arrival.place / "0" / name
        path.parent.mkdir()
        path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_upload_is_refused_with_a_sentence_and_leaves_nothing_behind(desk, case):
    folder = desk.folders.new(HERE)
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
    folder = desk.folders.new(HERE)
    desk.take(folder, [upload(desk, "bass.wav", WAV)])
    with pytest.raises(MixlabError):
        desk.take(folder, [upload(desk, "drums.wav", WAV), upload(desk, "vocals.wav", b"hello")])
    assert [track.upload.name for track in desk.work_of(folder).tracks] == ["bass.wav"]
    assert len(list(folder.path.iterdir())) == 1


def test_stems_in_folders_of_a_zip_are_taken_and_grouped_by_role(desk):
    folder = desk.folders.new(HERE)
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
    mine = desk.folders.new(HERE)
    desk.take(mine, [upload(desk, "bass.wav", WAV)])
    (held,) = mine.path.iterdir()
    link = Path(upload(desk, "link.wav", WAV))
    link.unlink()
    link.symlink_to(path)
    around = f"{desk.folders.uploads}/a/b/../../../{mine.token}/{held.name}"
    for wanted in (link, path, held, around, f"{desk.folders.uploads}/../../../../{path}"):
        with pytest.raises(MixlabError, match="was not uploaded"):
            desk.take(desk.folders.new(HERE), [str(wanted)])
    assert path.read_bytes() == WAV
    assert held.is_file()


def test_two_people_with_one_file_each_have_their_own(desk):
    first, second = upload(desk, "bass.wav", WAV), upload(desk, "bass.wav", WAV)
    for path in (first, second):
        folder = desk.folders.new(HERE)
        desk.take(folder, [path])
        assert [track.upload.name for track in desk.work_of(folder).tracks] == ["bass.wav"]
    assert list(desk.folders.uploads.iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing(desk):
    with pytest.raises(TypeError), desk.folders.arriving(HERE) as arrival:
        (arrival.place / "half of it").write_bytes(None)
    assert list(desk.folders.uploads.iterdir()) == []


def test_an_archive_may_be_as_large_as_all_files_and_a_file_in_it_as_a_file(desk):
    packed = zipped(*((f"{role}.wav", sound(seconds=20)) for role in ("bass", "drums")))
    assert LIMITS.file_mb * 1e6 < len(packed) < LIMITS.total_mb * 1e6
    folder = desk.folders.new(HERE)
    desk.take(folder, [upload(desk, "stems.zip", packed)])
    assert len(desk.work_of(folder).tracks) == 2


def test_a_folder_serves_only_what_it_offers_and_only_under_its_own_token(desk):
    mine, yours = desk.folders.new(HERE), desk.folders.new(HERE)
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
    folder = desk.folders.of_visitor("someone", HERE)
    desk.take(folder, [upload(desk, "bass.wav", WAV)])
    desk.folders.leave("someone")
    assert desk.folders.used_mb() == 0.0
    folder = desk.folders.of_visitor("someone", HERE)
    folder.used -= 61.0
    desk.folders.sweep()
    assert not folder.path.exists()


def test_a_full_server_refuses_with_a_sentence(desk):
    with pytest.raises(MixlabError, match="no space for this"), desk.folders.room(101.0, HERE):
        pass


def test_what_is_written_at_one_time_has_to_fit_together(desk):
    with desk.folders.room(60.0, HERE):
        with pytest.raises(MixlabError, match="no space for this"), desk.folders.room(60.0, THERE):
            pass
        with desk.folders.room(30.0, THERE):
            pass
    with desk.folders.room(79.0, HERE):
        pass


def test_nobody_has_all_of_the_space(desk):
    mine = desk.folders.new(HERE)
    (mine.path / "much").write_bytes(bytes(50_000_000))
    with pytest.raises(MixlabError, match="from your address would exceed 80 MB"), desk.folders.room(40.0, HERE):
        pass
    with desk.folders.room(40.0, THERE):
        pass
    with desk.folders.arriving(HERE) as arrival:
        (arrival.place / "more").write_bytes(bytes(40_000_000))
        with pytest.raises(MixlabError, match="from your address would exceed 80 MB"):
            arrival.grow(40_000_000)
        with desk.folders.arriving(THERE) as other:
            other.grow(5_000_000)


def test_an_upload_that_has_not_come_yet_takes_no_space(desk):
    """Whatever is announced: forty connections that say nothing would lock everybody out."""
    with ExitStack() as stack:
        for _ in range(39):
            stack.enter_context(desk.folders.arriving(HERE)).grow(1)
        assert desk.folders.used_mb() == 0.0
        with desk.folders.room(80.0, HERE):
            pass


def test_of_an_address_with_too_many_folders_the_one_goes_that_was_not_used_for_longest(desk):
    mine = [desk.folders.new(HERE) for _ in range(MOST_FOLDERS)]
    other = desk.folders.new(THERE)
    mine[0].used += 1.0
    newest = desk.folders.new(HERE)
    assert [folder for folder in mine if not folder.path.exists()] == [mine[1]]
    assert newest.path.exists()
    assert other.path.exists()


@pytest.mark.parametrize("visitor", ["", None])
def test_visitors_without_a_session_share_no_folder(desk, visitor):
    with pytest.raises(MixlabError, match="load it again"):
        desk.folders.of_visitor(visitor, HERE)


def test_what_a_killed_server_left_is_deleted_by_the_next_one_and_no_other_s(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = "import os; from mixlab.web.sessions import Folders; f = Folders(1, 1, 1); (f.root / 'song').touch(); {}"
    subprocess.run([sys.executable, "-c", code.format("os.kill(os.getpid(), 9)")], check=False)
    command = [sys.executable, "-c", code.format("print(f.root, flush=True); input()")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    alive = Path(process.stdout.readline().decode().strip())
    folders = Folders(1.0, 1.0, 60.0)
    assert set(tmp_path.iterdir()) == {alive, folders.root}
    process.communicate(b"\n")
    folders.close()
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_is_still_arriving_is_not_tidied_away(desk):
    desk.folders.idle_s = -1.0
    with desk.folders.arriving(HERE) as arrival:
        desk.folders.sweep()
        assert arrival.place.is_dir()
    desk.folders.sweep()
    assert not arrival.place.exists()
