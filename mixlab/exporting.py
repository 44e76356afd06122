"""Floor of the entry points: an export from configuration to data set, and its rebuilding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from mixlab import build
from mixlab.config import ExportSchema, check
from mixlab.data.encoder import ChatEncoder
from mixlab.data.exported import ExportedSet
from mixlab.data.module import MixDataModule
from mixlab.errors import ConfigError
from mixlab.hub import export as writing
from mixlab.hub.rebuild import rebuild as rebuild_clips
from mixlab.models.backbones.tiny import Tiny


def export(cfg: DictConfig) -> str:
    """Write the data set that `cfg` describes; returns a sentence on what is in it."""
    out = Path(cfg.out).expanduser().absolute()
    dataset: Any = OmegaConf.to_container(cfg.dataset, resolve=True)
    request = writing.ExportRequest(
        out=out,
        train_items=cfg.train_items,
        clips=cfg.clips,
        audio=cfg.audio,
        # Where the songs lie is nobody's business but their owner's.
        dataset={key: value for key, value in dataset.items() if key != "root"},
        settings=build.item_settings(cfg),
    )
    manifest = writing.export(_over_songs(cfg), request)
    items = ", ".join(f"{count} {split}" for split, count in manifest.items.items())
    withheld = sum(manifest.withheld.values())
    left_out = f" {withheld} have no audio, since their songs' licence forbids publication." if withheld else ""
    private = " It holds audio that may not be published." if manifest.audio == "all" else ""
    return f"{out} holds {items} items.{left_out}{private}"


def rebuild(cfg: DictConfig) -> str:
    """Make the clips that a data set leaves out; returns a sentence on what is there now."""
    exported = ExportedSet(cfg.rebuild)
    # Only the songs and where things lie are the user's; how items are drawn is what the data set says.
    changed = cfg.copy()
    with open_dict(changed):
        changed.seed = exported.manifest.seed
        for group, keys in exported.manifest.settings.items():
            for key, value in keys.items():
                OmegaConf.update(changed, f"{group}.{key}", value, merge=False)
    check(OmegaConf.to_container(changed, resolve=True), ExportSchema)  # type: ignore[arg-type]
    manifest = rebuild_clips(exported, _over_songs(changed))
    private = ", for private use" if manifest.audio != "free" else ""
    return f"{exported.root} holds all clips of its {sum(manifest.items.values())} items{private}."


def _over_songs(cfg: DictConfig) -> MixDataModule:
    songs = build.source(cfg)
    if isinstance(songs, ExportedSet):
        raise ConfigError("dataset is 'jsonl', which is an export already; set dataset to a source of songs.")
    # Only the rate of the clips is the encoder's, and it is the same for every Whisper front end.
    return build.data_module(cfg, songs, ChatEncoder(Tiny("listener").read_chat()), features_in_worker=False)
