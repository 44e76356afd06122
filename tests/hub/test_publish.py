"""From a run to the folders that go to the Hub, there, and back."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.hub.settings import PublishSettings

CHECKOUT = Path(__file__).parent.parent.parent
REPO = "someone/balance"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_thisTokenIsNobodys"
BLOCK_MIXLAB = "import sys; sys.modules['mixlab'] = None; exec(compile(open('card.py').read(), 'card.py', 'exec'))"


def environment(tmp_path, **more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING_FACE"))}
    own = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    return kept | own | more


def mixlab(entry, *overrides, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "mixlab", entry, *overrides],
        capture_output=True, text=True, timeout=280, cwd=cwd, env=environment(cwd, **more), check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def settings():
    """Checked settings of the command, without the places."""
    values = {
        "repo": REPO, "what": ["model"], "dry_run": True, "private": True, "form": "adapter", "base_model": None,
        "base_revision": None, "base_licence": None, "licence": None, "exported": None, "train_items": 4, "cache": None,
        "commit_message": "Publish with mixlab",
    }  # fmt: skip
    return lambda checkpoint, out, **changes: PublishSettings.model_validate(
        values | {"checkpoint": str(checkpoint), "out": str(out)} | changes
    )


@pytest.fixture(scope="module")
def made(settings, run_folder, tmp_path_factory):
    """The published folders of the run, by form."""
    from mixlab.hub.publishing import publish

    out = tmp_path_factory.mktemp("release")
    for form in ("adapter", "merged"):
        publish(settings(run_folder, out / form, form=form, what=["model"]))
    return out


@pytest.fixture
def tracks(tmp_path):
    """Three tones as files of one segment, and the folder that holds them."""
    time = np.arange(160_000) / 16_000
    for name, hz, level in (("bass", 80, 0.1), ("drums", 400, 0.05), ("vocals", 900, 0.2)):
        soundfile.write(tmp_path / f"{name}.wav", level * np.sin(2 * np.pi * hz * time), 16_000, subtype="FLOAT")
    return tmp_path


def put_into_cache(folder, home):
    """What `snapshot_download` leaves of a repository."""
    repo = home / "hf" / "hub" / f"models--{REPO.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repo / "snapshots" / COMMIT)


def test_an_adapter_folder_carries_its_base_and_no_path_of_a_machine(made, run_folder):
    folder = made / "adapter" / "model"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"
    assert json.loads((folder / "mixlab.json").read_text())["arguments"] == {"name": "./base"}
    names = {path.name for path in folder.iterdir()}
    assert {"README.md", "adapter_model.safetensors", "processor_config.json", "tokenizer.json", "base"} <= names
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".json", ".md", ".jinja")]
    assert not any(str(run_folder.parent) in text or str(CHECKOUT) in text for text in texts)


def test_the_first_words_of_a_card_are_whether_the_model_beats_the_rule(made):
    body = (made / "adapter" / "model" / "README.md").read_text().split("---\n", 2)[2]
    assert body.split("\n\n")[1].startswith(
        "This model does not beat the loudness rule by genre, which is told the genre"
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_code_of_the_card_gives_the_advice_without_mixlab(form, made, run_folder, tracks):
    """The very code block, in a process that cannot import mixlab, says what mixlab's own listener says."""
    from mixlab.advising.listener import ModelListener
    from mixlab.advising.session import Question, Session
    from mixlab.audio.files import read_header
    from mixlab.models.checkpoints import load_trained
    from mixlab.multitrack.tracks import Track, hear_role
    from mixlab.synthesis.example import LAYOUTS

    folder = made / form / "model"
    put_into_cache(folder, tracks)
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    (tracks / "card.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", BLOCK_MIXLAB],
        capture_output=True, text=True, timeout=280, cwd=tracks, env=environment(tracks, PYTHONPATH=""), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    paths = {role: tracks / f"{role}.wav" for role in ("bass", "drums", "vocals")}
    files = [Track(path, role, read_header(path)) for role, path in paths.items()]
    session = Session.of({track.role: hear_role([track], 16_000) for track in files}, 16_000, "bass")
    (segment,), _ = session.segments(10.0, -32.0)
    listener = ModelListener(load_trained(run_folder))
    assert done.stdout.strip() == listener([Question(session.clips(segment, LAYOUTS["stems"]), "")])[0]
    assert done.stdout.strip()


@pytest.mark.slow
def test_the_code_of_the_card_refuses_an_adapter_that_lacks_a_key(made, tracks):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(made / "adapter" / "model", tracks / "spoilt")
    weights = load_file(folder / "adapter_model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "adapter_model.safetensors")
    put_into_cache(folder, tracks)
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    (tracks / "card.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "card.py"],
        capture_output=True, text=True, timeout=280, cwd=tracks, env=environment(tracks, PYTHONPATH=""), check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the adapter does not fit its base" in done.stderr


@pytest.mark.slow
def test_a_folder_goes_to_the_hub_and_comes_back_as_a_checkpoint(run_folder, fake_hub, tracks):
    """The command uploads to a private repository with the token, which stands nowhere; advise fetches it again."""
    online = {"HF_ENDPOINT": fake_hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
    asked = [f"checkpoint={run_folder}", f"repo={REPO}", "out=release", "what=[model]"]
    done = mixlab("publish", *asked, cwd=tracks, **online)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Nothing was uploaded" in done.stdout
    assert not [path for _, path, who in fake_hub.seen if who], fake_hub.seen
    done = mixlab("publish", *asked, "dry_run=false", cwd=tracks, **online)
    assert done.returncode == 0, done.stderr[-2000:]
    repo = fake_hub.repos["model", REPO]
    assert repo["private"] is True
    local = tracks / "release" / "model"
    sent = {str(path.relative_to(local)): path.read_bytes() for path in local.rglob("*") if path.is_file()}
    assert repo["files"] == sent
    assert {who for _, path, who in fake_hub.seen if REPO in path} == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr
    assert not any(TOKEN.encode() in content for content in sent.values())
    repo["files"]["evil.py"] = repo["files"]["pytorch_model.bin"] = b"never fetched"
    fetched = mixlab(
        "advise", f"checkpoint=hf://{REPO}", "anchor=bass.wav", "tracks=[drums.wav,vocals.wav]", cwd=tracks, **online
    )
    # An adapter with random numbers says nothing that could be read: reached and asked all the same.
    assert fetched.returncode == 0 or "could not be read as advice" in fetched.stderr, fetched.stderr[-2000:]
    paths = {path for _, path, _ in fake_hub.seen}
    assert f"/{REPO}/resolve/{COMMIT}/base/model.safetensors" in paths
    assert not any("evil.py" in path or "pytorch_model.bin" in path for path in paths)
