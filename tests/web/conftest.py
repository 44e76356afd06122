"""A real server in a process of its own, with a temporary folder of its own, and songs to send to it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.web.uploads import FORMATS

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
RATE_HZ = 44_100


class Refused(Exception):
    """The sentence with which a call was refused."""


class Server:
    """A running server.

    Args:
        temp: what it takes for the system's temporary folder.
    """

    def __init__(self, temp, *overrides, command=(sys.executable, "-m", "mixlab", "app"), cwd=ROOT, port=None, **more):
        import httpx

        self.temp = temp
        port = port or free_port()
        own = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TMPDIR": str(temp)}
        self.log = temp.with_name(f"{temp.name}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *([f"port={port}"] if "app" in command else []), *overrides],
                env={**os.environ, **own, **more}, cwd=cwd, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.address = f"http://127.0.0.1:{port}/"
        self.http = httpx.Client(base_url=self.address, timeout=600, trust_env=False)
        for _ in range(240):
            try:
                self.http.get("/")
                break
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                time.sleep(1)

    @property
    def is_alive(self):
        return self.process.poll() is None and self.http.get("/").status_code == 200

    def memory_mb(self, of="VmRSS"):
        """What the process takes now, or at most so far (``VmHWM``)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{of}:")[1].split()[0]) / 1000

    def files(self):
        """Every file below its temporary folder, with its size."""
        return {str(path): path.stat().st_size for path in self.temp.rglob("*") if path.is_file()}

    def upload(self, *files):
        """Upload pairs of name and content (bytes or an open file); returns their paths on the server."""
        answer = self.http.post("gradio_api/upload", files=[("files", file) for file in files])
        if answer.status_code != 200:
            raise Refused(answer.text)
        return answer.json()

    def advise(self, paths, anchor="bass", apply=False):
        """The advice on uploaded files. Raises Refused."""
        files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
        asked = self.http.post("gradio_api/call/advise", json={"data": [files, anchor, "", {}, "", 1.0, apply]})
        if asked.status_code != 200:
            raise Refused(asked.text)
        answer = self.http.get(f"gradio_api/call/advise/{asked.json()['event_id']}").text
        event, data = answer[answer.rindex("event: ") :].removeprefix("event: ").split("\ndata: ")
        if event != "complete":
            raise Refused(str(json.loads(data)))
        return json.loads(data)[0]

    def stop(self):
        self.http.close()
        self.process.terminate()
        self.process.wait(60)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def noise(seconds, seed, level_db=-20.0):
    """Stereo noise at a level in dBFS (RMS), of shape (frames, 2)."""
    samples = np.random.default_rng(seed).standard_normal((round(seconds * RATE_HZ), 2)).astype(np.float32)
    return 10 ** (level_db / 20) * samples


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server on the model that comes with the package, with its usual limits."""
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}; the variable CHROMIUM names another")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def potassium(tmp_path_factory):
    """Ninety seconds of a real song as WAV, its drums 9 dB up, all with one gain against clipping."""
    root = os.environ.get("MIXLAB_MULTITRACKS")
    if not root:
        pytest.skip("MIXLAB_MULTITRACKS names no folder of real songs")
    song = next(path for path in sorted(Path(root).iterdir()) if "Potassium" in path.name)
    stems = {}
    for path in (path for path in sorted(song.iterdir()) if path.suffix in FORMATS):
        samples, rate = soundfile.read(path, start=44100 * 60, frames=44100 * 90)
        stems[path.stem] = samples * (10 ** (9 / 20) if path.stem == "drums" else 1.0)
    peak = max(np.abs(samples).max() for samples in stems.values())
    folder = tmp_path_factory.mktemp("potassium")
    for stem, samples in stems.items():
        soundfile.write(folder / f"{stem}.wav", samples / max(1.0, peak), rate, subtype="PCM_24")
    return sorted(folder.iterdir())
