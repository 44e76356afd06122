"""The experiments on training steps keep their contract: one JSON object in the last line, figures that make sense."""

import importlib
import json
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent.parent / "experiments" / "throughput"
TINY = ("--songs", "1", "--steps", "2", "--rounds", "1", "--layers", "1", "--prompts", "2")
TINY_GPU = (
    *("--model", "tiny", "--device", "cpu", "--adapters", "lora"),
    *("--songs", "1", "--steps", "1", "--rounds", "1", "--prompts", "1", "--answers", "2", "--new-tokens", "2"),
)
PROMISED = {"step_overhead", "data_wait", "tower_speedup", "tower_max_rel_diff", "batched_generation_speedup"}
"""What both scripts say."""


@pytest.fixture
def script(monkeypatch):
    """Imports a script of the experiment by name, as it finds its neighbours when it is started."""
    monkeypatch.syspath_prepend(FOLDER)
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_last_line_holds_the_figures_that_were_promised(script, capsys):
    script("train_step").main(TINY)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures.keys() >= PROMISED
    assert 0.0 <= figures["data_wait"] < 1.0
    assert figures["tower_speedup"] > 1.0
    assert figures["tower_max_rel_diff"] <= 1e-4


@pytest.mark.slow
def test_the_script_for_a_gpu_says_the_same_and_more_for_each_configuration(script, capsys):
    script("gpu").main(TINY_GPU)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures.keys() >= PROMISED
    assert 0.0 <= figures["data_wait"] < 1.0
    assert figures["tower_max_rel_diff"] <= 1e-4
    assert figures["equal_texts"] == 1.0
    assert figures["configurations"].keys() == {
        f"lora/{tower}/{activations}" for tower in ("clipped", "padded") for activations in ("kept", "recomputed")
    }
    for found in figures["configurations"].values():
        assert found["tokens_per_second"] > 0
        assert found["speedup_over_transformers_trainer"] > 0


def test_the_memory_of_the_7b_is_told_without_a_gpu(script, capsys):
    script("gpu").main(["--predict"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["lora"]["weights_gb"] == pytest.approx(16.8, abs=0.1)
    assert figures["qlora"]["weights_gb"] < figures["lora"]["weights_gb"] / 2
    assert figures["lora"]["trained_millions"] == pytest.approx(40.0, abs=0.1)


def test_answers_of_a_fixed_length_have_no_end_and_only_words(script):
    class Backbone:
        """Of a model with more ids than words."""

        class chat:
            """Of its tokens."""

            end_token_id = 1
            tokenizer = range(3)

    scores = script("loops").NeverEnding(Backbone)(torch.zeros(1, 1), torch.tensor([[0.0, 9.0, 1.0, 9.0]]))
    assert scores.argmax() == 2


def test_both_sides_take_turns_after_one_to_warm_up(script):
    calls = []
    turns = script("turns")
    turns.in_turns(
        lambda: calls.append(("slow", sum(range(10000)))),
        lambda: calls.append(("fast", sum(range(10000)))),
        2,
        turns.Clock(torch.device("cpu")),
    )
    assert [name for name, _ in calls] == ["slow", "fast"] * 3
