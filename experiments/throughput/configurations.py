"""What a step of one configuration costs, ours beside that of transformers' own Trainer; and its memory, predicted."""

from __future__ import annotations

import gc
import statistics
import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from shapes import processor, random_backbone, shapes
from torch.utils.flop_counter import FlopCounterMode
from transformers import Trainer, TrainerCallback, TrainingArguments
from turns import Clock

from mixlab.chat.collate import Batch, move_batch
from mixlab.chat.encoder import IGNORED
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.base import Backbone
from mixlab.models.compute import apply_compute
from mixlab.models.footprint import footprint
from mixlab.models.loss import ResponseLoss
from mixlab.models.quantization import quantize_language_model
from mixlab.models.settings import Attention, Compute, LossSettings
from mixlab.multitrack.song import STEMS

PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "4090": 165.0}
"""Dense bfloat16 peaks of the makers' data sheets, by a word in the card's name."""

CLIP_FRAMES, CLIP_TOKENS, CLIPS = 1000, 250, 2
PROMPT, RESPONSE = 40, 40
"""Tokens of text before and in a response, about as in the main job."""


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


def adapted(size: str, device: torch.device, configuration: Configuration) -> Backbone:
    """The model with random weights and its adapter, set up for training."""
    backbone = _with_adapter(random_backbone(size, device), configuration.adapter)
    compute = Compute(attention=Attention.SDPA, compile=False, recompute_activations=configuration.recompute)
    apply_compute(compute, backbone)
    for parameter in backbone.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    backbone.model.train()
    return backbone


def _with_adapter(backbone: Backbone, adapter: str) -> Backbone:
    backbone.model.requires_grad_(False)
    if adapter == "qlora":
        quantize_language_model(backbone)
    backbone.model = lora(backbone, 16, 2.0, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=False)
    return backbone


def make_batch(size: str, device: torch.device, prompts: int, clipped: bool) -> Batch:
    """Prompts of random text and sound, all equally long."""
    generator = torch.Generator().manual_seed(0)
    config = shapes(size, processor())
    sound, words = config.audio_token_id, config.text_config.vocab_size
    text = torch.randint(sound + 1, words, (prompts, PROMPT + RESPONSE), generator=generator)
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
    return move_batch(batch, device)


def ours(backbone: Backbone, batch: Batch, clock: Clock, steps: int) -> tuple[float, float]:
    """Median seconds and the floating-point operations of a step."""
    device = clock.device.type
    loss = ResponseLoss(LossSettings(), backbone, STEMS)
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
        started = clock.now()
        step()
        seconds.append(clock.now() - started)
    return statistics.median(seconds), float(counter.get_total_flops())


class _Ends(TrainerCallback):
    """When each step of transformers' Trainer ended."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds.append(self.clock.now())


def theirs(backbone: Backbone, batch: Batch, clock: Clock, steps: int) -> float:
    """Median seconds of a step of transformers' Trainer, with the model's own loss."""
    inputs = {key: value for key, value in batch.items() if key != "decisive"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=1,
            max_steps=steps + 2,
            bf16=clock.device.type != "cpu",
            use_cpu=clock.device.type == "cpu",
            remove_unused_columns=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        ends = _Ends(clock)
        trainer = Trainer(
            model=backbone.model,
            args=arguments,
            train_dataset=[inputs] * (steps + 2),  # type: ignore[arg-type]
            data_collator=lambda items: items[0],
            callbacks=[ends],
        )
        trainer.train()
    return statistics.median(b - a for a, b in zip(ends.seconds, ends.seconds[1:], strict=False))


def measure(size: str, clock: Clock, prompts: int, steps: int, configuration: Configuration) -> dict[str, float]:
    """The figures of one configuration."""
    device, on_gpu = clock.device, clock.device.type != "cpu"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    batch = make_batch(size, device, prompts, configuration.clipped)
    seconds, operations = ours(adapted(size, device, configuration), batch, clock, steps)
    found = {"step_s": seconds, "tokens_per_second": batch["input_ids"].numel() / seconds}
    if on_gpu:
        found["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        card = torch.cuda.get_device_name()
        peak = next((tflops for word, tflops in PEAK_TFLOPS.items() if word in card), None)
        if peak is not None:
            found["peak_flops_share"] = operations / seconds / (peak * 1e12)
    gc.collect()
    padded = make_batch(size, device, prompts, clipped=False)
    found["speedup_over_transformers_trainer"] = (
        theirs(adapted(size, device, configuration), padded, clock, steps) / seconds
    )
    gc.collect()
    return found


def predicted_gb(size: str, adapter: str) -> dict[str, float]:
    """Memory of frozen weights, and of adapter, gradients and AdamW's moments in float32; activations come on top."""
    with torch.device("meta"):
        backbone = _with_adapter(random_backbone(size, torch.device("meta")), adapter)
    found = footprint(backbone)
    frozen_bytes = found.weight_bytes - found.gradient_bytes
    trained_bytes = found.training_bytes - frozen_bytes
    return {
        "weights_gb": frozen_bytes / 1e9,
        "trained_gb": trained_bytes / 1e9,
        "trained_millions": found.trainable / 1e6,
    }
