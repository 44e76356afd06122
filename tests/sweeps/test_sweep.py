"""Sweeps through the command line, with every launcher: two real trainings each, on a few songs."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.commands import CHECKOUT, command, run

pytestmark = pytest.mark.slow
CLUSTER = CHECKOUT / "tests" / "launchers" / "slurm_cluster.sh"
TINY = ("+experiment=bass_anchor", "debug=fast", "controls=[]", "evaluation.baselines=[chance]")
QUIET = ("callbacks.progress_bar=false", "evaluation.audio_examples=0", "hydra.sweep.dir=sweep")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The songs, prepared once for all sweeps."""
    return tmp_path_factory.mktemp("songs")


@pytest.fixture
def mixlab(tmp_path, cache):
    """Runs a command of mixlab in a folder of the test's own."""

    def call(*words, **more):
        return run(tmp_path, *words, MIXLAB_CACHE=str(cache), RAY_AUTH_MODE="disabled", **more)

    return call


def two_jobs_done(folder):
    statuses = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/status.json")}
    assert {status["state"] for status in statuses.values()} == {"done"}, statuses
    assert sorted(name.rpartition("_")[0] for name in statuses) == ["r-2", "r-4"]
    assert all((folder / name / "metrics.json").is_file() for name in statuses)
    return statuses


def test_joblib_runs_two_jobs_whose_examples_are_made_in_processes_of_their_own(mixlab, tmp_path):
    done = mixlab("train", "-m", *TINY, *QUIET, "adapter.r=2,4", "hydra/launcher=cores", "data.workers=1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert len({status["process"] for status in two_jobs_done(tmp_path / "sweep").values()}) == 2


def test_ray_runs_two_jobs(mixlab, tmp_path):
    local = ("hydra.launcher.ray.remote.num_gpus=0", "+hydra.launcher.ray.init.num_cpus=2")
    done = mixlab("train", "-m", *TINY, *QUIET, "adapter.r=2,4", "hydra/launcher=ray_gpu", *local)
    assert done.returncode == 0, done.stderr[-3000:]
    two_jobs_done(tmp_path / "sweep")


@pytest.fixture
def cluster(tmp_path):
    """The configuration file of a running SLURM cluster of this machine."""
    if shutil.which("slurmctld") is None or os.geteuid() != 0:
        pytest.skip("needs Debian's slurm-wlm, and root")
    folder = tmp_path / "cluster"
    try:
        subprocess.run(["sh", CLUSTER, "up", folder], check=True, timeout=120)
        yield folder / "slurm.conf"
    finally:
        subprocess.run(["sh", CLUSTER, "down", folder], check=False, timeout=60)


def test_slurm_runs_two_jobs(mixlab, tmp_path, cluster):
    node = ("hydra.launcher.gpus_per_node=null", "hydra.launcher.cpus_per_task=1")
    words = (*TINY, *QUIET, "adapter.r=2,4", "hydra/launcher=slurm", *node)
    done = mixlab("train", "-m", *words, SLURM_CONF=str(cluster))
    assert done.returncode == 0, done.stderr[-3000:]
    two_jobs_done(tmp_path / "sweep")


def test_a_job_that_slurm_requeues_goes_on_where_it_was(mixlab, tmp_path, cache, cluster):
    node = ("hydra.launcher.gpus_per_node=null", "hydra.launcher.cpus_per_task=1", "hydra.launcher.max_num_timeout=3")
    long = ("trainer.max_steps=60", "data.examples_per_epoch=960", "callbacks.save_every_steps=1000")
    words = (*TINY, *QUIET, *long, "adapter.r=2", "hydra/launcher=slurm", *node)
    called = command(tmp_path, "train", "-m", *words, MIXLAB_CACHE=str(cache), SLURM_CONF=str(cluster))
    process = subprocess.Popen(**called, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 400

    def status():
        found = list((tmp_path / "sweep").glob("*/status.json"))
        return json.loads(found[0].read_text()) if found else {"step": 0, "state": "waiting", "process": 0}

    while status()["step"] == 0 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.2)
    first = status()
    assert first["state"] == "running"
    # What SLURM sends to a job that it will end soon, as submitit asks it to.
    subprocess.run(
        ["scancel", "--signal=USR2", "--name=mixlab"], check=True, env=os.environ | {"SLURM_CONF": str(cluster)}
    )
    printed = process.communicate(timeout=500)
    last = status()
    assert last["state"] == "done", printed
    assert last["process"] != first["process"]
    (log,) = (tmp_path / "sweep").glob("*/train.log")
    assert "Going on from" in log.read_text()


def test_a_failed_job_stops_no_other_and_is_listed_and_what_is_done_is_not_done_again(mixlab, tmp_path):
    words = (*TINY, *QUIET, "trainer.accelerator=gpu,cpu", "adapter.r=2")
    first = mixlab("train", "-m", *words)
    assert first.returncode == 1, first.stderr[-3000:]
    assert "1 failed, 1 done." in first.stdout
    assert "alone: mixlab train" in first.stdout
    (kept,) = (tmp_path / "sweep").glob("accelerator-cpu_*/status.json")
    before = kept.read_bytes()
    again = mixlab("sweep", "resume", "sweep")
    assert again.returncode == 1
    assert "Done before" in again.stdout + again.stderr
    assert kept.read_bytes() == before


def test_a_killed_sweep_goes_on_from_the_step_it_was_killed_at_and_repeats_nothing(mixlab, tmp_path, cache):
    words = (*TINY, *QUIET, "adapter.r=2,4", "trainer.max_steps=30", "data.examples_per_epoch=480")
    called = command(tmp_path, "train", "-m", *words, MIXLAB_CACHE=str(cache))
    process = subprocess.Popen(**called, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 900
    # The second job is caught in its training.
    while not list((tmp_path / "sweep").glob("r-4_*/checkpoints/last.ckpt")):
        assert process.poll() is None
        assert time.monotonic() < deadline, "the machine is too busy for two short jobs in a quarter of an hour"
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    shown = mixlab("sweep", "status", "sweep")
    assert "1 done, 1 killed." in shown.stdout, shown.stdout
    again = mixlab("sweep", "resume", "sweep")
    assert again.returncode == 0, again.stderr[-3000:]
    assert "Done before" in again.stdout + again.stderr
    assert "Going on from" in again.stdout + again.stderr
    two_jobs_done(tmp_path / "sweep")


def test_a_value_that_cannot_work_is_refused_before_any_job_starts(mixlab, tmp_path):
    done = mixlab("train", "-m", *TINY, *QUIET, "data.batch_size=4,-4")
    assert done.returncode == 2
    assert "'data.batch_size' is -4" in done.stderr
    assert not list(tmp_path.glob("sweep/*"))
