"""What a training step and an answer cost on a CPU: python experiments/throughput/train_step.py.

Four questions, each with both sides in turns on the same inputs: Lightning's loop against a bare PyTorch loop, how long
training waits for examples, the audio tower on 10 s against 30 s at the width of the 7B, answers in a batch against one
by one. The last line is one JSON object.

Seconds are CPU seconds of this process, so that other work on the machine hardly counts; only waiting is in wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from loops import WARM_UP, data_wait, generation, main_job, parts, step_overhead
from shapes import SIZES
from towers import tower
from turns import Clock

from mixlab.models.checkpoints import load_trained

ADVISOR = Path(str(resources.files("mixlab.models"))) / "tiny_advisor"
"""The main job's adapter, that comes with the package: its answers are as long as answers are."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print.

    Args:
        argv: arguments, those of the command line unless given.

    Raises:
        AssertionError: if answers in a batch are others than one by one.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--layers", type=int, default=4, help="of the tower; the 7B has 32, all alike")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    clock, rounds = Clock(torch.device("cpu")), arguments.rounds
    with tempfile.TemporaryDirectory() as folder:
        settings = main_job(Path(folder) / "cache", arguments.songs)
        module, data = parts(settings)
        loader = iter(data.train_dataloader())
        batches = [next(loader) for _ in range(min(16, arguments.steps))]
        del loader
        figures = step_overhead(settings, module, batches, WARM_UP + arguments.steps, Path(folder), clock)
        advisor = load_trained(ADVISOR).backbone
        figures |= generation(advisor, data, arguments.prompts, settings.model.max_new_tokens, rounds, clock)
        if figures["equal_texts"] < 1:
            raise AssertionError("the batch has other answers than its prompts one by one")
        figures |= data_wait(settings, module, data, arguments.steps, clock)
        figures |= tower(SIZES["7b"]["audio"] | {"encoder_layers": arguments.layers}, 2, rounds, clock)
    for name, value in figures.items():
        print(f"{name:28s} {value:.3g}")
    print(json.dumps({name: round(value, 9) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
