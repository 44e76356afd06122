"""Room runs: the configuration that a folder keeps, read as data: registered names and plain values, nothing else.

A folder may come from a stranger. So nothing in it is imported or called by its name: no ``_target_``, no plugin.
Runs of before there were registered names hold targets of mixlab's own, which are read as the names of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import CheckpointError
from mixlab.settings import Plain

OLDER_TARGETS = {
    "mixlab.multitrack.demo.source.DemoSource": "demo",
    "mixlab.multitrack.folder.FolderSource": "folder",
    "mixlab.multitrack.musdb.Musdb18": "musdb18",
    "mixlab.multitrack.musdb.Musdb18HQ": "musdb18hq",
    "mixlab.data.exported.ExportedSet": "jsonl",
    "mixlab.models.adapters.lora": "lora",
    "mixlab.models.adapters.rslora": "rslora",
    "mixlab.models.adapters.qlora": "qlora",
    "mixlab.models.adapters.full": "full",
    "mixlab.models.adapters.none": "none",
    "mixlab.models.optim.AdamWCosine": "adamw",
    "mixlab.models.optim.PagedAdamWCosine": "paged_adamw",
    "mixlab.models.optim.MuonCosine": "muon",
    "lightning.pytorch.strategies.ModelParallelStrategy": "model_parallel",
}
"""The names of today for what the configurations of older runs called by its place in the code."""

PLAIN_GROUPS = {"mixlab.models.loss.LossSettings", "lightning.Trainer"}
"""Targets of groups that are no choice any more."""


def read_config(path: Path) -> dict[str, Plain]:
    """The configuration in a file of a folder, as plain values.

    Raises:
        CheckpointError: if it cannot be read, or names something to be imported or called.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise TypeError("it holds no keys")
        return _as_data(values, path, "")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read as the configuration of a run ({reason}).") from error


def _as_data(node: Any, path: Path, key: str) -> Any:
    if isinstance(node, list):
        return [_as_data(part, path, f"{key}[{index}]") for index, part in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    found = {}
    for name, value in node.items():
        where = f"{key}.{name}" if key else str(name)
        if name == "_target_":
            if value in PLAIN_GROUPS:
                continue
            if value not in OLDER_TARGETS:
                raise CheckpointError(
                    f"{path} names '{value}' to be called ({where}), and nothing that a folder names is called; name "
                    "your own class on the command line, or register it by plugins=[...] there."
                )
            name, value = "kind", OLDER_TARGETS[value]
        elif name == "plugins" and value:
            raise CheckpointError(
                f"{path} names modules to be imported (plugins: {value}), and nothing that a folder names is; name "
                "them on the command line, as in plugins=[my_lab.module]."
            )
        if name in ("_partial_", "_args_", "_convert_", "_recursive_"):
            continue
        found[name] = _as_data(value, path, where)
    return found
