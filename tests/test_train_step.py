"""The experiment on training steps keeps its contract: one JSON object in its last line, figures that make sense."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent.parent / "experiments" / "throughput" / "train_step.py"
TINY = ("--songs", "1", "--steps", "2", "--rounds", "1", "--layers", "1", "--prompts", "2")


@pytest.fixture
def script():
    """The script as a module."""
    specification = importlib.util.spec_from_file_location("train_step", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_last_line_holds_the_figures_that_were_promised(script, capsys):
    script.main(TINY)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"step_overhead", "data_wait", "batched_generation_speedup"} <= figures.keys()
    assert 0.0 <= figures["data_wait"] < 1.0
    assert figures["tower_speedup"] > 1.0
    assert figures["tower_max_rel_diff"] <= 1e-4


def test_both_sides_take_turns_after_one_to_warm_up(script):
    calls = []
    script.in_turns(
        lambda: calls.append(("slow", sum(range(1000)))), lambda: calls.append(("fast", sum(range(1000)))), 2
    )
    assert [name for name, _ in calls] == ["slow", "fast"] * 3
