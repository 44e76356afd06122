"""Many people at once, long files, and strangers who mean no good: all are answered, and nothing stays behind."""

import io
import re
import socket
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import soundfile

pytest.importorskip("gradio")

from mixlab.audio.levels import apply_gain
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.song import as_float32
from tests.web.conftest import RATE_HZ, Refused, Server, noise
from tests.web.hostile import HOSTILE, RENAMED, content_of

pytestmark = pytest.mark.slow

CLIENTS = 20
MEMORY_TOLERANCE_MB = 30.0
"""What the server may have grown by after a round of hostile uploads; a single one of them unpacks to 20 MB."""


def wav(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="PCM_24")
    return file.getvalue()


def within(seconds, condition):
    """Whether something becomes true: what a page had is deleted a moment after it is closed."""
    for _ in range(seconds * 10):
        if condition():
            return True
        time.sleep(0.1)
    return False


def demo_stems(drums_db, seconds=10.0):
    """A demo song as files, its drums louder or softer, all of them 12 dB down against clipping."""
    source = DemoSource(0, 0, 1, 0, seconds, RATE_HZ, genres=["rock"])
    stems = source.load(source.entries()[0]).stems
    gains_db = {role: drums_db - 12.0 if role == "drums" else -12.0 for role in stems}
    return {role: wav(apply_gain(as_float32(stems[role]), gains_db[role]).T) for role in sorted(stems)}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with the limits that the hostile files exceed."""
    limits = ("file_mb=1", "session_mb=2", "files=4", "minutes=0.5", "total_temp_mb=100")
    started = Server(tmp_path_factory.mktemp("small"), *limits)
    yield started
    started.stop()


def test_twenty_people_at_once_each_get_the_answer_to_their_own_song(server):
    """All send the very same bass under the same name; drums are 1 dB louder from person to person."""
    songs = [demo_stems(number - 10.0) for number in range(CLIENTS)]
    before = server.files()

    def ask(number):
        stems = {f"drums of {number}.wav" if role == "drums" else f"{role}.wav": s for role, s in songs[number].items()}
        return server.advise(server.upload(*stems.items()), apply=True)

    alone = [ask(number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(pool.map(ask, range(CLIENTS)))
    assert len({answer["text"] for answer in alone}) > 5
    for number, (first, second) in enumerate(zip(alone, together, strict=True)):
        names = ["bass.wav", f"drums of {number}.wav", "other.wav", "vocals.wav"]
        assert [file["name"] for file in second["files"]] == names
        level_lu = alone[0]["above_anchor_lu"]["drums"] + number
        assert second["above_anchor_lu"]["drums"] == pytest.approx(level_lu, abs=0.02)
        assert {key: value for key, value in second.items() if key != "downloads"} == {
            key: value for key, value in first.items() if key != "downloads"
        }
        packed = next(address for address in second["downloads"].values() if address.endswith(".zip"))
        with zipfile.ZipFile(io.BytesIO(server.http.get(packed).content)) as archive:
            assert archive.namelist() == [*names, "mix.wav"]
    assert len({text for answer in together for text in answer["downloads"].values()}) == 4 * CLIENTS
    assert not [path for path in set(server.files()) - set(before) if "/uploads/" in path]


def test_four_stems_of_sixty_megabytes_each_go_through_one_by_one_and_as_one_archive(server):
    stems = {
        f"{role}.wav": wav(noise(60e6 / 6 / RATE_HZ, number)) for number, role in enumerate(("bass", "drums", "vocals"))
    }
    stems["other.wav"] = stems["bass.wav"]
    assert all(len(content) >= 60_000_000 for content in stems.values())
    advice = server.advise(server.upload(*stems.items()), apply=True)
    assert [file["name"] for file in advice["files"]] == list(stems)
    packed = next(address for address in advice["downloads"].values() if address.endswith(".zip"))
    with server.http.stream("GET", packed) as response:
        assert int(response.headers["content-length"]) > 5 * 60_000_000
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in stems.items():
            opened.writestr(name, content)
    again = server.advise(server.upload(("stems.zip", archive.getvalue())))
    assert (again["text"], again["segments"]) == (advice["text"], advice["segments"])
    print(f"most memory so far: {server.memory_mb('VmHWM'):.0f} MB")


def sentence_of(server, name, content):
    """What is said to an upload and the call with it."""
    with pytest.raises(Refused) as refusal:
        server.advise(server.upload((name, content)))
    return str(refusal.value)


def test_hostile_uploads_are_refused_with_a_sentence_and_leave_neither_memory_nor_files(small):
    song = [(f"{role}.wav", content) for role, content in demo_stems(-9.0, 3.0).items() if role in ("bass", "drums")]
    cases = {case: content_of(case) for case in HOSTILE if case not in RENAMED}
    assert len(cases) >= 30

    def send_all():
        for case, (name, content) in cases.items():
            said = sentence_of(small, name, content)
            assert re.search(HOSTILE[case][2], said), (case, said)
            assert str(small.temp) not in said, (case, said)
        address = ("127.0.0.1", small.http.base_url.port)
        with socket.create_connection(address) as broken_off:
            broken_off.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                b'--b\r\nContent-Disposition: form-data; name="files"; filename="bass.wav"\r\n\r\n' + bytes(400_000)
            )
            time.sleep(0.5)
            assert any("/uploads/" in path for path in small.files())
        assert within(10, lambda: not [path for path in small.files() if "/uploads/" in path]), [
            path for path in small.files() if "/uploads/" in path
        ]

    small.advise(small.upload(*song))
    send_all()
    memory_mb, files = small.memory_mb(), small.files()
    for round_ in range(2):
        send_all()
        print(f"memory after round {round_ + 2}: {small.memory_mb() - memory_mb:+.1f} MB of {memory_mb:.0f}")
    assert small.is_alive
    assert small.files() == files
    assert small.memory_mb() - memory_mb < MEMORY_TOLERANCE_MB
    assert small.advise(small.upload(*song))["anchor"] == "bass"


def test_the_page_shows_a_sentence_for_every_hostile_upload_and_its_files_go_with_it(small, browser):
    before = small.files()
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(small.address)
    page.wait_for_selector("#advise", timeout=60000)
    for case in (case for case in HOSTILE if case not in RENAMED):
        name, content = content_of(case)
        page.set_input_files("input[type=file]", {"name": name, "mimeType": "audio/wav", "buffer": content})
        refusal = page.locator(".mx-error, .toast-body").first
        refusal.wait_for(timeout=30000)
        said = refusal.inner_text()
        # The page itself refuses other kinds of files; what a program sends is refused by the server.
        assert re.search(HOSTILE[case][2], said) or f"Invalid file type: {name}" in said, (case, said)
        for close in page.locator(".toast-close").all():
            close.click()
        page.get_by_role("button", name="Remove all tracks").click()
        page.locator("text=All tracks are removed.").wait_for()
        refusal.wait_for(state="detached")
    page.close()
    assert errors == []
    assert small.is_alive
    assert within(20, lambda: small.files() == before)
