"""Nothing that a stranger sends gets in, gets out of its folder, or stays behind when it is refused."""

import io
import stat
import struct
import zipfile

import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio")

from mixlab.errors import MixlabError
from mixlab.models.checkpoints import Description
from mixlab.web.desk import Desk
from mixlab.web.sessions import Folders
from mixlab.web.uploads import Limits
from mixlab.web.work import LEFT_OUT, Advisor

LIMITS = Limits(file_mb=1.0, total_mb=2.0, files=4, duration_s=30.0, total_samples=1_000_000)
STEMS = ["bass", "drums", "vocals", "other"]
DESCRIPTION = Description("tiny", {}, None, None, "stems", ["bass"], STEMS, 10.0, -32.0, 12)


@pytest.fixture
def desk():
    folders = Folders(100.0, 60.0)
    yield Desk(Advisor(DESCRIPTION, 16000, lambda questions: [""] * len(questions), True), folders, LIMITS)
    folders.close()


def sound(rate=16000, channels=1, seconds=1.0, form="WAV", subtype=None):
    samples = 0.1 * np.random.default_rng(0).standard_normal((round(rate * seconds), channels))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def header(rate=16000, channels=1, declared=64, bits=16, kind=1):
    """A WAV that says of itself what the arguments say, with 64 bytes of sound."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", declared) + bytes(64)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zipped(*entries, method=zipfile.ZIP_STORED, mode=None, encrypted=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if mode is not None:
                info.external_attr = mode << 16
            archive.writestr(info, content)
    data = file.getvalue()
    if encrypted:
        # The flag of the entry in the central directory and before its data.
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = data.index(mark) + offset
            data = data[:at] + b"\x01" + data[at + 1 :]
    return data


def lying(data):
    """An archive whose only entry says that it is smaller than it is."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", 100) + data[at + 4 :]


