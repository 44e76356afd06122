"""Only what the page and the API need reaches Gradio."""

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("gradio")

from mixlab.web.guard import LARGEST_CALL_BYTES, MOST_WAITING, Guard
from mixlab.web.sessions import Folders
from mixlab.web.uploads import Limits


@pytest.fixture
def ask():
    """The status of a request: 200 where it reached what is behind the guard."""
    folders = Folders(100.0, 100.0, 60.0)

    async def behind(scope, receive, send):
        asking.query = scope["query_string"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(behind, folders, Limits(total_mb=10.0), lambda address: asking.waiting[address])

    def asking(path, method="GET", body=b"", headers=(), query=b""):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": list(headers), "query_string": query}
        scope["client"] = ("192.0.2.1", 50000)
        # In a thread of its own: tests with a browser leave a running loop in theirs.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(guard(scope, receive, send))).result()
        assert b"content-security-policy" in dict(sent[0]["headers"])
        return sent[0]["status"]

    asking.uploads, asking.waiting = folders.uploads, Counter()
    yield asking
    folders.close()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd", "/gradio_api/file=app.py", "/gradio_api/file/etc/passwd", "/file=/etc/passwd",
        "/file/etc/passwd", "/gradio_api/file=C:/windows/win.ini", "/gradio_api/proxy=http://169.254.169.254/",
        "/proxy=http://127.0.0.1:22/", "/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/component_server",
        "/gradio_api/custom_component/1/client/component/../../../etc/passwd", "/gradio_api/run-history/records",
        "/gradio_api/deep_link", "/gradio_api/process_recording", "/gradio_api/vibe-code/", "/monitoring/summary",
        "/gradio_api/run/advise", "/gradio_api/run/predict", "/gradio_api/api/advise", "/openapi.json", "/docs",
        "/gradio_api/call/take/0", "/gradio_api/queue/status", "/svelte/svelte.js", "/pwa_icon/192", "/user", "/redoc",
        "/static/../../etc/passwd", "/assets/..\\..\\secret", "//gradio_api/file=/etc/passwd", "/gradio_api/dev/reload",
    ],
)  # fmt: skip
def test_routes_that_read_files_or_fetch_addresses_or_go_past_the_queue_are_closed(ask, path):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(path, method, b"{}") == 403


@pytest.mark.parametrize(
    "path", ["/", "/config", "/assets/index.js", "/files/token/play-bass.flac", "/page/player.js", "/gradio_api/info"]
)
def test_the_page_is_open(ask, path):
    assert ask(path) == 200


@pytest.mark.parametrize("path", ["http://169.254.169.254/latest", "/etc/passwd", "app.py", "", ["/etc/passwd"], 7])
def test_a_call_cannot_name_what_was_not_uploaded(ask, path):
    body = {"data": [{"deep": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}]}
    assert ask("/gradio_api/queue/join", "POST", json.dumps(body).encode()) == 400


@pytest.mark.parametrize("way", ["../../etc/passwd", "a/../../../etc/passwd", "a//bass.wav", "./bass.wav", "a/b\0.wav"])
def test_a_call_cannot_lead_out_of_the_uploads(ask, way):
    body = {"data": [{"path": f"{ask.uploads}/{way}", "meta": {"_type": "gradio.FileData"}}]}
    assert ask("/gradio_api/queue/join", "POST", json.dumps(body).encode()) == 400


def test_a_call_may_name_what_was_uploaded(ask):
    body = {"data": [{"path": f"{ask.uploads}/a/bass.wav", "meta": {"_type": "gradio.FileData"}}]}
    for path in ("/gradio_api/call/advise", "/gradio_api/call/advise/", "/gradio_api/call/v2/advise"):
        assert ask(path, "POST", json.dumps(body).encode()) == 200


@pytest.mark.parametrize("name", ["take", "clear", "apply", "advise_1", "leave", "unnamed", "../queue/join", "0"])
def test_functions_of_the_page_have_no_names_for_programs(ask, name):
    for way in ("call", "call/v2", "run", "api"):
        assert ask(f"/gradio_api/{way}/{name}", "POST", b'{"data": []}') == 403


@pytest.mark.parametrize("session", [None, "", "a", "x" * 65, 7, ["abcdefgh"], "../../abc", "abcdef gh"])
def test_in_the_queue_everybody_has_a_session_of_their_own(ask, session):
    body = {"data": [], "fn_index": 4, "session_hash": session}
    assert ask("/gradio_api/queue/join", "POST", json.dumps(body).encode()) == 400
    assert ask("/gradio_api/queue/join", "POST", json.dumps(body | {"session_hash": "9k2hd0tv3p"}).encode()) == 200


def test_calls_of_one_address_leave_room_in_the_queue_for_others(ask):
    body = json.dumps({"data": [], "session_hash": "9k2hd0tv3p", "event_id": "x", "fn_index": 1}).encode()
    ask.waiting["192.0.2.1"] = MOST_WAITING - 1
    assert ask("/gradio_api/queue/join", "POST", body) == 200
    ask.waiting["192.0.2.1"] = MOST_WAITING
    for path, status in (("queue/join", 429), ("call/advise", 429), ("call/v2/advise", 429), ("cancel", 200)):
        assert ask(f"/gradio_api/{path}", "POST", body) == status
    ask.waiting = Counter({"192.0.2.2": 99})
    assert ask("/gradio_api/queue/join", "POST", body) == 200


@pytest.mark.parametrize(
    ("path", "query", "passed"),
    [
        ("/", b"deep_link=../../secret", b""), ("/config", b"deep_link=x&page=y", b""),
        ("/gradio_api/info", b"all_endpoints=true", b"page="), ("/gradio_api/openapi.json", b"all_endpoints=true", b""),
        ("/gradio_api/queue/data", b"session_hash=9k2hd0tv3p&x=y", b"session_hash=9k2hd0tv3p"),
        ("/gradio_api/queue/data", b"session_hash=9k2hd0tv3p&session_hash=other123", b"session_hash=9k2hd0tv3p"),
        ("/gradio_api/queue/data", b"session_hash=a%0d%0ab", None),
        ("/gradio_api/upload_progress", b"upload_id=" + b"x" * 99, None),
    ],
)  # fmt: skip
def test_parameters_that_are_not_needed_do_not_pass(ask, path, query, passed):
    assert ask(path, query=query) == (400 if passed is None else 200)
    if passed is not None:
        assert ask.query == passed


@pytest.mark.parametrize(("body", "status"), [(b"x" * (LARGEST_CALL_BYTES + 1), 413), (b"[" * 100_000, 400)])
def test_a_call_that_is_too_large_or_no_json_is_refused(ask, body, status):
    assert ask("/gradio_api/queue/join", "POST", body) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [([], 411), ([(b"content-length", b"99000000")], 413), ([(b"content-length", b"1000")], 200)],
)
def test_an_upload_says_how_large_it_is_and_is_not_larger_than_is_taken(ask, headers, status):
    assert ask("/gradio_api/upload", "POST", b"", headers) == status
