"""Nobody holds a server up: slow and idle clients end, nobody has all connections, headers of strangers say nothing."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from mixlab.errors import ConfigError
from mixlab.serving.connections import Patience, Shares, address_of
from mixlab.serving.server import fronted, listen, make_server, proxies_of

QUICK = Patience(head_s=1.0, grace_s=1.0, bytes_per_s=1000.0, reading_s=1.5)
LARGE = 30_000_000


async def application(scope, receive, send):
    """Says who asks, reads what comes, and sends much where much is asked for."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    more, size = scope["method"] == "POST", 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            application.broken_off += 1
            return
        size, more = size + len(message["body"]), message["more_body"]
    seen = {name.decode(): value.decode() for name, value in scope["headers"]}
    said = (
        bytes(LARGE) if scope["path"] == "/large" else repr((scope["client"][0], scope["scheme"], seen, size)).encode()
    )
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]}
    )
    for start in range(0, len(said), 65536):
        await send({"type": "http.response.body", "body": said[start : start + 65536], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def served(**options):
    """The port of a running server of `application`."""
    application.broken_off = 0
    options = {"behind_proxy": False, "connections_per_address": 8, "patience": QUICK} | options
    with listen("127.0.0.1", 0) as place:
        server = make_server(application, "127.0.0.1", **options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield place.getsockname()[1]
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read(connection):
    """All that comes until the server closes the connection; None if it ends it at once."""
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return None


def asked(port, head=b"", path=b"/"):
    with connect(port) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % (path, head))
        return read(connection)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHos",
    ],
)  # fmt: skip
def test_a_client_that_says_no_more_is_cut_off(said):
    with served() as port, connect(port) as connection:
        connection.sendall(said)
        read(connection)


@pytest.mark.parametrize(
    ("said", "bit"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n", b"x"),
    ],
)
def test_a_client_that_drips_is_cut_off(said, bit):
    def drip():
        for _ in range(200):
            connection.sendall(bit)
            time.sleep(0.1)

    with served() as port, connect(port) as connection:
        connection.sendall(said)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            drip()


def test_the_application_hears_of_a_body_that_was_cut_off():
    with served() as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nhello")
        read(connection)
        time.sleep(0.1)
        assert application.broken_off == 1


def test_a_client_that_does_not_read_its_answer_is_cut_off():
    with served() as port, connect(port) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        time.sleep(4)
        found = read(connection)
        assert found is None or len(found) < LARGE


def test_slow_and_steady_is_served():
    """Well above the least rate, but far longer than any deadline; and one who takes an answer bit by bit."""
    with served() as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12000\r\nConnection: close\r\n\r\n")
        for _ in range(30):
            connection.sendall(bytes(400))
            time.sleep(0.1)
        assert b"12000)" in read(connection)
        with connect(port) as reader:
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            size = 0
            while bit := reader.recv(1_000_000):
                size += len(bit)
                time.sleep(0.05)
            assert size > LARGE


def test_a_connection_that_is_used_again_and_again_is_kept():
    with served() as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.connect()
        own = connection.sock
        for _ in range(25):
            connection.request("GET", "/")
            assert connection.getresponse().read()
            time.sleep(0.1)
        assert connection.sock is own
        connection.close()


def test_one_address_has_its_share_of_connections_and_others_theirs():
    with served() as port:
        held = [connect(port) for _ in range(8)]
        time.sleep(0.2)
        with connect(port) as refused:
            assert b" 503 " in (read(refused) or b" 503 ")
        with socket.create_connection(("127.0.0.1", port), 20, ("127.0.0.2", 0)) as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read(other).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()
        time.sleep(0.2)
        assert asked(port).startswith(b"HTTP/1.1 200")


FORWARDED = b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Host: evil.invalid\r\nX-Forwarded-Proto: https\r\n"


