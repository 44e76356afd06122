"""Floor of the entry points: songs into the store, their segments into an index, and what they measure onto a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from mixlab import build
from mixlab.data.exported import ExportedSet
from mixlab.errors import ConfigError
from mixlab.evaluation.data_page import write_data_page
from mixlab.multitrack.index import index_path, segment_index
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.song import STEMS
from mixlab.multitrack.statistics import statistics
from mixlab.storage import write_whole


def run(cfg: DictConfig) -> None:
    """Prepare the songs that `dataset` names; on return all files are on disk."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    source = build.source(cfg)
    if isinstance(source, ExportedSet):
        raise ConfigError("dataset is 'jsonl', whose items are made already; set dataset to a source of songs.")
    gates = Gates(**cfg.data.gates)
    store = prepare(source, Path(cfg.paths.cache), cfg.sample_rate, cfg.data.prepare_workers)
    grid = (cfg.data.segment_s, cfg.data.segment_step_s, gates.active_frame_dbfs)
    found = statistics(segment_index(store, *grid), gates)
    shutil.copyfile(index_path(store, *grid), folder / "segments.parquet")
    write_whole(folder / "statistics.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    facts = {
        "songs": f"{type(source).__name__} {cfg.dataset.get('root', '')}".strip(),
        "segments": f"{cfg.data.segment_s:g} s, one every {cfg.data.segment_step_s:g} s; {cfg.sample_rate} Hz, mono",
        "gates": ", ".join(f"{name} {value:g}" for name, value in cfg.data.gates.items()),
    }
    write_data_page(folder / "statistics.html", found, f"Songs of {cfg.dataset._target_.rpartition('.')[2]}", facts)
    _print(found)
    print(f"Store: {store.folder}   Segments, statistics and page: {folder}")


def _print(found: Mapping[str, Any]) -> None:
    table = Table(title="Segments by split", title_justify="left")
    headings = ("split", "songs", "segments", "mixture too quiet", *(f"left with {stem} as anchor" for stem in STEMS))
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split, gates in found["gates"].items():
        left = [str(gates["stems"][stem]["segments_as_anchor"]) for stem in STEMS]
        counts = [str(found["songs"][split]), str(gates["segments"]), str(gates["mixture_too_quiet"])]
        table.add_row(split, *counts, *left)
    Console(width=max(100, Console().width)).print(table)
