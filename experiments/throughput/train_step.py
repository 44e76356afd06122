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
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightning
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from transformers import Qwen2AudioConfig, WhisperFeatureExtractor
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from mixlab import build, cli
from mixlab.audio.log_mel import LogMel
from mixlab.data.collate import Batch, Collator, move_batch
from mixlab.data.encoder import ChatEncoder
from mixlab.data.module import MixDataModule
from mixlab.models.backbones.tower import run_on_clips
from mixlab.models.generate import generate_texts
from mixlab.models.module import AdviceModule

WARM_UP = 3
"""Steps that are made and not counted."""


def main_job(cache: Path, songs: int) -> DictConfig:
    """The configuration of the main job, with fewer songs."""
    counts = {"train": songs, "validation": 1, "test": 8, "shifted": 0}
    overrides = [f"dataset.{split}_songs={count}" for split, count in counts.items()]
    cli.register_resolvers()
    with initialize_config_dir(cli.config_folder(), version_base="1.3"):
        return compose("train", ["+experiment=bass_anchor", f"paths.cache={cache}", *overrides])


def served(cfg: DictConfig, module: AdviceModule) -> MixDataModule:
    """The data module of the job, songs prepared."""
    encoder = ChatEncoder(module.backbone.chat)
    data = build.data_module(cfg, build.source(cfg), encoder, cfg.trainer.features == "worker")
    data.prepare_data()
    data.setup()
    return data


class BareLoop(lightning.Callback):
    """After each step of Lightning's loop, makes the same step in plain PyTorch on a model of its own, and times both.

    Attributes:
        lightning_s, bare_s: CPU seconds of each step, from end to end of the loop's body.
    """

    def __init__(self, module: AdviceModule, clip: float, steps: int) -> None:
        self.module, self.clip = module, clip
        module.model.train()
        self.optimizer, self.schedule = module.optim.build(module.named_parameters(), steps)
        self.lightning_s: list[float] = []
        self.bare_s: list[float] = []
        self._since = 0.0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        started = time.process_time()
        self.lightning_s.append(started - self._since)
        self._step(batch)
        self._since = time.process_time()
        self.bare_s.append(self._since - started)

    def _step(self, batch: Batch) -> None:
        batch = move_batch(batch, torch.device("cpu"))
        loss, _ = self.module.loss(self.module.model, batch)
        self.optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        self.optimizer.step()
        self.schedule.step()


def step_overhead(
    cfg: DictConfig, ours: AdviceModule, batches: Sequence[Batch], steps: int, folder: Path
) -> dict[str, float]:
    """How much longer a step takes in Lightning's loop with the job's logger, as a share of the bare step.

    Trains `ours` on the way.
    """
    bare = build.advice_module(cfg, build.backbone(cfg))
    bare.load_state_dict(ours.state_dict())
    loop = BareLoop(bare, cfg.trainer.gradient_clip_val, steps)
    cfg = cfg.copy()
    cfg.trainer.max_steps = steps
    trainer = build.trainer(cfg, callbacks=[loop], logger=CSVLogger(folder), limit_val_batches=0)
    turns = [batches[number % len(batches)] for number in range(steps)]
    trainer.fit(ours, DataLoader(turns, batch_size=None))  # type: ignore[arg-type]
    pairs = list(zip(loop.lightning_s, loop.bare_s, strict=True))[WARM_UP:]
    for (name, one), other in zip(ours.named_parameters(), bare.parameters(), strict=True):
        if not torch.allclose(one, other, atol=1e-6):
            raise AssertionError(f"the loops trained '{name}' differently")
    return {
        "step_overhead": statistics.median(a / b for a, b in pairs) - 1.0,
        "step_ms": 1000 * statistics.median(b for _, b in pairs),
    }


def data_wait(cfg: DictConfig, module: AdviceModule, data: MixDataModule, steps: int) -> dict[str, float]:
    """The share of wall time in which training waits for its workers, without the first batches."""
    loop = BareLoop(module, cfg.trainer.gradient_clip_val, steps)
    batches = iter(data.train_dataloader())
    for _ in range(WARM_UP):
        loop._step(next(batches))
    waited, started = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        loop._step(batch)
    return {"data_wait": waited / (time.perf_counter() - started)}