def test_forwarded_headers_are_believed_of_a_proxy_alone_and_only_if_told(monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    more = b"Forwarded: for=198.51.100.7\r\nX-Gradio-Server: http://evil.invalid\r\nX-Real-IP: 198.51.100.7\r\n"
    with served() as port:
        found = asked(port, FORWARDED + more)
        assert b"('127.0.0.1', 'http'" in found
        assert b"evil" not in found
        assert b"198.51" not in found
    with served(behind_proxy=True) as port:
        assert b"('198.51.100.7', 'https'" in asked(port, FORWARDED)
        with socket.create_connection(("127.0.0.1", port), 20, ("127.0.0.2", 0)) as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % FORWARDED)
            assert b"('127.0.0.2', 'http'" in (found := read(other))
            assert b"evil" not in found


def test_proxies_are_named_by_their_addresses():
    with served(behind_proxy="192.0.2.1, 127.0.0.0/30") as port:
        assert b"('198.51.100.7', 'https'" in asked(port, FORWARDED)
    with served(behind_proxy="192.0.2.1,10.0.0.0/8") as port:
        assert b"('127.0.0.1', 'http'" in asked(port, FORWARDED)
    assert proxies_of(False) == []
    for wrong in ("*", "10.0.0.0/99", "10.0.0.1,proxy.example.org", ""):
        with pytest.raises(ConfigError, match="behind_proxy"):
            proxies_of(wrong)


def test_behind_a_proxy_each_of_its_clients_has_a_share_of_the_requests():
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n%s\r\n"
    with served(behind_proxy=True, patience=Patience()) as port:
        held = [connect(port) for _ in range(8)]
        for connection in held:
            connection.sendall(body % FORWARDED)
        time.sleep(0.3)
        assert asked(port, FORWARDED).startswith(b"HTTP/1.1 503")
        assert asked(port, FORWARDED.replace(b".7", b".8")).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.sendall(b"hello")
            assert read(connection).startswith(b"HTTP/1.1 200")
        assert asked(port, FORWARDED).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("listens", "name", "status"),
    [
        ("127.0.0.1", b"localhost:80", 200), ("127.0.0.1", b"127.0.0.1:80", 200), ("::1", b"[::1]:80", 200),
        ("localhost", b"localhost", 200), ("127.0.0.1", b"evil.invalid:80", 421), ("127.0.0.1", b"", 421),
        ("127.0.0.1", b"localhost.evil.invalid", 421), ("127.0.0.1", b"[", 421), ("0.0.0.0", b"studio.lan:80", 200),
    ],
)  # fmt: skip
def test_a_server_of_this_machine_answers_to_its_names_alone(listens, name, status):
    """A page from elsewhere may give its own name this machine's address, and would be let in as localhost."""
    sent = []

    async def send(message):
        sent.append(message)

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": [(b"host", name)]}
    application = fronted(behind, listens, [], Shares(1))
    # In a thread of its own: tests with a browser leave a running loop in theirs.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(application(scope, None, send))).result()
    assert sent[0]["status"] == status


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"), ("2001:db8:0:1::1", "2001:db8:0:1::/64"), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_a_customer_of_ipv6_is_one_client(host, address):
    assert address_of(host) == address


def test_a_share_that_was_given_back_leaves_no_trace():
    shares = Shares(2)
    assert [shares.take("a") for _ in range(3)] == [True, True, False]
    assert shares.take("b")
    for _ in range(2):
        shares.give_back("a")
    assert dict(shares.held) == {"b": 1}


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"host=127.0.0.1, port={port} \(Address already in use\); choose"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match=r"host=no such host, port=0 \(.+\); choose"):
        listen("no such host", 0)


STOPPED = """
import time
from pathlib import Path
from mixlab.serving.server import ends_in_order, listen, make_server
from tests.serving.test_serving import application
with ends_in_order():
    try:
        {wait}
    finally:
        Path("finally").touch()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("serves", [True, False])
def test_a_signal_to_stop_lets_every_finally_run_while_it_starts_and_while_it_serves(number, serves, tmp_path):
    runs = 'make_server(application, "", behind_proxy=False, connections_per_address=9).run([listen("127.0.0.1", 0)])'
    code = STOPPED.format(wait=f"Path('ready').touch(); {runs if serves else 'time.sleep(60)'}")
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root})
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(number)
    assert process.wait(30) == 0
    assert (tmp_path / "finally").exists()