WAV = sound()
HOSTILE = {
    "empty": ("bass.wav", b"", "is empty"),
    "too large": ("bass.wav", WAV + bytes(1_000_001), "at most 1 MB"),
    "text as wav": ("bass.wav", b"hello" * 50, "cannot be read"),
    "page as wav": ("bass.wav", b"<html><script>alert(1)</script>", "cannot be read"),
    "program as wav": ("bass.wav", b"\x7fELF" + bytes(500), "cannot be read"),
    "picture as wav": ("bass.wav", b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be read"),
    "zip as wav": ("bass.wav", zipped(("bass.wav", WAV)), "cannot be read"),
    "flac as wav": ("bass.wav", sound(form="FLAC"), "holds FLAC"),
    "wav as mp3": ("bass.mp3", WAV, "holds WAV"),
    "wav as ogg": ("bass.ogg", WAV, "holds WAV"),
    "program": ("run.exe", b"MZ" + bytes(100), "not a kind of file"),
    "page": ("bass.html", b"<script>alert(1)</script>", "not a kind of file"),
    "svg": ("bass.svg", b"<svg onload='alert(1)'/>", "not a kind of file"),
    "pickle": ("bass.pkl", b"\x80\x04.", "not a kind of file"),
    "raw": ("bass.raw", bytes(1000), "not a kind of file"),
    "two extensions": ("bass.wav.exe", WAV, "not a kind of file"),
    "no extension": ("bass", WAV, "not a kind of file"),
    "broken off": ("bass.wav", WAV[: len(WAV) // 2], "breaks off"),
    "header alone": ("bass.wav", WAV[:44], "breaks off|no samples|cannot be read"),
    "broken flac": ("bass.flac", sound(form="FLAC", seconds=3)[:20000] + bytes(20000), "bass.flac"),
    "rate of 1 Hz": ("bass.wav", header(rate=1), "1 Hz|cannot be read"),
    "rate of 2 GHz": ("bass.wav", header(rate=2_000_000_000), "Hz|cannot be read"),
    "65535 channels": ("bass.wav", header(channels=65535, declared=64), "channels|cannot be read|no samples"),
    "8 channels": ("bass.wav", sound(channels=8, seconds=0.5), "8 channels"),
    "no channels": ("bass.wav", header(channels=0), "cannot be read|channels"),
    "hours of silence": ("bass.flac", sound(form="FLAC", rate=8000, seconds=1) and None, "minutes long"),
    "4 GB declared": ("bass.wav", header(declared=0xFFFF0000 - 1), "breaks off"),
    "not a number": ("bass.wav", None, "not finite"),
    "control characters": ("ba\x01ss.wav", WAV, "cannot be seen"),
    "line break": ("ba\nss.wav", WAV, "cannot be seen"),
    "reversed writing": ("ba\u202evaw.wav", WAV, "cannot be seen"),
    "zero width": ("ba\u200bss.wav", WAV, "cannot be seen"),
    "long name": ("b" * 150 + ".wav", WAV, "too long"),
    "no zip": ("stems.zip", b"PK\x03\x04" + bytes(100), "zip archive"),
    "empty zip": ("stems.zip", zipped(), "holds no audio"),
    "zip of notes": ("stems.zip", zipped(("notes.txt", "hi")), "holds no audio"),
    "broken zip": ("stems.zip", zipped(("bass.wav", WAV))[:-40], "zip archive"),
    "path out": ("stems.zip", zipped(("../../bass.wav", WAV)), "leads out"),
    "absolute path": ("stems.zip", zipped(("/etc/bass.wav", WAV)), "leads out"),
    "drive": ("stems.zip", zipped(("C:\\bass.wav", WAV)), "leads out"),
    "backslashes out": ("stems.zip", zipped(("..\\..\\bass.wav", WAV)), "leads out"),
    "link": ("stems.zip", zipped(("bass.wav", "/etc/passwd"), mode=stat.S_IFLNK | 0o777), "link or a device"),
    "device": ("stems.zip", zipped(("bass.wav", ""), mode=stat.S_IFCHR | 0o777), "link or a device"),
    "zip in a zip": ("stems.zip", zipped(("more.zip", zipped(("bass.wav", WAV)))), "archive in an archive"),
    "bomb": ("stems.zip", zipped(("a.wav", bytes(20_000_000)), method=zipfile.ZIP_DEFLATED), "grows 50-fold"),
    "many entries": ("stems.zip", zipped(*((f"{n}.txt", "") for n in range(600))), "600 entries"),
    "many tracks": ("stems.zip", zipped(*((f"{n}.wav", WAV) for n in range(5))), "5 audio files"),
    "large together": ("stems.zip", zipped(*((f"{n}.wav", bytes(600_000)) for n in range(4)),
                       method=zipfile.ZIP_BZIP2), "2 MB|grows"),
    "password": ("stems.zip", zipped(("bass.wav", WAV), encrypted=True), "password"),
    "lies about size": ("stems.zip", lying(zipped(("bass.wav", WAV))), "more than it says|zip archive"),
    "disguised in a zip": ("stems.zip", zipped(("bass.wav", b"hello" * 50)), "cannot be read"),
    "control characters in a zip": ("stems.zip", zipped(("ba\x07ss.wav", WAV)), "cannot be seen"),
}  # fmt: skip


def content_of(case):
    name, content, _ = HOSTILE[case]
    if case == "hours of silence":
        file = io.BytesIO()
        soundfile.write(file, np.zeros(8000 * 3600), 8000, format="FLAC")
        return name, file.getvalue()
    if case == "not a number":
        file = io.BytesIO()
        soundfile.write(file, np.full(16000, np.nan), 16000, format="WAV", subtype="FLOAT")
        return name, file.getvalue()
    return name, content


def upload(desk, name, content):
    place = desk.folders.uploads / f"{abs(hash((name, len(content))))}"
    place.mkdir()
    path = place / name
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
    (tmp_path / "place").mkdir()
    link = desk.folders.uploads / "place"
    link.mkdir()
    (link / "drums.wav").symlink_to(path)
    for wanted in (link / "drums.wav", path, tmp_path / "place" / ".." / "bass.wav"):
        with pytest.raises(MixlabError, match="was not uploaded"):
            desk.take(desk.folders.new(), [str(wanted)])
    assert path.read_bytes() == WAV


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
    with pytest.raises(MixlabError, match="no space for this"):
        desk.folders.require_space(101.0)
