"""Room evaluation: the runs of a sweep as a tidy table: what was varied, what came of it, and what seeds change."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mixlab.evaluation.comparison_page import METRICS_FILE, RunFigures, read_run
from mixlab.evaluation.sheets import Figure

CONFIG_FILE, STATUS_FILE = "config.yaml", "status.json"
SEED = "seed"
VALIDATION = "val/joint_accuracy"
"""By which the best run is chosen; never by a figure on test songs."""

SERVING = ("name", "ckpt_path", "hydra", "paths", "callbacks", "logger", "evaluation/baselines",
           "evaluation.resamples", "evaluation.audio_examples", "evaluation.tuning_items", "data.workers")  # fmt: skip
"""Overrides, or groups of them, that say how a run is served and not what it is."""


@dataclass(frozen=True)
class SweptRun:
    """A run that came to its end.

    Attributes:
        folder: of the run.
        settings: what the command line said or, where another run's said it, what holds in this one; by key.
        figures: its metrics.json.
        validation: joint accuracy on validation items at the step whose weights were kept, if there were any.
    """

    folder: Path
    settings: Mapping[str, str]
    figures: RunFigures
    validation: float | None


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their seed alone; `values` holds what was varied, by key."""

    values: Mapping[str, str]
    runs: Sequence[SweptRun]

    @property
    def label(self) -> str:
        """The setting in a few words: ``adapter.r=8, inputs=stems``."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items()) or "all runs"

    def figure(self, key: str) -> Figure | None:
        """The mean over seeds with the least and the greatest; of one run the value with its interval by song."""
        found = [figure for run in self.runs if (figure := run.figures.figure(key)) is not None]
        if len(found) < 2:
            return found[0] if found else None
        values = [value for value, _, _ in found]
        return float(np.mean(values)), min(values), max(values)


@dataclass(frozen=True)
class Sweep:
    """All runs below some folders.

    Attributes:
        runs: that have figures.
        keys: what differs between them, the seed left out.
        unfinished: folder of a run without figures -> why, as far as it is known.
    """

    runs: Sequence[SweptRun]
    keys: Sequence[str]
    unfinished: Mapping[Path, str]

    def settings(self) -> list[Setting]:
        """The runs by what was varied, numbers in their order."""
        grouped: dict[tuple[str, ...], list[SweptRun]] = {}
        for run in self.runs:
            grouped.setdefault(tuple(run.settings[key] for key in self.keys), []).append(run)
        order = sorted(grouped, key=lambda values: [in_order(value) for value in values])
        return [Setting(dict(zip(self.keys, values, strict=True)), grouped[values]) for values in order]

    def best(self) -> SweptRun | None:
        """The run with the highest joint accuracy on validation items; None where no run has one."""
        known = [run for run in self.runs if run.validation is not None]
        return max(known, key=lambda run: run.validation or 0.0, default=None)


def in_order(value: str) -> tuple[int, float, str]:
    """A key that sorts numbers by size, and before words."""
    try:
        return 0, float(value), ""
    except ValueError:
        return 1, 0.0, value


def read_sweep(folders: Iterable[Path]) -> Sweep:
    """All runs below the folders; a control inside a run is none.

    Raises:
        InputFileError: naming a metrics.json that cannot be read.
    """
    places = sorted(
        {
            path.parent
            for folder in folders
            for path in folder.rglob(CONFIG_FILE)
            if "controls" not in path.relative_to(folder).parts and path.parent.name != ".hydra"
        }
    )
    done = [place for place in places if (place / METRICS_FILE).is_file()]
    said = {place: _overrides(place) for place in done}
    asked = dict.fromkeys(key for overrides in said.values() for key in overrides if not _serves(key))
    held = {place: _settings(place, said[place], asked) for place in done}
    keys = [key for key in asked if len({settings[key] for settings in held.values()}) > 1]
    runs = [SweptRun(place, held[place], read_run(place), _validation(place)) for place in done]
    unfinished = {place: _reason(place) for place in places if place not in held}
    return Sweep(runs, [key for key in keys if key != SEED], unfinished)


def _serves(key: str) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}/")) for name in SERVING)


def _overrides(place: Path) -> dict[str, str]:
    """The overrides of a run's command line by key."""
    found: Any = _yaml(place / ".hydra" / "overrides.yaml") or []
    pairs = (str(override).lstrip("+~").partition("=") for override in found)
    return {key: value for key, _, value in pairs}


def _settings(place: Path, said: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """What holds in a run for each key: what was said, else the group's choice, else the configuration's value."""
    hydra, config = _yaml(place / ".hydra" / "hydra.yaml"), _yaml(place / CONFIG_FILE)
    choices: Any = {} if hydra is None else OmegaConf.select(hydra, "hydra.runtime.choices") or {}

    def held(key: str) -> Any:
        if key in choices:
            return choices[key]
        return None if config is None else OmegaConf.select(config, key)

    return {key: said.get(key, str(held(key))) for key in keys}


def _yaml(path: Path) -> Any:
    try:
        loaded = OmegaConf.load(path)
    except (OSError, YAMLError, OmegaConfBaseException):
        return None
    return loaded if isinstance(loaded, DictConfig) else OmegaConf.to_container(loaded)


def _validation(place: Path) -> float | None:
    """Joint accuracy in the validation with the lowest cross-entropy, whose weights a run keeps."""
    try:
        with (place / "logs" / "metrics.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get(VALIDATION)]
    except OSError:
        return None
    if not rows:
        return None
    return float(min(rows, key=lambda row: float(row.get("val/cross_entropy") or 0.0))[VALIDATION])


def _reason(place: Path) -> str:
    """Why a run has no figures."""
    try:
        status = json.loads((place / STATUS_FILE).read_text(encoding="utf-8"))
        return f"{status['state']}{': ' if status.get('reason') else ''}{status.get('reason') or ''}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has no metrics.json"
