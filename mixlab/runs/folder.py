"""Room runs: the folder of a run; one class knows its files, its status and its figures, and reads and writes them."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import CheckpointError, InputFileError
from mixlab.runs.axes import axes_of
from mixlab.runs.provenance import provenance
from mixlab.runs.reading import read_config
from mixlab.runs.settings import CallbacksSettings, Monitor, TrainSettings
from mixlab.runs.status import STATUS_FILE, Status, read_status, state_of
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.metrics import METRICS as REGISTERED
from mixlab.scoring.prediction import Prediction, read_predictions
from mixlab.settings import Parsed, Plain, Settings, parse
from mixlab.storage import write_whole

CONFIG = "config.yaml"
METRICS = "metrics.json"
CONTROLS = "controls"


@dataclass(frozen=True)
class Validation:
    """The validation whose weights a run keeps: its step, and its figures by name (``val/joint_accuracy``)."""

    step: int
    figures: Mapping[str, float]


class RunFolder:
    """A folder that says all about one run.

    Args:
        path: of the folder; it need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser()

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    # Where things lie

    @property
    def name(self) -> str:
        """The folder's name, with that of the folder above it."""
        return "/".join(self.path.absolute().parts[-2:])

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / CONFIG

    @property
    def evaluation_file(self) -> Path:
        """The configuration of an evaluation that was made apart from training."""
        return self.path / "evaluation.yaml"

    @property
    def metrics_file(self) -> Path:
        """Every figure, flat."""
        return self.path / METRICS

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def tables(self) -> Path:
        """Every table as CSV and Markdown."""
        return self.path / "tables"

    @property
    def adapter(self) -> Path:
        """The adapter in PEFT's format, with processor and description."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """What a run goes on from."""
        return self.checkpoints / "last.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        """The weights that are evaluated."""
        return self.checkpoints / "best.ckpt"

    @property
    def training_log(self) -> Path:
        """Metrics by step, as CSV."""
        return self.path / "logs" / "metrics.csv"

    def predictions_file(self, split: str = "test") -> Path:
        """The items of a split with their answers."""
        return self.path / ("predictions.jsonl" if split == "test" else f"predictions-{split}.jsonl")

    def control(self, name: str) -> RunFolder:
        """The folder of a control run within this one."""
        return RunFolder(self.path / CONTROLS / name)

    @property
    def controls(self) -> list[RunFolder]:
        """The control runs that left an adapter."""
        return [RunFolder(path.parent) for path in sorted((self.path / CONTROLS).glob("*/adapter"))]

    @property
    def is_control(self) -> bool:
        """Whether it is a control within a run folder."""
        return self.path.parent.name == CONTROLS

    # What was asked

    @property
    def is_run(self) -> bool:
        """Whether it holds a run's configuration."""
        return self.config_file.is_file()

    @property
    def is_evaluated(self) -> bool:
        """Whether it holds figures."""
        return self.metrics_file.is_file()

    @cached_property
    def config(self) -> Mapping[str, Plain]:
        """The configuration as plain values.

        Raises:
            CheckpointError: if it cannot be read, or names something to be called.
        """
        return read_config(self.config_file if self.is_run else self.evaluation_file)

    @cached_property
    def settings(self) -> TrainSettings:
        """The configuration of a training run.

        Raises:
            CheckpointError: if it cannot be read, or is that of another version and does not fit this one.
        """
        return self.read(TrainSettings)

    def read(self, kind: type[Parsed], *groups: str) -> Parsed:
        """The configuration, or some of its groups, as settings of a kind."""
        values = {key: self.config[key] for key in groups if key in self.config} if groups else self.config
        return parse(values, kind, str(self.config_file))

    def write_config(self, settings: Settings) -> None:
        """Keep the resolved configuration, and what the run is made with.

        Plugins stand with the latter: the configuration may be read again, and a folder names no modules.
        """
        values = settings.plain()
        made_with = provenance() | {"plugins": values.pop("plugins", [])}
        write_whole(self.config_file, to_yaml(values))
        write_whole(self.path / "provenance.json", json.dumps(made_with, indent=1) + "\n")

    @property
    def is_demo(self) -> bool:
        """Whether its songs are demo songs, which show that the framework works and nothing of music."""
        dataset = self.config.get("dataset")
        if not isinstance(dataset, Mapping):
            return False
        if dataset.get("kind") == "jsonl":
            from mixlab.items.manifest import read_manifest

            return read_manifest(Path(str(dataset["root"]))).balance_db is not None
        return dataset.get("kind") == "demo"

    @cached_property
    def overrides(self) -> Mapping[str, str]:
        """What its command line said, by key; empty where nothing is known of it."""
        pairs = (str(override).lstrip("+~").partition("=") for override in self._hydra("overrides.yaml") or ())
        return {key: value for key, _, value in pairs}

    @cached_property
    def choices(self) -> Mapping[str, str]:
        """What was chosen of each group; empty where nothing is known of it."""
        found = self._hydra("hydra.yaml") or {}
        return found.get("hydra", {}).get("runtime", {}).get("choices", {})

    def held(self, key: str) -> str:
        """What holds for a key, in words: what the command line said, the choice of a group, or a value by its path."""
        for known in (self.overrides, self.choices):
            if key in known:
                return str(known[key])
        node: object = self.config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return str(node)

    def _hydra(self, name: str) -> Any:
        """What Hydra wrote down; None where it did not, or that cannot be read."""
        try:
            return yaml.safe_load((self.path / ".hydra" / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None

    @property
    def axes(self) -> dict[str, str | int | None]:
        """Where the run stands on the axes that are swept."""
        return axes_of(self.settings)

    # What came of it

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Every figure, flat.

        Raises:
            InputFileError: naming the file, if it is missing or holds no flat figures.
        """
        try:
            figures = json.loads(self.metrics_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InputFileError(
                f"{self.metrics_file} cannot be read ({error}); give the folder of a run that was evaluated."
            ) from error
        if not isinstance(figures, dict) or not all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in figures.values()
        ):
            raise InputFileError(
                f"{self.metrics_file} is no object of numbers by name; give the folder of a run that was evaluated."
            )
        # Figures of before a metric was renamed are found under its name of today as well.
        older = [(f"/{metric.was}", f"/{metric.name}") for metric in REGISTERED.values() if metric.was]
        renamed = {key.replace(*names): value for key, value in figures.items() for names in older}
        return {key: float(value) for key, value in (renamed | figures).items()}

    def write_metrics(self, figures: Mapping[str, float]) -> None:
        """Keep every figure."""
        write_whole(self.metrics_file, json.dumps(dict(figures), indent=1, sort_keys=True) + "\n")
        self.__dict__.pop("metrics", None)

    def figure(self, key: str) -> Figure | None:
        """A figure with the ends of its interval, or None where the run does not have it."""
        if key not in self.metrics:
            return None
        value = self.metrics[key]
        return value, self.metrics.get(f"{key}_low", value), self.metrics.get(f"{key}_high", value)

    def predictions(self, split: str = "test") -> list[Prediction]:
        """The answers to the items of a split.

        Raises:
            InputFileError: if there are none.
        """
        return predictions_at(self.predictions_file(split))

    @property
    def curve(self) -> list[dict[str, float]]:
        """The rows of the training log, numbers as floats, empty cells left out."""
        if not self.training_log.is_file():
            return []
        with self.training_log.open(newline="", encoding="utf-8") as handle:
            return [
                {key: number for key, value in row.items() if key and (number := _number(value)) is not None}
                for row in csv.DictReader(handle)
            ]

    @property
    def monitor(self) -> Monitor:
        """The validation figure that chose the weights."""
        values = self.config.get("callbacks")
        return parse(values, CallbacksSettings).monitor if isinstance(values, Mapping) else Monitor.CROSS_ENTROPY

    @property
    def best_validation(self) -> Validation | None:
        """The validation whose weights were kept, by the run's own monitor; None where there was none."""
        monitor = self.monitor
        rows = [row for row in self.curve if str(monitor) in row]
        if not rows:
            return None
        best = (max if monitor.mode == "max" else min)(rows, key=lambda row: row[str(monitor)])
        # Losses and generated answers of one validation may stand in rows of their own.
        figures = {k: v for row in self.curve if row.get("step") == best.get("step") for k, v in row.items()}
        return Validation(int(best.get("step", 0)), {k: v for k, v in figures.items() if k.startswith("val/")})

    # How it goes

    @property
    def status(self) -> Status | None:
        """What the folder says of its run; None if nothing, or nothing that can be read."""
        return read_status(self.path)

    @property
    def state(self) -> str:
        """The state of the run as it is: waiting, running, killed, done, failed or stopped."""
        return state_of(self.path, self.status)

    @property
    def checkpoint_to_resume(self) -> Path:
        """The newest checkpoint.

        Raises:
            CheckpointError: if there is none.
        """
        if not self.last_checkpoint.is_file():
            raise CheckpointError(f"{self.last_checkpoint} does not exist; give a run folder or a .ckpt.")
        return self.last_checkpoint

    def discard_if_nothing_was_done(self) -> None:
        """Remove the folder of a command line that was refused: one that holds no more than Hydra's and its status."""
        kept = {".hydra", STATUS_FILE, CONFIG, "provenance.json"}
        if self.path.is_dir() and all(entry.name in kept or entry.suffix == ".log" for entry in self.path.iterdir()):
            shutil.rmtree(self.path, ignore_errors=True)


def find_runs(folder: Path) -> Iterator[RunFolder]:
    """The runs that a folder is or holds, sorted; controls inside a run are none."""
    for path in sorted(folder.rglob(CONFIG)):
        if CONTROLS not in path.relative_to(folder).parts and path.parent.name != ".hydra":
            yield RunFolder(path.parent)


def predictions_file(place: Path | str) -> Path:
    """The test predictions of a run folder; a file is itself."""
    path = Path(place).expanduser()
    return RunFolder(path).predictions_file() if path.is_dir() else path


def predictions_at(place: Path | str) -> list[Prediction]:
    """The test predictions of a run folder, or those in a file.

    Raises:
        InputFileError: naming the file, if there are none or one cannot be read.
    """
    file = predictions_file(place)
    found = read_predictions(file)
    if not found:
        raise InputFileError(f"{file} holds no predictions; give a run that was evaluated.")
    return found


def to_yaml(values: Mapping[str, object]) -> str:
    """Plain values as YAML, keys in their order."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
