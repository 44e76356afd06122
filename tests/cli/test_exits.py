"""How commands end where their reader leaves early, as with ``| head``."""

import json
import os
import subprocess
import sys

import pytest

from mixlab.cli.errors import one_sentence_errors
from mixlab.sweeps.plan import PLAN_FILE
from tests.commands import CHECKOUT


def end_without_a_reader(*command):
    """Exit code and errors of a process that writes into a pipe whose other end is closed."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            timeout=120,
            check=False,
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [(), ("train", "--help"), ("train", "--cfg", "job")], ids=" ".join)
def test_a_command_ends_quietly_when_its_reader_leaves(words):
    assert end_without_a_reader("mixlab", *words) == (141, "")


def test_the_status_of_a_sweep_ends_quietly_when_its_reader_leaves(tmp_path):
    plan = {"command": "train", "arguments": ["-m"], "jobs": {"a": "mixlab train"}, "launcher": "Basic"}
    (tmp_path / PLAN_FILE).write_text(json.dumps(plan))
    assert end_without_a_reader("mixlab", "sweep", "status", str(tmp_path)) == (141, "")


def test_a_broken_pipe_to_another_process_stays_an_error():
    with pytest.raises(BrokenPipeError), one_sentence_errors():
        raise BrokenPipeError(32, "Broken pipe")
