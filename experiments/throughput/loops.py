"""The loop around a model: Lightning's against a bare one, waiting for examples, answers in a batch."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader
from turns import Clock, in_turns

from mixlab.chat.collate import Batch, Collator, move_batch, with_features, with_places
from mixlab.chat.datasets import HeldoutExamples
from mixlab.chat.encoder import ChatEncoder
from mixlab.cli.run import composed
from mixlab.items.bank import ItemBank
from mixlab.items.build import build_bank
from mixlab.models.backbones.base import Backbone
from mixlab.models.generate import generate_texts
from mixlab.models.module import AdviceModule
from mixlab.models.recipes import read_chat
from mixlab.runs.settings import TrainSettings
from mixlab.runs.trainer import build_trainer
from mixlab.settings import parse
from mixlab.training.build import build_module
from mixlab.training.data import MixDataModule
from mixlab.training.flow import new_module

WARM_UP = 3
"""Steps that are made and not counted."""


def main_job(cache: Path, songs: int, *overrides: str) -> TrainSettings:
    """The settings of the main job, with fewer songs and what is overridden."""
    counts = {"train": songs, "validation": 1, "test": 8, "shifted": 0}
    fewer = [f"dataset.{split}_songs={count}" for split, count in counts.items()]
    return parse(
        composed("train", "+experiment=bass_anchor", f"paths.cache={cache}", *fewer, *overrides), TrainSettings
    )


def parts(settings: TrainSettings, base: Backbone | None = None) -> tuple[AdviceModule, MixDataModule]:
    """The module and the data module of the job, songs prepared.

    Args:
        base: in place of the backbone that the settings name.
    """
    chat = read_chat(settings.model) if base is None else base.chat
    bank: ItemBank = build_bank(settings, chat.front_end.sample_rate)
    module = new_module(settings, bank) if base is None else build_module(settings, base, bank)
    data = MixDataModule(bank, ChatEncoder(module.backbone.chat), settings.trainer.features == "worker")
    data.setup()
    return module, data


class BareLoop(lightning.Callback):
    """After each step of Lightning's loop, makes the same step in plain PyTorch on a model of its own, and times both.

    Args:
        module: what the bare loop trains.
        steps: how many in all, for the schedule.
        batches: those that Lightning's loop gets, in turns.

    Attributes:
        lightning_s, bare_s: seconds of each step, from end to end of the loop's body.
    """

    def __init__(
        self, settings: TrainSettings, module: AdviceModule, steps: int, clock: Clock, batches: Sequence[Batch] = ()
    ) -> None:
        options = settings.trainer.options
        self.module, self.clip, self.clock, self.batches = module, options["gradient_clip_val"], clock, batches
        self.short = options["precision"] == "bf16-mixed"
        module.model.train()
        self.optimizer, self.schedule = module.optim.build(module.named_parameters(), steps)
        self.lightning_s: list[float] = []
        self.bare_s: list[float] = []
        self._since = 0.0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Both are timed with the way of the batch to the device."""
        started = self.clock.now()
        self.lightning_s.append(started - self._since)
        self.step(self.batches[batch_idx % len(self.batches)])
        self._since = self.clock.now()
        self.bare_s.append(self._since - started)

    def step(self, batch: Batch) -> None:
        """One step on a batch as it comes from a loader."""
        device = self.clock.device
        batch = with_features(move_batch(with_places(batch), device), self.module.backbone.chat.front_end)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.short):
            loss, _ = self.module.loss(self.module.model, batch)
        self.optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        self.optimizer.step()
        self.schedule.step()


