"""The throughput experiment keeps its contract: one JSON object in its last line, with figures that make sense."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CHECKOUT = Path(__file__).parent.parent
SCRIPT = CHECKOUT / "experiments" / "throughput" / "data.py"
TINY = ("--songs", "1", "--duration-s", "11", "--rounds", "1", "--examples", "2")


@pytest.fixture
def main():
    """The script's own main."""
    specification = importlib.util.spec_from_file_location("throughput", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module.main
    torch.set_num_threads(threads)


def test_the_last_line_holds_the_figures_that_were_promised(main, capsys):
    main([*TINY, "--memory-songs"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    for name in ("examples_per_second_per_core", "ratio_librosa", "bandwidth_share"):
        assert figures[name] > 0
        assert figures[f"{name}_stems"] > 0
    has_ffmpeg = shutil.which("ffmpeg") is not None and shutil.which("ffprobe") is not None
    assert (figures["ratio_musdb"] is not None) == has_ffmpeg


@pytest.mark.slow
def test_the_memory_of_a_process_of_its_own_is_said_for_every_number_of_songs():
    command = [sys.executable, str(SCRIPT), *TINY, "--memory-songs", "1", "3"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["anonymous_mb_3_songs"] < figures["anonymous_mb_1_songs"] + 20
