"""What training and answering with the 7B cost on a GPU: python experiments/throughput/gpu.py.

Qwen2-Audio at full size with random weights (no download). First the questions of train_step.py, on demo songs that
go the way of a training run (waveforms from workers, features on the GPU): Lightning's loop against a bare one, waiting
for examples, the audio tower on 10 s against 30 s, answers in a batch against one by one. Then what a step costs for
LoRA and QLoRA on prompts of two 10 s clips, with the tower on the clips or on its whole window, with activations kept
or recomputed; beside transformers' own Trainer (padded tower, its own loss) on the same model and batches. The last
line is one JSON object, with figures by configuration under "configurations".

    python experiments/throughput/gpu.py --model tiny --device cpu   # shows that it works; also with mini
    python experiments/throughput/gpu.py --predict                   # memory of the 7B, on the meta device
    python experiments/throughput/gpu.py --parts tower answers       # some of it, where time on a GPU is short

Seconds are wall seconds on a GPU, when it has done what it was asked; CPU seconds on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from configurations import Configuration, measure, predicted_gb
from loops import WARM_UP, data_wait, generation, main_job, parts, step_overhead
from shapes import SIZES, random_backbone
from towers import tower
from turns import Clock

PARTS = ("loop", "answers", "tower", "configurations")


def asked_of_songs(arguments: Namespace, clock: Clock) -> dict[str, float]:
    """Lightning's loop, waiting for examples and answers, for the recipe of the 7B (conf/experiment) on demo songs."""
    trainer = ["trainer=cpu", "trainer.features=device"] if clock.device.type == "cpu" else ["trainer=gpu"]
    recipe = ["loss=cross_entropy", "adapter.r=16", "optim.lr=1.0e-4", "compute.recompute_activations=true"]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache, size = Path(folder) / "cache", f"data.batch_size={arguments.prompts}"
        settings = main_job(cache, arguments.songs, "model=qwen2_audio_7b", size, *recipe, *trainer)
        module, data = parts(settings, random_backbone(arguments.model, clock.device))
        module.to(clock.device)
        if "loop" in arguments.parts:
            loader = iter(data.train_dataloader())
            batches = [next(loader) for _ in range(min(8, arguments.steps))]
            del loader
            found |= step_overhead(settings, module, batches, WARM_UP + arguments.steps, Path(folder), clock)
            found |= data_wait(settings, module, data, arguments.steps, clock)
        if "answers" in arguments.parts:
            backbone, count, length = module.backbone, arguments.answers, arguments.new_tokens
            found |= generation(backbone, data, count, length, arguments.rounds, clock, never_ending=True)
    return found


def measured(arguments: Namespace, clock: Clock) -> dict[str, Any]:
    """The figures of the parts that are asked for; each is printed when it is known."""
    figures: dict[str, Any] = {}
    if {"loop", "answers"} & set(arguments.parts):
        figures |= asked_of_songs(arguments, clock)
        gc.collect()
        show("loop and answers", figures)
    if "tower" in arguments.parts:
        found = tower(SIZES[arguments.model]["audio"], 2 * arguments.prompts, arguments.rounds, clock)
        show("tower", found)
        figures |= found
    if "configurations" in arguments.parts:
        figures["configurations"] = {}
        for adapter, clipped, recompute in product(arguments.adapters, (True, False), (False, True)):
            configuration = Configuration(adapter, clipped, recompute)
            found = measure(arguments.model, clock, arguments.prompts, arguments.steps, configuration)
            show(configuration.name, found)
            figures["configurations"][configuration.name] = found
    return figures


def show(name: str, figures: dict[str, float]) -> None:
    """A line of figures, at once."""
    print(name, {key: round(value, 7) for key, value in figures.items()}, flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure or predict, and print.

    Args:
        argv: arguments, those of the command line unless given.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(SIZES), default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--songs", type=int, default=16)
    parser.add_argument("--prompts", type=int, default=4, help="in a batch of training")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--answers", type=int, default=32, help="in a batch of answers")
    parser.add_argument("--new-tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--adapters", nargs="*", default=["lora", "qlora"], choices=("lora", "qlora"))
    parser.add_argument("--predict", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.predict:
        print(json.dumps({adapter: predicted_gb(arguments.model, adapter) for adapter in arguments.adapters}))
        return
    if arguments.device != "cpu" and not torch.cuda.is_available():
        parser.error("no GPU is here; use --predict, or --model tiny --device cpu")
    figures = measured(arguments, Clock(torch.device(arguments.device)))
    if arguments.device != "cpu":
        figures["device"] = torch.cuda.get_device_name()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
