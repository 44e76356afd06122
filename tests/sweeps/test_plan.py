"""The plan of a sweep: the folders of its jobs, what is done and left, and how to go on."""

import json
import os
import time

import pytest
from omegaconf import OmegaConf

from mixlab.errors import InputFileError
from mixlab.runs.status import Status, write_status
from mixlab.sweeps.names import job_folder
from mixlab.sweeps.plan import PLAN_FILE, seconds_left, states, status_page


def status(**changes):
    known = {"state": "done", "command": "mixlab train", "config": "c0ffee00", "host": "elsewhere"}
    return Status(**(known | {"process": 1, "born": "1", "started_s": 0.0, "ended_s": 60.0} | changes))


def sweep_config(folder, *task, **values):
    hydra = {
        "overrides": {"task": list(task)},
        "sweep": {"dir": str(folder)},
        "job": {"config": {"override_dirname": {"exclude_keys": ["seed"]}}},
    }
    return OmegaConf.create({"hydra": hydra, **values})


def test_a_jobs_folder_follows_its_configuration_and_not_its_place(tmp_path):
    first = sweep_config(tmp_path, "seed=1", "evaluation/error=relative", r=4)
    name = job_folder(_root_=first)
    assert name.startswith("error-relative_")
    assert job_folder(_root_=sweep_config(tmp_path, "seed=1", "evaluation/error=relative", r=8)) != name
    (tmp_path / name).mkdir()
    assert job_folder(_root_=sweep_config(tmp_path, "spelled=otherwise", r=4)) == name


def test_the_machine_has_no_part_in_what_a_configuration_is(tmp_path, monkeypatch):
    before = job_folder(_root_=sweep_config(tmp_path, cache="${oc.env:SOMEWHERE,here}"))
    monkeypatch.setenv("SOMEWHERE", "there")
    assert job_folder(_root_=sweep_config(tmp_path, cache="${oc.env:SOMEWHERE,here}")) == before


@pytest.fixture
def sweep(tmp_path):
    """A sweep of four jobs: done, failed, killed and waiting."""
    planned = {name: f"mixlab train hydra.run.dir={name}" for name in ("a", "b", "c", "d")}
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
    assert "The song is too short.\n  alone: mixlab train" in page


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
