"""What a training step of the 7B costs on a GPU: python experiments/throughput/gpu.py.

Qwen2-Audio at full size with random weights (no download), prompts of two 10 s clips, for LoRA and QLoRA, with the
tower on the clips or on its whole window, with activations kept or recomputed; beside transformers' own Trainer (padded
tower, its own loss) on the same model and batches. The last line is one JSON object, figures by configuration.

    python experiments/throughput/gpu.py --model tiny --device cpu   # shows that it works
    python experiments/throughput/gpu.py --predict                   # memory of the 7B, on the meta device
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2AudioConfig, Trainer, TrainerCallback, TrainingArguments

from mixlab.data.collate import Batch
from mixlab.data.encoder import IGNORED
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.base import Backbone
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.tiny import TINY_FOLDER
from mixlab.models.compute import Compute
from mixlab.models.footprint import footprint
from mixlab.models.loss import LossSettings, ResponseLoss
from mixlab.models.quantization import quantize_language_model

PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "4090": 165.0}
"""Dense bfloat16 peaks of the makers' data sheets, by a word in the card's name."""

CLIP_FRAMES, CLIP_TOKENS, CLIPS = 1000, 250, 2
PROMPT, RESPONSE = 40, 40
"""Tokens of text before and in a response, about as in the main job."""

SIZES: dict[str, dict[str, Any]] = {
    "7b": {
        "audio": {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
        "text": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "vocab_size": 156032},
        "heads": 32,
    },
    "tiny": {
        "audio": {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
        "text": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 256},
        "heads": 2,
    },
}


@dataclass(frozen=True)
class Configuration:
    """One line of the table."""

    adapter: str
    clipped: bool
    recompute: bool

    @property
    def name(self) -> str:
        """As a key of the figures."""
        tower = "clipped" if self.clipped else "padded"
        return f"{self.adapter}/{tower}/{'recomputed' if self.recompute else 'kept'}"


def shapes(size: str) -> Qwen2AudioConfig:
    """The architecture; its last token stands for sound."""
    parts = SIZES[size]
    heads = {"num_attention_heads": parts["heads"], "num_key_value_heads": parts["heads"]}
    return Qwen2AudioConfig(
        audio_config={"num_mel_bins": 128, "max_source_positions": 1500, **parts["audio"]},
        text_config={"model_type": "qwen2", "max_position_embeddings": 8192, **parts["text"], **heads},
        audio_token_index=parts["text"]["vocab_size"] - 1,
    )


def adapted(size: str, device: str, configuration: Configuration) -> Backbone:
    """The model with random weights and its adapter, in bfloat16 on an accelerator."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device == "cpu" else torch.bfloat16)
    try:
        with torch.device(device):
            model = Qwen2Audio().new_model(shapes(size))
    finally:
        torch.set_default_dtype(default)
    backbone = named(model)
    model.requires_grad_(False)
    if configuration.adapter == "qlora":
        quantize_language_model(backbone)
    backbone.model = lora(backbone, 16, 2.0, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=False).to(device)
    Compute("sdpa", compile=False, recompute_activations=configuration.recompute).apply(backbone)
    for parameter in backbone.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    backbone.model.train()
    return backbone


def named(model: nn.Module) -> Backbone:
    """The model as a backbone; of the tiny model's processor, that it carries, nothing is used."""
    return Backbone(model, Qwen2Audio().read_processor(str(TINY_FOLDER)), Qwen2Audio())


def make_batch(size: str, device: str, prompts: int, clipped: bool) -> Batch:
    """Prompts of random text and sound, all equally long."""
    generator = torch.Generator().manual_seed(0)
    sound = shapes(size).audio_token_id
    text = torch.randint(0, sound, (prompts, PROMPT + RESPONSE), generator=generator)
    heard = torch.full((prompts, CLIPS * CLIP_TOKENS), sound)
    ids = torch.cat([text[:, :PROMPT], heard, text[:, PROMPT:]], dim=1)
    labels = ids.clone()
    labels[:, :-RESPONSE] = IGNORED
    frames = CLIP_FRAMES + 2 if clipped else 3000
    mask = (torch.arange(frames) < CLIP_FRAMES).long().repeat(prompts * CLIPS, 1)
    batch = Batch(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        labels=labels,
        decisive=torch.zeros_like(ids, dtype=torch.bool),
        input_features=torch.randn(prompts * CLIPS, 128, frames, generator=generator),
        feature_attention_mask=mask,
    )
    return Batch(**{key: value.to(device) for key, value in batch.items()})  # type: ignore[typeddict-item, attr-defined]


