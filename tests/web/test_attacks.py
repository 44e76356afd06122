"""Published attacks on Gradio's routes, replayed: nothing outside a person's own folder is read, nothing is fetched."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from mixlab.web import api
from tests.web.conftest import Refused, Server
from tests.web.test_load import demo_stems, within

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
    (held, *_) = (path for path in server.files() if token in path)
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


@pytest.mark.parametrize("way", ["run", "api", "call"])
def test_no_function_of_the_page_is_called_past_the_queue_by_name_or_number(server, way):
    functions = {one["api_name"]: one["id"] for one in server.http.get("config").json()["dependencies"]}
    assert {"advise", "take", "clear", "leave"} <= set(functions)
    calls = [(name, {"data": []}) for name in functions if (way, name) != ("call", "advise")]
    calls += [
        ("predict", {"data": [], "fn_index": number, "session_hash": "9k2hd0tv3p"}) for number in functions.values()
    ]
    for name, body in calls:
        assert sent_as_it_is(server, "POST", f"/gradio_api/{way}/{name}", json.dumps(body).encode())[0] == 403


def test_every_route_that_a_schema_names_is_served_and_others_are_in_none(server):
    named = server.http.get("gradio_api/openapi.json", params={"all_endpoints": "true"}).json()["paths"]
    assert len(named) == 3
    for path, methods in named.items():
        for method in methods:
            assert sent_as_it_is(server, method.upper(), path.replace("{event_id}", "0" * 32), b"{}")[0] != 403
    assert list(server.http.get("gradio_api/info?all_endpoints=true").json()["named_endpoints"]) == ["/advise"]
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert sent_as_it_is(server, "GET", path)[0] == 403


@pytest.mark.parametrize("target", ["/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"])
def test_headers_do_not_name_the_server_for_this_visitor_or_the_next_one(server, target):
    headers = {
        "X_Forwarded_Host": "evil.invalid",
        "X_Forwarded_Proto": "https",
        "X_Gradio_Server": "http://evil.invalid",
    }
    for more in (headers, {"Forwarded": "host=evil.invalid"}, {}):
        status, _, content = sent_as_it_is(server, "GET", target, **more)
        assert status == 200
        assert b"evil.invalid" not in content
    assert sent_as_it_is(server, "GET", target, host="evil.invalid")[0] == 421


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


@pytest.fixture
def small(tmp_path_factory):
    """A server with little space, of which each address has a half."""
    started = Server(
        tmp_path_factory.mktemp("small"), "total_temp_mb=100", "address_mb=50", "session_mb=40", "file_mb=40"
    )
    yield started
    if started.process.poll() is None:
        started.stop()


def opened(server, said, count, source="127.0.0.1"):
    """Connections from an address, each of which has said something."""
    port = server.http.base_url.port
    found = [socket.create_connection(("127.0.0.1", port), 60, (source, 0)) for _ in range(count)]
    for connection in found:
        connection.sendall(said)
    time.sleep(1.0)
    return found


def open_ones(connections):
    """Those that the server has not ended."""
    left = []
    for connection in connections:
        connection.setblocking(False)
        try:
            while connection.recv(65536):
                pass
        except BlockingIOError:
            left.append(connection)
        except OSError:
            pass
    return left


UPLOADING = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
    b'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="files"; '
    b'filename="bass.wav"\r\n\r\n'
)


def test_strangers_who_announce_much_and_say_nothing_lock_nobody_out(small):
    """Then they are cut off, what they sent is deleted, and so is everything when the server is stopped."""
    idle = opened(small, UPLOADING % 40_000_000 + b"x", 39)
    slow = opened(small, b"GET / HTTP/1.1\r\nHost: localhost\r\n", 30, "127.0.0.2")
    assert len(open_ones([*idle, *slow])) == 69
    (path,) = small.upload(("bass.wav", bytes(30_000_000)))
    refused = opened(small, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 70)
    assert 70 - len(open_ones(refused)) >= 40
    assert len(open_ones(opened(small, b"", 5, "127.0.0.3"))) == 5
    for connection in refused:
        connection.close()
    with pytest.raises(Refused, match="from your address would exceed 50 MB"):
        small.upload(("drums.wav", bytes(30_000_000)))
    assert within(40, lambda: not open_ones([*idle, *slow]))
    assert within(10, lambda: [name for name in small.files() if "/uploads/" in name] == [path])
    small.process.terminate()
    assert small.process.wait(30) == 0
    assert not small.files()


def test_an_upload_may_not_open_thousands_of_files_or_fill_the_memory(server):
    before, most_mb = set(server.files()), server.memory_mb("VmHWM")
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%d.wav"\r\n\r\nx\r\n'
    many = b"".join(part % number for number in range(999)) + b"--b--\r\n"
    field = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + bytes(200_000_000) + b"\r\n--b--\r\n"
    for body in (many, field, b"--b", b"", b"--b\r\n\r\nx"):
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        assert server.http.post("gradio_api/upload", content=body, headers=kind).status_code == 400
    assert server.http.post("gradio_api/upload", content=b"x").status_code == 400
    assert set(server.files()) == before
    assert server.memory_mb("VmHWM") < most_mb + 100


def test_one_address_does_not_fill_the_queue(server):
    """While a long song is listened to, somebody asks again and again; whoever is elsewhere still gets a place."""
    import httpx

    for _ in range(2):
        paths = server.upload(*((f"{role}.wav", content) for role, content in demo_stems(6.0, 120.0).items()))
        files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
        server.http.post("gradio_api/call/advise", json={"data": [files, "bass", "", {}, "", 1.0, False]})
    short = {"data": [[], "bass", "", {}, "", 1.0, False]}
    given = [server.http.post("gradio_api/call/advise", json=short) for _ in range(40)]
    assert {answer.status_code for answer in given[:30]} == {200}
    assert given[-1].status_code == 429
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), base_url=server.address) as elsewhere:
        assert elsewhere.post("gradio_api/call/advise", json=short).status_code == 200
    last = [answer.json()["event_id"] for answer in given if answer.status_code == 200][-1]
    assert "There are no tracks yet" in server.http.get(f"gradio_api/call/advise/{last}").text


def test_nothing_stays_of_a_server_that_is_told_to_stop_while_it_listens(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("stopped"))
    paths = server.upload(*((f"{role}.wav", content) for role, content in demo_stems(6.0, 60.0).items()))
    files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    server.http.post("gradio_api/call/advise", json={"data": [files, "bass", "", {}, "", 1.0, True]})
    opened(server, UPLOADING % 1000, 3)
    time.sleep(1.0)
    assert server.files()
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert not server.files()


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
