"""The audio tower on the length of the clips against the one on its whole window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import Qwen2AudioConfig, WhisperFeatureExtractor
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder
from turns import Clock, in_turns

from mixlab.audio.log_mel import LogMel
from mixlab.models.backbones.qwen2_audio import on_clips


def tower(sizes: Mapping[str, int], clips: int, rounds: int, clock: Clock) -> dict[str, float]:
    """A tower with random weights: 10 s clips by themselves against 10 s clips in 30 s.

    The states are compared in float32; the time is that of the format in which the device trains.

    Args:
        sizes: of the tower, as in its configuration.
    """
    torch.manual_seed(0)
    config = Qwen2AudioConfig(audio_config={"num_mel_bins": 128, "initializer_range": 0.02, **sizes}).audio_config
    config._attn_implementation = "sdpa"
    with clock.device:
        padded, clipped = Qwen2AudioEncoder(config).eval(), Qwen2AudioEncoder(config).eval()
    clipped.load_state_dict(padded.state_dict())
    clipped = on_clips(clipped)
    extractor = WhisperFeatureExtractor(feature_size=128)
    waveforms = (0.1 * torch.randn(clips, 160000)).to(clock.device)
    found: dict[str, torch.Tensor] = {}

    def run(name: str, model: Any, to_window: bool) -> Callable[[], None]:
        features = LogMel.of(extractor, to_window)(waveforms)
        positions = features.shape[-1] // 2
        mask = (torch.arange(positions, device=clock.device) < 500).expand(clips, 1, positions, positions)

        def forward() -> None:
            with torch.no_grad():
                found[name] = model(features, attention_mask=mask).last_hidden_state[:, :250]

        return forward

    slow, fast = run("padded", padded, True), run("clipped", clipped, False)
    with _exact_convolutions():
        slow(), fast()
    difference = (found["clipped"] - found["padded"]).abs().amax(dim=-1) / found["padded"].abs().amax(dim=-1)
    if clock.device.type != "cpu":
        padded.bfloat16(), clipped.bfloat16()
    return {"tower_speedup": in_turns(slow, fast, rounds, clock), "tower_max_rel_diff": float(difference.max())}


def _exact_convolutions() -> Any:
    """A GPU's convolutions of float32 in float32, which it shortens unless told otherwise."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
