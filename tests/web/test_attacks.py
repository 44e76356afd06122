"""Published attacks on Gradio's routes, replayed: nothing outside a person's own folder is read, nothing is fetched."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from mixlab.web import api
from tests.web.conftest import Refused
from tests.web.test_load import demo_stems

pytestmark = pytest.mark.slow

ROUTES = {
    "CVE-2023-51449, traversal": "/file=../../../../etc/passwd",
    "CVE-2023-51449, encoded": "/file=%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "CVE-2023-51449, in a folder by hash": "/file={uploads}/0000/../../../../../../../../etc/passwd",
    "CVE-2023-34239, any file": "/file/etc/passwd",
    "CVE-2023-34239, absolute path": "/file=/etc/passwd",
    "CVE-2024-1728, a file that a call had copied": "/gradio_api/file={uploads}/0000/passwd",
    "CVE-2024-47868, a file that an answer had copied": "/gradio_api/file=/etc/passwd",
    "CVE-2024-47164, a look-alike of an allowed folder": "/gradio_api/file={root}-more/../../etc/passwd",
    "CVE-2024-34510, Windows share": "/gradio_api/file=//attacker.invalid/share",
    "the environment, with its tokens": "/gradio_api/file=/proc/self/environ",
    "CVE-2025-23042, other spelling of a blocked path": "/gradio_api/file=/ETC/passwd",
    "CVE-2026-28414, absolute on Windows": "/static//windows/win.ini",
    "encoded twice": "/gradio_api/file=%252e%252e/%252e%252e/etc/passwd",
    "somebody's upload by its path": "/gradio_api/file={upload}",
    "the application": "/file=mixlab/app.py",
    "its assets": "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "static files": "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "svelte files": "/svelte/../../../../../../../etc/passwd",
    "CVE-2024-47166, parts of components": "/gradio_api/custom_component/File/client/component/..%2f..%2f..%2fpage.py",
    "CVE-2023-34239, request in the server's name": "/gradio_api/proxy=http://127.0.0.1:{port}/secret",
    "CVE-2024-2206, older proxy": "/proxy=http://127.0.0.1:{port}/secret",
    "streams": "/gradio_api/stream/a/b/c/playlist-file",
    "profiles and records": "/gradio_api/run-history/records",
    "the source": "/gradio_api/vibe-code/",
    "CVE-2024-47168, monitoring": "/monitoring/summary",
    "our files by path": "/files/{token}/..%2f..%2f..%2fetc%2fpasswd",
    "our files of another person": "/files/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/{name}",
    "our assets": "/page/..%2fpage.py",
}

CALLS = {
    "CVE-2024-1728, absolute path": {"path": "/etc/passwd"},
    "CVE-2024-1728, out of the uploads": {"path": "{uploads}/../../../../../../../../../../{song}"},
    "CVE-2024-1728, through a folder that is there": {"path": "{upload}/../../../../../../../../../../../../{song}"},
    "CVE-2024-0964, relative path": {"path": "../../../../etc/passwd"},
    "another person's file": {"path": "{held}"},
    "CVE-2024-4325, an address": {"path": "http://127.0.0.1:{port}/secret.wav"},
    "CVE-2024-47167, an address beside a path": {"path": "{upload}.wav", "url": "http://127.0.0.1:{port}/secret.wav"},
    "CVE-2024-51751, a stream": {"path": "{song}", "is_stream": True},
    "a path with a null byte": {"path": "{upload}\0.wav"},
    "no upload of that name": {"path": "{uploads}/a/b/c.wav"},
}


@pytest.fixture(scope="module")
def listener():
    """A neighbour of the server that nobody should call: its port, and who did."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as waiting:

        def accept():
            while True:
                try:
                    connection, _ = waiting.accept()
                except OSError:
                    return
                seen.append(connection.recv(1000))
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield waiting.getsockname()[1], seen


@pytest.fixture(scope="module")
def places(server, listener, tmp_path_factory):
    """What an attacker may know: paths of the server, and a person's upload, file and download."""
    song = tmp_path_factory.mktemp("private") / "bass.wav"
    stems = demo_stems(6.0)
    song.write_bytes(stems["bass"])
    advice = server.advise(server.upload(*((f"{role}.wav", content) for role, content in stems.items())))
    token, name = advice["downloads"]["All of the advice (JSON)"].split("/")[1:]
    (upload,) = server.upload(("drums.wav", stems["drums"]))
    uploads = next(path for path in Path(upload).parents if path.name == "uploads")
    (held, *_) = (path for path in server.files() if token in path and path.endswith(".wav"))
    return {
        "song": song, "upload": upload, "uploads": uploads, "root": uploads.parent, "token": token, "name": name,
        "held": held, "port": listener[0],
    }  # fmt: skip


def sent_as_it_is(server, method, target, body=b"", host="127.0.0.1", **headers):
    """An answer to a request whose address no client tidied up: status, headers and body."""
    with socket.create_connection(("127.0.0.1", server.http.base_url.port), timeout=60) as connection:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), content


@pytest.mark.parametrize("attack", ROUTES)
def test_no_route_reads_a_file_or_fetches_an_address(server, places, listener, attack):
    status, _, content = sent_as_it_is(server, "GET", ROUTES[attack].format(**places))
    assert status in (400, 403, 404), content[:300]
    for secret in (b"root:", b"RIFF", b"import ", b"PATH=", b"gains_db"):
        assert secret not in content
    assert listener[1] == []