def tower(layers: int, clips: int, rounds: int) -> dict[str, float]:
    """A tower as wide as the 7B's with random weights: 10 s clips by themselves against 10 s clips in 30 s."""
    torch.manual_seed(0)
    sizes = {"d_model": 1280, "encoder_layers": layers, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120}
    config = Qwen2AudioConfig(audio_config={"num_mel_bins": 128, "initializer_range": 0.02, **sizes}).audio_config
    config._attn_implementation = "sdpa"
    padded = Qwen2AudioEncoder(config).eval()
    clipped = Qwen2AudioEncoder(config).eval()
    clipped.load_state_dict(padded.state_dict())
    run_on_clips(clipped)
    extractor = WhisperFeatureExtractor(feature_size=128)
    waveforms = 0.1 * torch.randn(clips, 160000)
    found: dict[str, torch.Tensor] = {}

    def run(name: str, model: Any, to_window: bool) -> Callable[[], None]:
        features = LogMel.of(extractor, to_window)(waveforms)
        positions = features.shape[-1] // 2
        heard = torch.arange(positions) < 500
        mask = heard.expand(clips, 1, positions, positions)

        def forward() -> None:
            with torch.no_grad():
                found[name] = model(features, attention_mask=mask).last_hidden_state[:, :250]

        return forward

    ratio = in_turns(run("padded", padded, True), run("clipped", clipped, False), rounds)
    difference = (found["clipped"] - found["padded"]).abs().amax(dim=-1) / found["padded"].abs().amax(dim=-1)
    return {"tower_speedup": ratio, "tower_max_rel_diff": float(difference.max())}


def generation(cfg: DictConfig, module: AdviceModule, data: MixDataModule, prompts: int, rounds: int) -> float:
    """How many times faster a batch of prompts is answered than one by one, in the same words.

    The model has to have learnt to answer in sentences: what its base says is over after some six tokens, so that
    little but the prompt would be timed.
    """
    maker = data.maker(data.frozen.protocol)
    encoded = [maker.encode(problem, with_response=False) for problem in data.problems("test")[:prompts]]
    collate = Collator(ChatEncoder(module.backbone.chat), features=True, left=True)
    together, single = collate(encoded), [collate([item]) for item in encoded]
    texts: dict[str, list[str]] = {}

    def one_by_one() -> None:
        texts["single"] = [generate_texts(module.backbone, batch, cfg.model.max_new_tokens)[0] for batch in single]

    def at_once() -> None:
        texts["together"] = generate_texts(module.backbone, together, cfg.model.max_new_tokens)

    ratio = in_turns(one_by_one, at_once, rounds)
    if texts["single"] != texts["together"]:
        raise AssertionError("the batch has other answers than its prompts one by one")
    print(f"An answer: {texts['together'][0]}")
    return ratio


def in_turns(slow: Callable[[], None], fast: Callable[[], None], rounds: int) -> float:
    """The median ratio of CPU seconds over rounds in which both take turns, after one to warm up."""
    ratios = []
    for number in range(rounds + 1):
        spent = []
        for call in (slow, fast):
            started = time.process_time()
            call()
            spent.append(time.process_time() - started)
        if number > 0:
            ratios.append(spent[0] / spent[1])
    return statistics.median(ratios)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print.

    Args:
        argv: arguments, those of the command line unless given.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--layers", type=int, default=4, help="of the tower; the 7B has 32, all alike")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cfg = main_job(Path(folder) / "cache", arguments.songs)
        module = build.advice_module(cfg, build.backbone(cfg))
        data = served(cfg, module)
        loader = iter(data.train_dataloader())
        batches = [next(loader) for _ in range(min(16, arguments.steps))]
        del loader
        figures = step_overhead(cfg, module, batches, WARM_UP + arguments.steps, Path(folder))
        figures["batched_generation_speedup"] = generation(cfg, module, data, arguments.prompts, arguments.rounds)
        figures |= data_wait(cfg, module, data, arguments.steps)
        figures |= tower(arguments.layers, 2, arguments.rounds)
    for name, value in figures.items():
        print(f"{name:28s} {value:.3g}")
    print(json.dumps({name: round(value, 9) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
