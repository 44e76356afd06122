"""The study's real server: it waits for nobody without end, ends in order, and believes no stranger's headers."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .conftest import PASSWORD

pytestmark = pytest.mark.slow

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /api/join HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"


@pytest.fixture
def serve(built, tmp_path):
    """A function that serves a copy of the study on a free port: process, port, folder."""
    folder, started = shutil.copytree(built, tmp_path / "study"), []
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "MIXLAB_STUDY_PASSWORD": PASSWORD}

    def start(*overrides):
        command = [sys.executable, "-m", "mixlab", "study", "serve", f"study='{folder}'", "port=0", *overrides]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, umask=0o022)
        started.append(process)
        said = next(line for line in process.stdout if "Serving" in line)
        port = int(re.search(r":(\d+);", said)[1])
        # The socket is there before the server answers on it.
        assert asked(port)[0] == 200
        return process, port, folder

    yield start
    for process in started:
        process.kill()
        process.communicate()


def asked(port, path="/", source="127.0.0.1", **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    connection.request("GET", path, headers={"Host": "localhost", **headers})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def opened(port, said, count, source="127.0.0.1"):
    found = [socket.create_connection(("127.0.0.1", port), 60, (source, 0)) for _ in range(count)]
    for connection in found:
        connection.sendall(said)
    return found


def ended(connection):
    """Whether the server has ended a connection."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def test_slow_clients_end_and_hold_nobody_up(serve):
    _, port, _ = serve()
    slow = [*opened(port, HEAD, 30), *opened(port, BODY, 28)]
    time.sleep(0.5)
    assert asked(port)[0] == 200
    refused = opened(port, HEAD, 20)
    time.sleep(1.0)
    assert sum(map(ended, refused)) >= 17
    assert asked(port, source="127.0.0.2")[0] == 200
    until = time.monotonic() + 60
    while not all(map(ended, slow)):
        assert time.monotonic() < until
        time.sleep(0.5)


@pytest.mark.parametrize("said", [HEAD, BODY])
def test_it_ends_in_order_though_somebody_is_slow_and_its_log_goes_into_the_database(serve, said):
    process, port, folder = serve()
    assert (folder / "study.sqlite-wal").is_file()
    slow = opened(port, said, 5)
    time.sleep(0.5)
    process.terminate()
    assert process.wait(30) == 0
    assert [path.name for path in folder.glob("study.sqlite*")] == ["study.sqlite"]
    assert stat.S_IMODE((folder / "study.sqlite").stat().st_mode) == 0o600
    for connection in slow:
        connection.close()


def guess(port, number, **headers):
    secret = base64.b64encode(f"x:guess {number}".encode()).decode()
    return asked(port, "/monitor", Authorization=f"Basic {secret}", **headers)[0]


def test_headers_give_a_guesser_no_new_address_unless_a_proxy_is_told_of(serve):
    _, port, _ = serve("monitor_attempts_per_minute=3")
    given = [guess(port, n, **{"X-Forwarded-For": f"192.0.2.{n}", "Forwarded": f"for=192.0.2.{n}"}) for n in range(5)]
    assert given == [401, 401, 401, 429, 429]
    assert asked(port, Host="evil.invalid")[0] == 421
    _, proxied, _ = serve("monitor_attempts_per_minute=3", "behind_proxy=true")
    assert [guess(proxied, n, **{"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(5)] == [401] * 5
    assert asked(proxied, Host="study.example.org")[0] == 200


def test_a_port_that_is_taken_is_said_in_one_sentence(serve):
    _, port, folder = serve()
    command = [sys.executable, "-m", "mixlab", "study", "serve", f"study='{folder}'", f"port={port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Nothing can be served at host=127.0.0.1, port={port} (")
    assert done.stderr.count("\n") == 1