@pytest.mark.parametrize("attack", CALLS)
def test_no_call_takes_a_file_that_its_sender_did_not_upload(server, places, listener, attack):
    named = {key: value.format(**places) if isinstance(value, str) else value for key, value in CALLS[attack].items()}
    file = {**named, "meta": {"_type": "gradio.FileData"}}
    before = {path for path in server.files() if not path.startswith(str(places["uploads"]))}
    asked = server.http.post("gradio_api/call/advise", json={"data": [[file], "bass", "", {}, "", 1.0, True]})
    if asked.status_code == 200:
        answer = server.http.get(f"gradio_api/call/advise/{asked.json()['event_id']}").text
        assert "was not uploaded to this server" in answer
    else:
        assert (asked.status_code, asked.text) == (400, "A call may name only files that were uploaded to this server.")
    assert listener[1] == []
    assert {path for path in server.files() if not path.startswith(str(places["uploads"]))} == before
    assert places["song"].is_file()
    assert Path(places["upload"]).is_file()
    assert Path(places["held"]).is_file()


@pytest.mark.parametrize(
    ("attack", "target", "body"),
    [
        ("CVE-2024-1561, methods of components", "/gradio_api/component_server",
         b'{"session_hash":"x","component_id":1,"fn_name":"move_resource_to_block_cache","data":"/etc/passwd"}'),
        ("CVE-2024-1561, older route", "/component_server",
         b'{"session_hash":"x","component_id":1,"fn_name":"make_temp_copy_if_needed","data":"/etc/passwd"}'),
        ("recordings", "/gradio_api/process_recording", b""),
        ("code from outside", "/gradio_api/vibe-edit/", b'{"prompt":"x"}'),
        ("logging in", "/login", b"username=a&password=b"),
    ],
)  # fmt: skip
def test_routes_that_are_not_needed_are_closed(server, attack, target, body):
    assert sent_as_it_is(server, "POST", target, body, Content_Type="application/json")[0] in (403, 404, 405)


def test_values_of_the_json_field_are_no_files(server, places):
    """CVE-2024-4941: a path in a JSON value was copied to where everybody may fetch it."""
    roles = {"path": str(places["song"]), "meta": {"_type": "gradio.FileData"}}
    asked = server.http.post("gradio_api/call/advise", json={"data": [[], "bass", "", roles, "", 1.0, False]})
    assert asked.status_code == 400


def test_there_is_no_flagging_that_copies_files(server):
    """CVE-2025-48889: an endpoint that copies whatever file it is told into a folder of logs."""
    endpoints = server.http.get("gradio_api/info").json()
    assert list(endpoints["named_endpoints"]) == ["/advise"]
    assert endpoints["unnamed_endpoints"] == {}
    functions = [function["api_name"] for function in server.http.get("config").json()["dependencies"]]
    assert not any("flag" in str(name) for name in functions)


@pytest.mark.parametrize("origin", ["null", "https://evil.invalid", "http://localhost.evil.invalid"])
@pytest.mark.parametrize("host", ["127.0.0.1", "spoofed.invalid"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_pages_of_other_hosts_may_not_read_the_server(server, origin, host, method):
    """CVE-2024-47084 and CVE-2024-47165: another page in the browser asks in the person's name."""
    for target in ("/config", "/gradio_api/upload", "/gradio_api/call/advise"):
        _, headers, _ = sent_as_it_is(
            server, method, target, host=host, Origin=origin, Access_Control_Request_Method="POST"
        )
        assert "access-control-allow" not in headers


def test_an_upload_keeps_to_its_folder_whatever_its_name(server, places):
    for name in ("../../../../tmp/evil.wav", "/etc/evil.wav", "..\\..\\evil.wav", "%2e%2e%2fevil.wav"):
        try:
            (path,) = server.upload((name, b"x"))
        except Refused:
            continue
        assert Path(path).resolve().is_relative_to(places["uploads"])
        assert Path(path).read_bytes() == b"x"


def test_the_documented_calls_work_as_they_are_written(server, tmp_path):
    """The very lines of the documentation, in a shell, with this server's address and the paths that it gave."""
    for role, content in demo_stems(-9.0, 3.0).items():
        (tmp_path / f"{role}.wav").write_bytes(content)
    text = api.__doc__.replace("http://127.0.0.1:7860", server.address.rstrip("/"))
    uploading, rest = text[text.index("curl -F") :].split("\n", 1)
    calling, fetching = rest[rest.index("curl -H") :].rsplit("curl -N", 1)

    def run(line):
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    paths = run(uploading.split("#")[0])
    for name, path in zip(("bass.wav", "drums.wav"), json.loads(paths), strict=True):
        calling = calling.replace(f"/.../{name}", path)
    event = run(calling).split('"')[3]
    answer = run(f"curl -N {fetching}".replace("<event_id>", event))
    assert "event: complete" in answer
    assert '"anchor": "bass"' in answer
    python = text[text.index("from gradio_client") : text.index("Over HTTP")].replace("\n    ", "\n")
    said = subprocess.run(
        [sys.executable, "-c", f"{python}\nprint(advice['anchor'], sorted(advice['downloads']))"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert "bass [" in said.stdout
    assert "ZIP" in said.stdout