def step_overhead(
    settings: TrainSettings, ours: AdviceModule, batches: Sequence[Batch], steps: int, folder: Path, clock: Clock
) -> dict[str, float]:
    """How much longer a step takes in Lightning's loop with the job's logger, as a share of the bare step.

    Trains `ours` on the way. Also says how far apart the weights are that the loops trained: on a CPU as good as equal,
    on a GPU within what the order of sums in bfloat16 leaves.

    Raises:
        AssertionError: if on a CPU the loops trained different weights.
    """
    bare = twin(ours)
    loop = BareLoop(settings, bare, steps, clock, batches)
    trainer = build_trainer(
        settings.trainer.but(max_steps=steps), callbacks=[loop], logger=CSVLogger(folder), limit_val_batches=0
    )
    turns = [batches[number % len(batches)] for number in range(steps)]
    trainer.fit(ours, DataLoader(turns, batch_size=None))  # type: ignore[arg-type]
    apart = max(float((a.cpu() - b.cpu()).abs().max()) for a, b in _trained_pairs(ours, bare))
    ours.to(clock.device)  # Lightning leaves it on the CPU
    if clock.device.type == "cpu" and apart > 1e-6:
        raise AssertionError(f"the loops trained different weights, {apart} apart")
    pairs = list(zip(loop.lightning_s, loop.bare_s, strict=True))[WARM_UP:]
    return {
        "step_overhead": statistics.median(a / b for a, b in pairs) - 1.0,
        "step_ms": 1000 * statistics.median(b for _, b in pairs),
        "loops_apart": apart,
    }


def twin(module: AdviceModule) -> AdviceModule:
    """A copy with weights of its own where they train; what is frozen is shared, so that a large model fits twice."""
    return copy.deepcopy(module, {id(p): p for p in module.parameters() if not p.requires_grad})


def _trained_pairs(one: AdviceModule, other: AdviceModule) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return [(a.detach(), b.detach()) for a, b in pairs if a.requires_grad]


def data_wait(
    settings: TrainSettings, module: AdviceModule, data: MixDataModule, steps: int, clock: Clock
) -> dict[str, float]:
    """The share of wall time in which training waits for its workers, without the first batches."""
    loop = BareLoop(settings, module, steps, clock)
    batches = iter(data.train_dataloader())
    for _ in range(WARM_UP):
        loop.step(next(batches))
    clock.wait()
    waited, started = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        loop.step(batch)
        clock.wait()  # else a GPU would still be at work while the next batch is asked for
    return {"data_wait": waited / (time.perf_counter() - started)}


class NeverEnding:
    """Bars the end of a text, and ids that stand for no text: what random weights would say has no end."""

    def __init__(self, backbone: Backbone) -> None:
        self.end, self.words = backbone.chat.end_token_id, len(backbone.chat.tokenizer)

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        scores[:, self.words :] = -torch.inf
        scores[:, self.end] = -torch.inf
        return scores


def generation(
    backbone: Backbone,
    data: MixDataModule,
    prompts: int,
    new_tokens: int,
    rounds: int,
    clock: Clock,
    never_ending: bool = False,
) -> dict[str, float]:
    """How many times faster a batch of prompts is answered than one by one, and the share of texts that are the same.

    A model has to have learnt to answer in sentences: what its base says is over after some six tokens, so that little
    but the prompt would be timed.

    Args:
        new_tokens: of an answer, at most.
        never_ending: make every answer that long.
    """
    bank, encoder = data.bank, ChatEncoder(backbone.chat)
    asked = HeldoutExamples(bank.problems("test")[:prompts], bank.examples, encoder, with_response=False)
    encoded = [asked[index] for index in range(len(asked))]
    collate = Collator(encoder, features=True, left=True)
    together = move_batch(collate(encoded), clock.device)
    single = [move_batch(collate([item]), clock.device) for item in encoded]
    processors = [NeverEnding(backbone)] if never_ending else []
    texts: dict[str, list[str]] = {}

    def one_by_one() -> None:
        texts["single"] = [generate_texts(backbone, batch, new_tokens, processors)[0] for batch in single]

    def at_once() -> None:
        texts["together"] = generate_texts(backbone, together, new_tokens, processors)

    ratio = in_turns(one_by_one, at_once, rounds, clock)
    same = [a == b for a, b in zip(texts["single"], texts["together"], strict=True)]
    print(f"An answer: {texts['together'][0]}")
    return {"batched_generation_speedup": ratio, "equal_texts": sum(same) / len(same)}
