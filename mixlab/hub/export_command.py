"""Write a fixed data set: items in chat form with clips, card and manifest; or rebuild the clips that one leaves out.

    mixlab export out=FOLDER dataset=demo_small                           what mixlab train would draw in epoch 0
    mixlab export out=FOLDER dataset=musdb18hq dataset.root=DIR           without audio: its licence forbids it
    mixlab export rebuild=FOLDER dataset=musdb18hq dataset.root=DIR       the missing clips, bit for bit
    mixlab train dataset=jsonl dataset.root=FOLDER                        train and evaluate on it

Hugging Face datasets, ms-swift and LLaMA-Factory read the folder too. It appears when all is on disk; a finished
export of the same request is checked and left alone. ``rebuild`` reads only dataset and paths; all else the data
set says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import model_validator

from mixlab.hub.export import Audio, SampleFormat
from mixlab.items.settings import ItemSettings
from mixlab.runs.settings import EvaluationSettings
from mixlab.settings import FilePath, Many, Plain, PositiveCount, Spelled, parse

SAMPLE_RATE = 16_000
"""Of the clips, in hertz: that of every Whisper front end."""


class ExportSettings(ItemSettings):
    """The whole configuration of `mixlab export`."""

    evaluation: EvaluationSettings
    out: FilePath | None
    rebuild: FilePath | None
    clips: Spelled[SampleFormat]
    audio: Spelled[Audio]
    train_items: PositiveCount
    plugins: Many[str] = ()

    @model_validator(mode="after")
    def _has_one_folder(self) -> ExportSettings:
        if bool(self.out) == bool(self.rebuild):
            raise ValueError("set either out=..., the folder of a new data set, or rebuild=..., that of an old one")
        return self


def settings(values: Mapping[str, Plain], overrides: Sequence[str]) -> ExportSettings:
    """The settings of an export; of a rebuilding, how items are drawn is what the data set says of itself."""
    asked = parse(values, ExportSettings)
    if asked.rebuild is None:
        return asked
    from mixlab.items.exported import DECIDING, ExportedSet

    manifest = ExportedSet(asked.rebuild).manifest
    merged: dict[str, Any] = dict(values) | {"seed": manifest.seed}
    for group in DECIDING:
        if isinstance(keys := manifest.settings.get(group), Mapping):
            merged[group] = {**merged[group], **keys} if group in ("data", "evaluation") else {**keys}
    return parse(merged, ExportSettings)


def main(settings: ExportSettings) -> None:
    """Export or rebuild, and say what is there."""
    from mixlab.errors import ConfigError
    from mixlab.hub.export import ExportRequest, export
    from mixlab.hub.rebuild import rebuild
    from mixlab.items.build import build_bank
    from mixlab.items.drawn import DrawnItems
    from mixlab.items.exported import ExportedSet

    if settings.dataset.kind == ExportedSet.name:
        raise ConfigError("dataset is 'jsonl', which is an export already; set dataset to a source of songs.")
    bank = build_bank(settings, SAMPLE_RATE)
    assert isinstance(bank, DrawnItems)
    if settings.rebuild is not None:
        exported = ExportedSet(settings.rebuild)
        manifest = rebuild(exported, bank)
        private = ", for private use" if manifest.audio != "free" else ""
        print(f"{exported.root} holds all clips of its {sum(manifest.items.values())} items{private}.")
        return
    out = Path(str(settings.out)).expanduser().absolute()
    manifest = export(bank, ExportRequest(out, settings.train_items, settings.clips, settings.audio))
    items = ", ".join(f"{count} {split}" for split, count in manifest.items.items())
    withheld = sum(manifest.withheld.values())
    left_out = f" {withheld} have no audio, since their songs' licence forbids publication." if withheld else ""
    private = " It holds audio that may not be published." if manifest.audio == "all" else ""
    print(f"{out} holds {items} items.{left_out}{private}")
