"""Bring songs into the store (at the model's rate, mono) and tell what they measure.

    mixlab prepare                                               the demo songs
    mixlab prepare dataset=folder dataset.root=/data/songs       one folder a song
    mixlab prepare dataset=musdb18hq dataset.root=/data/hq data.gates.stem_dbfs=-50

Training prepares by itself what is missing. A second start goes on where a first one stopped. Store and segment index
lie below paths.cache; the folder that is printed holds segments.parquet, statistics.json and statistics.html.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mixlab.items.settings import DataSettings, PathsSettings
from mixlab.registry import Choice
from mixlab.runs.job import Job
from mixlab.settings import Name, Settings


class PrepareSettings(Settings):
    """The whole configuration of `mixlab prepare`."""

    dataset: Choice
    data: DataSettings
    paths: PathsSettings
    name: Name
    sample_rate: Annotated[int, Field(ge=8000, le=384_000)]


def main(settings: PrepareSettings, job: Job) -> None:
    """Prepare, measure and report; on return all files are on disk.

    Raises:
        MixlabError: naming the key, folder or file that is wrong.
    """
    from rich.console import Console

    from mixlab.errors import ConfigError
    from mixlab.items.build import open_dataset
    from mixlab.items.exported import ExportedSet
    from mixlab.multitrack.index import index_path, segment_index
    from mixlab.multitrack.preparation import prepare
    from mixlab.multitrack.statistics import statistics
    from mixlab.reports.data_page import anchors_sheet, write_data_page
    from mixlab.storage import write_whole

    source, data = open_dataset(settings.dataset), settings.data
    if isinstance(source, ExportedSet):
        raise ConfigError("dataset is 'jsonl', whose items are made already; set dataset to a source of songs.")
    store = prepare(source, Path(settings.paths.cache), settings.sample_rate, data.prepare_workers)
    grid = (data.segment_s, data.segment_step_s, data.gates.active_frame_dbfs)
    found = statistics(segment_index(store, *grid), data.gates)
    if not found["songs"]:
        raise ConfigError(f"No song has a segment of {data.segment_s:g} s; shorten data.segment_s.")
    shutil.copyfile(index_path(store, *grid), job.folder / "segments.parquet")
    write_whole(job.folder / "statistics.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    root = settings.dataset.arguments.get("root", "")
    facts = {
        "songs": f"{type(source).__name__} {root}".strip(),
        "segments": f"{data.segment_s:g} s, one every {data.segment_step_s:g} s; {settings.sample_rate} Hz, mono",
        "gates": ", ".join(f"{name} {value:g}" for name, value in data.gates),
    }
    if store.notes:
        facts["remarks"] = " ".join(store.notes)
    write_data_page(job.folder / "statistics.html", found, f"Songs of {type(source).__name__}", facts)
    Console(width=max(100, Console().width)).print(anchors_sheet(found).screen())
    print(f"Store: {store.folder}   Segments, statistics and page: {job.folder}")
