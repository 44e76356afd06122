"""Runs and their faults: a full disk, a kill while the model answers, a turn that a scheduler ends and gives anew."""

import json
import os
import signal
import subprocess
import time

import pytest
import torch

from tests.commands import command, run

pytestmark = pytest.mark.slow
FAST = ("train", "+experiment=bass_anchor", "debug=fast", "controls=[]", "evaluation.baselines=[chance]")
FAST += ("hydra.run.dir=runs/one", "callbacks.progress_bar=false", "evaluation.audio_examples=0")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A cache, so that songs are prepared once."""
    return {"MIXLAB_CACHE": str(tmp_path_factory.mktemp("songs"))}


def wait_for(process, happened, timeout_s=240):
    """Wait until something happened while a process runs."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def step_of(folder):
    """The step of the checkpoint that a run keeps; -1 where there is none yet."""
    try:
        return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    except FileNotFoundError:
        return -1


@pytest.fixture
def small_disk(tmp_path):
    """A small file system in memory at the place of the run folders; it is gone after the test."""
    folder = tmp_path / "runs"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def test_a_disk_that_fills_while_training_is_said_in_a_sentence_and_the_last_checkpoint_is_whole(
    songs, tmp_path, small_disk
):
    long = ("trainer.max_steps=5000", "data.examples_per_epoch=160", "callbacks.save_every_steps=1")
    process = subprocess.Popen(
        **command(tmp_path, *FAST, *long, **songs), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    folder = small_disk / "one"
    wait_for(process, lambda: step_of(folder) >= 2)
    left = os.statvfs(small_disk)
    with open(small_disk / "ballast", "wb") as ballast:
        ballast.write(b"\0" * (left.f_bavail * left.f_frsize - 1000))
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 2, printed[-3000:]
    assert "No space is left for" in printed.splitlines()[-1]
    assert "Traceback" not in printed
    kept = step_of(folder)
    assert kept >= 2
    (small_disk / "ballast").unlink()
    goes_on = run(tmp_path, *FAST, f"trainer.max_steps={kept + 2}", f"ckpt_path={folder}", **songs)
    assert goes_on.returncode == 0, goes_on.stderr[-3000:]
    assert step_of(folder) == kept + 2


def test_a_run_that_was_killed_while_the_model_answered_ends_with_the_same_figures(songs, tmp_path):
    whole = run(tmp_path, *FAST, "hydra.run.dir=runs/whole", **songs)
    assert whole.returncode == 0, whole.stderr[-3000:]
    expected = json.loads((tmp_path / "runs" / "whole" / "metrics.json").read_text())
    folder = tmp_path / "runs" / "one"
    process = subprocess.Popen(**command(tmp_path, *FAST, **songs), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(process, lambda: (folder / "adapter" / "mixlab.json").is_file())
    time.sleep(0.5)
    process.kill()
    process.wait()
    assert not (folder / "metrics.json").exists()
    again = run(tmp_path, *FAST, **songs)
    assert again.returncode == 0, again.stderr[-3000:]
    found = json.loads((folder / "metrics.json").read_text())
    scores = [key for key in expected if key.startswith(("test/", "baselines/")) and "seconds" not in key]
    assert {key: found[key] for key in scores} == {key: expected[key] for key in scores}
    assert json.loads((folder / "status.json").read_text())["state"] == "done"


def test_a_run_that_is_terminated_before_it_trains_says_that_nothing_is_kept(tmp_path):
    process = subprocess.Popen(**command(tmp_path, *FAST), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(process, lambda: list(tmp_path.glob("cache/songs/*.npy")))
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 143, printed[-3000:]
    assert printed.strip().splitlines()[-1] == "Stopped by SIGTERM."
    assert json.loads((tmp_path / "runs" / "one" / "status.json").read_text())["state"] == "stopped"
    assert not list(tmp_path.glob("cache/songs/.tmp-*"))
