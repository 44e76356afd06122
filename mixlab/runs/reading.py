"""Room runs: the configuration that a folder keeps, read as data: registered names and plain values, nothing else.

A folder may come from a stranger. So nothing in it is imported, called or looked up by its name: no ``_target_``, no
plugin, no resolver, nothing that Hydra would compose. Whoever rebuilds something reads with `read_config`, which
refuses them; pages, which rebuild nothing, read with `describe_config`, in which they are words.
Runs of before there were registered names hold targets of mixlab's own, which are read as the names of today.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import CheckpointError
from mixlab.registry import names_code
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


HYDRAS_OWN = ("_partial_", "_args_", "_convert_", "_recursive_")
"""Keys beside a target that older runs have, and that say nothing without it."""

LARGEST_BYTES = 1_000_000
MOST_VALUES = 20_000
"""Values in a configuration; a few aliases in a hostile YAML stand for more than any memory holds."""


def read_config(path: Path, said: Collection[str] = ()) -> dict[str, Plain]:
    """The configuration in a file of a folder, as plain values of which things can be rebuilt.

    Args:
        said: keys that the user's own command line names; what stands at them here, and below them, is left out.

    Raises:
        CheckpointError: if it cannot be read, or names something to be imported, called or looked up.
    """
    return _read(_Reading(path, True, frozenset(said)))


def describe_config(path: Path) -> dict[str, Plain]:
    """The configuration in a file of a folder, for pages: a class that it names stands as a ``kind`` that nobody knows.

    Raises:
        CheckpointError: if it cannot be read.
    """
    return _read(_Reading(path, False))


def read_yaml(path: Path) -> Any:
    """What a YAML file of a folder says, as plain values.

    Raises:
        OSError, ValueError, yaml.YAMLError, RecursionError: if it cannot be read.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES:,} bytes")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@dataclass
class _Reading:
    """One reading of a file: whether something will be rebuilt of it, and how many values it has shown so far."""

    path: Path
    rebuilds: bool
    said: frozenset[str] = field(default_factory=frozenset)
    values: int = 0


def _read(reading: _Reading) -> dict[str, Plain]:
    try:
        values = read_yaml(reading.path)
        if not isinstance(values, dict):
            raise ValueError("it holds no keys")
        found = _as_data(values, reading, "")
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{reading.path} cannot be read as the configuration of a run ({reason}).") from error
    if reading.rebuilds and (refusal := names_code(found)):
        raise CheckpointError(f"{reading.path} {refusal}")
    return found


def _as_data(node: Any, reading: _Reading, key: str) -> Any:
    reading.values += 1
    if reading.values > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES:,} values")
    if isinstance(node, list):
        return [_as_data(part, reading, f"{key}[{index}]") for index, part in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    found = {}
    for name, value in node.items():
        where = f"{key}.{name}" if key else str(name)
        if where in reading.said or name in HYDRAS_OWN:
            continue
        if name == "_target_" and isinstance(value, str):
            if value in PLAIN_GROUPS:
                continue
            if value in OLDER_TARGETS or not reading.rebuilds:
                name, value = "kind", str(OLDER_TARGETS.get(value, value))
        found[name] = _as_data(value, reading, where)
    return found
