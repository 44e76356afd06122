"""The runs of a sweep as a tidy table: what was varied, what came of it, and what seeds change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mixlab.reports.sheets import spread
from mixlab.runs.folder import RunFolder, find_runs
from mixlab.scoring.bootstrap import Figure

SEED = "seed"
SERVING = ("name", "ckpt_path", "hydra", "paths", "callbacks", "logger", "evaluation/baselines",
           "evaluation.resamples", "evaluation.audio_examples", "evaluation.tuning_items", "data.workers")  # fmt: skip
"""Overrides, or groups of them, that say how a run is served and not what it is."""


@dataclass(frozen=True)
class SweptRun:
    """A run that came to its end.

    Attributes:
        run: its folder.
        settings: what holds in it for the keys that the command line of any run names.
    """

    run: RunFolder
    settings: Mapping[str, str]

    @cached_property
    def validation(self) -> Mapping[str, float]:
        """Figures on validation songs of the weights that were kept; empty where there were none."""
        best = self.run.best_validation
        return {} if best is None else best.figures

    @property
    def monitored(self) -> float | None:
        """That of them which chose the weights."""
        return self.validation.get(str(self.run.monitor))


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
        return spread([figure for swept in self.runs if (figure := swept.run.figure(key)) is not None])


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
        """The run that is best by the monitor that chose its weights, never by a figure on test songs.

        None where no run has validation figures, or where the runs chose by different monitors.
        """
        known = [(value, swept) for swept in self.runs if (value := swept.monitored) is not None]
        monitors = {swept.run.monitor for _, swept in known}
        if len(monitors) != 1:
            return None
        best = max if monitors.pop().mode == "max" else min
        return best(known, key=lambda found: found[0])[1]


def in_order(value: str) -> tuple[int, float, str]:
    """A key that sorts numbers by size, and before words."""
    try:
        return 0, float(value), ""
    except ValueError:
        return 1, 0.0, value


def read_sweep(folders: Iterable[Path]) -> Sweep:
    """All runs below the folders; a control inside a run is none.

    Raises:
        MixlabError: naming the file of a run that cannot be read.
    """
    found = {run.path: run for folder in folders for run in find_runs(folder)}
    done = [run for run in found.values() if run.is_evaluated]
    asked = dict.fromkeys(key for run in done for key in run.overrides if not _serves(key))
    runs = [SweptRun(run, {key: run.held(key) for key in asked}) for run in done]
    keys = [key for key in asked if key != SEED and len({run.settings[key] for run in runs}) > 1]
    return Sweep(runs, keys, {path: _reason(run) for path, run in found.items() if not run.is_evaluated})


def _serves(key: str) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}/")) for name in SERVING)


def _reason(run: RunFolder) -> str:
    """Why a run has no figures."""
    status = run.status
    if status is None:
        return "it has no metrics.json"
    return f"{run.state}: {status.reason}" if status.reason else run.state
