"""Which objective teaches most at equal cost: python experiments/objectives/compare.py [overrides of mixlab train].

    python experiments/objectives/compare.py                                   # equal steps, three seeds, 600 steps
    python experiments/objectives/compare.py --equal time                      # equal time: as many steps as fit
    python experiments/objectives/compare.py --steps 4 --seeds 0 debug=fast    # does it run?

Trains the model of the main job with every objective and seed, all on the same examples for a seed, and judges each
run's best checkpoint (by accuracy in validation, since the objectives are not comparable) on the same songs. Those are
not the songs of the main job's table (dataset.seed=1), so that nothing is chosen on them. Prints a Markdown table; the
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from mixlab.chat.encoder import ChatEncoder
from mixlab.cli.run import composed
from mixlab.items.build import build_bank
from mixlab.models.recipes import read_chat
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse
from mixlab.training.data import MixDataModule
from mixlab.training.flow import new_module

OBJECTIVES = ("cross_entropy", "auxiliary", "number_aware")
FIGURES = ("test/joint_accuracy", "test/direction_accuracy", "test/gain_mae_db", "test/gain_mae_located_db")
COMMON = ("dataset.seed=0", "controls=[]", "evaluation.baselines=[chance]", "callbacks.monitor=val/joint_accuracy")
ROUNDS = 9


def step_seconds(overrides: list[str]) -> dict[str, float]:
    """CPU seconds of one step of training by objective: the median of some rounds in which all take turns."""
    steps: dict[str, Any] = {}
    batch = None
    for objective in OBJECTIVES:
        chosen = ["+experiment=bass_anchor", *COMMON, "data.workers=0", *overrides, f"loss={objective}"]
        settings = parse(composed("train", *chosen), TrainSettings)
        torch.set_num_threads(settings.trainer.threads)
        bank = build_bank(settings, read_chat(settings.model).front_end.sample_rate)
        module = new_module(settings, bank)
        if batch is None:
            data = MixDataModule(bank, ChatEncoder(module.backbone.chat), features_in_worker=True)
            data.setup()
            batch = next(iter(data.train_dataloader()))
        optimizer, _ = module.optim.build(module.named_parameters(), total_steps=1000)
        steps[objective] = (module, optimizer)
    seconds: dict[str, list[float]] = {objective: [] for objective in OBJECTIVES}
    for _ in range(ROUNDS):
        for objective, (module, optimizer) in steps.items():
            started = time.process_time()
            module.loss(module.model, batch)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds[objective].append(time.process_time() - started)
    return {objective: statistics.median(values[1:]) for objective, values in seconds.items()}


def steps_that_fit(steps: int, seconds: dict[str, float]) -> dict[str, int]:
    """By objective, how many steps (one at least) take the time that `steps` steps of plain cross-entropy take."""
    return {name: max(1, round(steps * seconds["cross_entropy"] / taken)) for name, taken in seconds.items()}


def run(objective: str, seed: int, steps: int, overrides: list[str]) -> dict[str, float]:
    """Train and evaluate once, as the command does; returns its metrics."""
    name = f"objectives_{objective}"
    runs = Path("outputs") / name
    before = set(runs.glob("*/metrics.json"))
    chosen = [*COMMON, f"name={name}", f"loss={objective}", f"seed={seed}", *overrides, f"trainer.max_steps={steps}"]
    command = [sys.executable, "-m", "mixlab", "train", "+experiment=bass_anchor", *chosen]
    subprocess.run(command, check=True, stdout=2)
    (metrics,) = set(runs.glob("*/metrics.json")) - before
    return json.loads(metrics.read_text())


def whole_numbers(text: str) -> list[int]:
    """The numbers of "0,1,2"."""
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equal", choices=("steps", "time"), default="steps")
    parser.add_argument(
        "--steps", type=int, default=600, help="of plain cross-entropy; with --equal time others differ"
    )
    parser.add_argument("--seeds", type=whole_numbers, default=[0, 1, 2], help="with commas between")
    arguments, overrides = parser.parse_known_args()
    seconds = step_seconds(overrides)
    equal_steps = dict.fromkeys(OBJECTIVES, arguments.steps)
    budgets = steps_that_fit(arguments.steps, seconds) if arguments.equal == "time" else equal_steps
    found: dict[str, Any] = {}
    for objective, steps in budgets.items():
        metrics = [run(objective, seed, steps, overrides) for seed in arguments.seeds]
        figures = {figure: [float(values[figure]) for values in metrics if figure in values] for figure in FIGURES}
        found[objective] = {"steps": steps, "step_s": seconds[objective], **figures}
    print(
        "| objective | steps | step, times plain | "
        + " | ".join(figure.removeprefix("test/") for figure in FIGURES)
        + " |"
    )
    print("|---|---:|---:|" + "---:|" * len(FIGURES))
    for objective, row in found.items():
        cells = [f"{row['steps']}", f"{row['step_s'] / seconds[OBJECTIVES[0]]:.2f}"]
        for figure in FIGURES:
            values = row[figure]
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else "")
        print(f"| {objective} | " + " | ".join(cells) + " |")
    print(json.dumps({"equal": arguments.equal, "seeds": arguments.seeds, "objectives": found}))


if __name__ == "__main__":
    main()
