"""The folder of a Space starts and answers with nothing but its own requirements."""

import subprocess
import sys

import pytest

pytest.importorskip("gradio")

from tests.hub.test_publish import CHECKOUT, mixlab
from tests.web.conftest import Server
from tests.web.test_load import demo_stems

pytestmark = pytest.mark.slow
ADVISOR = CHECKOUT / "mixlab" / "models" / "tiny_advisor"


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """The folder that the command makes of an adapter alone."""
    place = tmp_path_factory.mktemp("published")
    done = mixlab("publish", f"checkpoint={ADVISOR}", "repo=someone/balance", "out=out", "what=[space]", cwd=place)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Nothing was uploaded" in done.stdout
    return place / "out" / "space"


def test_an_adapter_alone_makes_a_space_that_claims_no_licence(space):
    card = (space / "README.md").read_text()
    assert "license: other" in card
    assert (space / "adapter" / "adapter_model.safetensors").is_file()
    assert not (space / "mixlab" / "models" / "tiny_advisor").exists()


def test_a_space_starts_and_answers_in_an_environment_of_its_own_requirements(space, tmp_path):
    """mixlab itself comes with the folder, so no requirement names it."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    wanted = [python, "-m", "pip", "install", "--quiet", "-r", space / "requirements.txt"]
    done = subprocess.run(wanted, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    (tmp_path / "temp").mkdir()
    on_a_space = {"SPACE_ID": "someone/balance", "SYSTEM": "spaces", "PYTHONPATH": ""}
    server = Server(tmp_path / "temp", command=(python, "app.py"), cwd=space, port=7860, **on_a_space)
    try:
        stems = demo_stems(9.0)
        advice = server.advise(server.upload(*((f"{role}.wav", content) for role, content in stems.items())))
        assert [move["stem"] for move in advice["advice"] if move["gain_db"] < 0] == ["drums"]
        assert "mixlab" in server.http.get("/").text
        # As the Hub's proxies ask: browsers would not load a page of https from http.
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7", "Host": "someone-balance.hf.space"}
        assert server.http.get("/config", headers=headers).json()["root"] == "https://someone-balance.hf.space"
    finally:
        server.stop()