def synchronize(device: str) -> None:
    """Wait until the device has done what was asked of it."""
    if device != "cpu":
        torch.cuda.synchronize()


def ours(backbone: Backbone, batch: Batch, device: str, steps: int) -> tuple[float, float]:
    """Median seconds and the floating-point operations of a step."""
    loss = ResponseLoss(LossSettings(), backbone)
    optimizer = torch.optim.AdamW([p for p in backbone.model.parameters() if p.requires_grad], lr=1e-4)

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
            value, _ = loss(backbone.model, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    with FlopCounterMode(display=False) as counter:
        step()
    seconds = []
    for _ in range(steps):
        synchronize(device)
        started = time.perf_counter()
        step()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), float(counter.get_total_flops())


class _Clock(TrainerCallback):
    """When each step of transformers' Trainer ended."""

    def __init__(self, device: str) -> None:
        self.device, self.ends = device, []  # type: ignore[var-annotated]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronize(self.device)
        self.ends.append(time.perf_counter())


def theirs(backbone: Backbone, batch: Batch, device: str, steps: int) -> float:
    """Median seconds of a step of transformers' Trainer, with the model's own loss."""
    inputs = {key: value for key, value in batch.items() if key != "decisive"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=1,
            max_steps=steps + 2,
            bf16=device != "cpu",
            use_cpu=device == "cpu",
            remove_unused_columns=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        clock = _Clock(device)
        trainer = Trainer(
            model=backbone.model,
            args=arguments,
            train_dataset=[inputs] * (steps + 2),  # type: ignore[arg-type]
            data_collator=lambda items: items[0],
            callbacks=[clock],
        )
        trainer.train()
    return statistics.median(b - a for a, b in zip(clock.ends, clock.ends[1:], strict=False))


def measure(size: str, device: str, prompts: int, steps: int, configuration: Configuration) -> dict[str, float]:
    """The figures of one configuration."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    batch = make_batch(size, device, prompts, configuration.clipped)
    seconds, operations = ours(adapted(size, device, configuration), batch, device, steps)
    found = {"step_s": seconds, "tokens_per_second": batch["input_ids"].numel() / seconds}
    if device != "cpu":
        found["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        card = torch.cuda.get_device_name()
        peak = next((tflops for word, tflops in PEAK_TFLOPS.items() if word in card), None)
        if peak is not None:
            found["peak_flops_share"] = operations / seconds / (peak * 1e12)
    gc.collect()
    padded = make_batch(size, device, prompts, clipped=False)
    found["speedup_over_transformers_trainer"] = (
        theirs(adapted(size, device, configuration), padded, device, steps) / seconds
    )
    gc.collect()
    return found


def predicted_gb(size: str, adapter: str) -> dict[str, float]:
    """Memory of frozen weights, and of adapter, gradients and AdamW's moments in float32; activations come on top."""
    with torch.device("meta"):
        backbone = named(Qwen2Audio().new_model(shapes(size)).to(torch.bfloat16))
        backbone.model.requires_grad_(False)
        if adapter == "qlora":
            quantize_language_model(backbone)
        backbone.model = lora(backbone, 16, 2.0, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=False)
    found = footprint(backbone)
    frozen_bytes = found.weight_bytes - found.gradient_bytes
    trained_bytes = found.training_bytes - frozen_bytes
    return {
        "weights_gb": frozen_bytes / 1e9,
        "trained_gb": trained_bytes / 1e9,
        "trained_millions": found.trainable / 1e6,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure or predict, and print.

    Args:
        argv: arguments, those of the command line unless given.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(SIZES), default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompts", type=int, default=4, help="in a batch")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--adapters", nargs="*", default=["lora", "qlora"], choices=("lora", "qlora"))
    parser.add_argument("--predict", action="store_true")
    arguments = parser.parse_args(argv)
    if not arguments.predict and arguments.device != "cpu" and not torch.cuda.is_available():
        parser.error("no GPU is here; use --predict, or --model tiny --device cpu")
    figures: dict[str, dict[str, float]] = {}
    if arguments.predict:
        figures = {adapter: predicted_gb(arguments.model, adapter) for adapter in arguments.adapters}
    else:
        for adapter, clipped, recompute in product(arguments.adapters, (True, False), (False, True)):
            configuration = Configuration(adapter, clipped, recompute)
            found = measure(arguments.model, arguments.device, arguments.prompts, arguments.steps, configuration)
            figures[configuration.name] = found
            print(configuration.name, {name: round(value, 4) for name, value in found.items()}, flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
