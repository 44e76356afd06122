"""What a run folder says of its run, also when the run cannot say anything any more."""

import json
import os
import subprocess
import sys
import time

import pytest

from mixlab.errors import InputFileError
from mixlab.runs.status import (
    LOST_S,
    STATUS_FILE,
    Status,
    checkpoint_to_go_on_from,
    digest,
    progress,
    read_status,
    recorded,
    state_of,
    write_status,
)


def status(**changes):
    known = {"state": "done", "command": "mixlab train", "config": "c0ffee00", "host": "elsewhere"}
    return Status(**(known | {"process": 1, "born": "1", "started_s": 0.0, "ended_s": 60.0} | changes))


def test_a_job_is_running_while_it_runs_and_done_with_its_objective_after(tmp_path):
    with recorded(tmp_path, "mixlab train", "c0ffee00") as outcome:
        assert state_of(tmp_path, read_status(tmp_path)) == "running"
        progress(tmp_path, 3, 12)
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
    with pytest.raises(type(error)), recorded(tmp_path, "mixlab train", "c0ffee00"):
        raise error
    found = read_status(tmp_path)
    assert (found.state, found.reason, found.objective) == (state, reason, None)


def test_an_objective_that_is_no_number_is_left_out_so_that_the_file_stays_json(tmp_path):
    with recorded(tmp_path, "", "") as outcome:
        outcome.objective = float("nan")
    assert json.loads((tmp_path / STATUS_FILE).read_text())["objective"] is None


def test_a_dead_process_that_runs_by_its_file_was_killed(tmp_path):
    code = "import sys, os; from pathlib import Path; from mixlab.runs.status import recorded\n"
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
    old = time.time() - LOST_S - 1
    os.utime(tmp_path / STATUS_FILE, (old, old))
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


def test_the_digest_of_a_configuration_counts_choices_and_not_their_order():
    assert digest({"a": 1, "b": {"c": 2}}) == digest({"b": {"c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
