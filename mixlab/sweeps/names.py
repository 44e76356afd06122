"""Room sweeps: the names of the folders of a sweep's jobs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mixlab.runs.status import digest

DOOR = "+hydra.callbacks.door"
"""The key by which mixlab itself has Hydra check every command line; nobody types it."""


def overrides_of(hydra: DictConfig) -> list[str]:
    """What the command line says for a job, as it is written: a reference to another key stays one."""
    overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return list(overrides)


def job_folder(*, _root_: DictConfig) -> str:
    """The folder of a job in its sweep: what sets it apart in short, and the digest of its configuration.

    So a job finds its folder again whatever other values are swept beside its own and however they are spelled, and a
    changed configuration gets a new one.
    """
    values: Any = OmegaConf.to_container(_root_, resolve=False)
    config = digest({key: value for key, value in values.items() if key != "hydra"})
    for path in sorted(Path(_root_.hydra.sweep.dir).glob(f"*{config}")):
        return path.name
    words = []
    for override in overrides_of(_root_.hydra):
        key, _, value = override.lstrip("+~").partition("=")
        if key not in _root_.hydra.job.config.override_dirname.exclude_keys:
            words.append(f"{re.split(r'[./@]', key)[-1]}-{value}")
    short = re.sub(r"[^\w.+-]+", "-", "_".join(words))[:80]
    return f"{short}_{config}" if short else config
