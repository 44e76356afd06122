"""What a run folder says of its run, also when the run cannot say anything any more."""

import json
import os
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf

from mixlab import jobs
from mixlab.errors import InputFileError
from mixlab.jobs import Status, checkpoint_to_go_on_from, digest, read_status, recorded, state_of, write_status
from mixlab.sweeping import PLAN_FILE, seconds_left, states, status_page


def status(**changes):
    known = {"state": "done", "command": "python -m mixlab.train", "config": "c0ffee00", "host": "elsewhere"}
    return Status(**(known | {"process": 1, "born": "1", "started_s": 0.0, "ended_s": 60.0} | changes))


def test_a_job_is_running_while_it_runs_and_done_with_its_objective_after(tmp_path):
    with recorded(tmp_path, "python -m mixlab.train", "c0ffee00") as outcome:
        assert state_of(tmp_path, read_status(tmp_path)) == "running"
        jobs.progress(tmp_path, 3, 12)
        outcome.objective = 0.5
    found = read_status(tmp_path)
    assert (found.state, found.objective, found.step, found.steps) == ("done", 0.5, 3, 12)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (InputFileError("a.wav is not there; bring it."), "failed", "a.wav is not there; bring it."),
        (RuntimeError("out of memory\nsee below"), "failed", "RuntimeError: out of memory"),
        (KeyboardInterrupt(), "stopped", None),
        (SystemExit(130), "stopped", None),
    ],
)
def test_a_job_that_ends_early_says_why_and_the_error_passes_on(tmp_path, error, state, reason):
    with pytest.raises(type(error)), recorded(tmp_path, "python -m mixlab.train", "c0ffee00"):
        raise error
    found = read_status(tmp_path)
    assert (found.state, found.reason, found.objective) == (state, reason, None)


def test_an_objective_that_is_no_number_is_left_out_so_that_the_file_stays_json(tmp_path):
    with recorded(tmp_path, "", "") as outcome:
        outcome.objective = float("nan")
    assert json.loads((tmp_path / jobs.STATUS_FILE).read_text())["objective"] is None


def test_a_dead_process_that_runs_by_its_file_was_killed(tmp_path):
    code = "import sys, os; from pathlib import Path; from mixlab.jobs import recorded\n"
    code += "with recorded(Path(sys.argv[1]), '', ''): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert read_status(tmp_path).state == "running"
    assert state_of(tmp_path, read_status(tmp_path)) == "killed"


def test_another_process_with_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path):
    with recorded(tmp_path, "", ""):
        found = read_status(tmp_path)
        assert found.process == os.getpid()
    reborn = status(state="running", host=found.host, process=os.getpid(), born="another time")
    assert state_of(tmp_path, reborn) == "killed"


def test_a_process_of_another_machine_lives_by_its_pulse(tmp_path):
    far = status(state="running", ended_s=None)
    write_status(tmp_path, far)
    assert state_of(tmp_path, far) == "running"
    old = time.time() - jobs.LOST_S - 1
    os.utime(tmp_path / jobs.STATUS_FILE, (old, old))
    assert state_of(tmp_path, far) == "killed"


def test_only_the_same_configuration_is_gone_on_with_and_only_where_it_did_not_end(tmp_path):
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    for state, config, expected in (
        ("running", "c0ffee00", last),
        ("failed", "c0ffee00", last),
        ("done", "c0ffee00", None),
        ("running", "0ther000", None),
    ):
        write_status(tmp_path, status(state=state))
        assert checkpoint_to_go_on_from(tmp_path, config) == expected
    last.unlink()
    write_status(tmp_path, status(state="running"))
    assert checkpoint_to_go_on_from(tmp_path, "c0ffee00") is None


def test_a_further_process_of_a_training_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    with recorded(tmp_path, "", ""):
        pass
    assert list(tmp_path.iterdir()) == []


def sweep_config(folder, *task, **values):
    hydra = {
        "overrides": {"task": list(task)},
        "sweep": {"dir": str(folder)},
        "job": {"config": {"override_dirname": {"exclude_keys": ["seed"]}}},
    }
    return OmegaConf.create({"hydra": hydra, **values})


def test_a_jobs_folder_follows_its_configuration_and_not_its_place(tmp_path):
    first = sweep_config(tmp_path, "seed=1", "evaluation/error=relative", r=4)
    name = jobs.job_folder(_root_=first)
    assert name == f"error-relative_{digest(first)}"
    assert jobs.job_folder(_root_=sweep_config(tmp_path, "seed=1", "evaluation/error=relative", r=8)) != name
    (tmp_path / name).mkdir()
    assert jobs.job_folder(_root_=sweep_config(tmp_path, "spelled=otherwise", r=4)) == name


def test_the_machine_has_no_part_in_what_a_configuration_is(monkeypatch):
    cfg = OmegaConf.create({"cache": "${oc.env:SOMEWHERE,here}"})
    before = digest(cfg)
    monkeypatch.setenv("SOMEWHERE", "there")
    assert digest(cfg) == before


@pytest.fixture
def sweep(tmp_path):
    """A sweep of four jobs: done, failed, killed and waiting."""
    planned = {name: f"python -m mixlab.train hydra.run.dir={name}" for name in ("a", "b", "c", "d")}
    plan = {"command": "train", "arguments": ["-m", "seed=1,2,3,4"], "jobs": planned, "launcher": "BasicLauncher"}
    (tmp_path / PLAN_FILE).write_text(json.dumps(plan))
    write_status(tmp_path / "a", status(objective=0.75))
    write_status(tmp_path / "b", status(state="failed", reason="The song is too short."))
    write_status(tmp_path / "c", status(state="running", host=os.uname().nodename, process=2**22 + 1, ended_s=None))
    return tmp_path


def test_a_sweeps_page_says_what_is_done_and_left_and_how_to_run_a_failed_job_alone(sweep):
    assert states(sweep) == {"a": "done", "b": "failed", "c": "killed", "d": "waiting"}
    page = status_page(sweep)
    assert "1 done, 1 failed, 1 killed, 1 waiting." in page
    assert "About 1 minutes left" in page
    assert "The song is too short.\n  alone: python -m mixlab.train" in page


def test_the_time_left_is_shared_by_the_jobs_that_run_at_a_time():
    now = time.time()
    jobs_of = {"done": status(started_s=0.0, ended_s=100.0), "w1": None, "w2": None}
    jobs_of |= {name: status(state="running", started_s=now - 50.0, ended_s=None) for name in ("r1", "r2")}
    found = {"done": "done", "w1": "waiting", "w2": "waiting", "r1": "running", "r2": "running"}
    assert seconds_left(jobs_of, found) == pytest.approx(150.0, abs=1.0)
    assert seconds_left({"w1": None}, {"w1": "waiting"}) is None


def test_a_folder_of_no_sweep_is_refused_by_name(tmp_path):
    with pytest.raises(InputFileError, match=r"is no folder of a sweep"):
        status_page(tmp_path)
