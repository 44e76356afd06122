"""Room hub: what a run says of itself for a card: its figures, the songs that it heard, and their licence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import InputFileError
from mixlab.evaluation.results import RULES
from mixlab.evaluation.sheets import Figure, Line, Sheet
from mixlab.evaluation.summary import points
from mixlab.evaluation.table import COLUMNS, RESULTS_CAPTION, label_of
from mixlab.hub.licences import is_free

LOOP = ("residual_db", "harm_db")
"""Columns that lie below ``closed_loop/`` among the figures."""

METRIC_TYPES = {"joint_accuracy": "accuracy", "direction_accuracy": "accuracy", "gain_mae_db": "mae"}
"""The figures that a model-index gets, by the Hub's name of the metric."""

KNOWN_DATA = {
    "DemoSource": ("mixlab's own demo songs, composed and rendered by a program", ["CC0-1.0"]),
    "Musdb18": ("MUSDB18", ["CC BY-NC-SA and restricted, non-commercial research only"]),
    "Musdb18HQ": ("MUSDB18-HQ", ["CC BY-NC-SA and restricted, non-commercial research only"]),
}
"""Sources whose songs' licence is the same for everybody: what they are called, and the licences."""


@dataclass(frozen=True)
class RunRecord:
    """A run folder as a card needs it.

    Attributes:
        config: its resolved configuration.
        metrics: the flat figures of its evaluation.
    """

    folder: Path
    config: Mapping[str, Any]
    metrics: Mapping[str, float]

    @property
    def is_demo(self) -> bool:
        """Whether it heard demo songs only."""
        return self._source == "DemoSource"

    @property
    def _source(self) -> str:
        return str(self.config["dataset"]["_target_"]).rsplit(".", 1)[-1]

    @cached_property
    def data(self) -> tuple[str, list[str]]:
        """What the songs are called, and their licences; an empty list where these are not known."""
        dataset = self.config["dataset"]
        if self._source in KNOWN_DATA:
            return KNOWN_DATA[self._source]
        if self._source == "ExportedSet":
            from mixlab.data.manifest import read_manifest

            songs = read_manifest(Path(dataset["root"])).songs.values()
            licences = {song["licence"] for song in songs}
            return "songs of an exported data set", [] if None in licences else sorted(licences)
        stated = dataset.get("licence")
        return "multitracks of the publisher's own folder", [stated] if stated else []

    @property
    def is_free(self) -> bool:
        """Whether every song that it learned from is under a licence that allows any use."""
        licences = self.data[1]
        return bool(licences) and all(is_free(licence) for licence in licences)

    def figure(self, method: str, column: str) -> Figure | None:
        """A figure of a method on the test items with the ends of its interval; None where it was not measured."""
        lead = "" if method == "model" else f"baselines/{method}/"
        if column in LOOP:
            name = f"{lead}closed_loop/{column}"
        else:
            name = f"test/{column}" if method == "model" else f"{lead}{column}"
        if name not in self.metrics:
            return None
        value = self.metrics[name]
        return value, self.metrics.get(f"{name}_low", value), self.metrics.get(f"{name}_high", value)

    @property
    def methods(self) -> list[str]:
        """The model and all that stands beside it: variants of it, baselines, the oracle last."""
        found = {name.split("/")[1] for name in self.metrics if name.startswith("baselines/")}
        order = list(label_order())
        return ["model", *sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))]

    def results(self) -> Sheet:
        """The table of all methods with their intervals."""
        lines = []
        for method in self.methods:
            cells = {column: self.figure(method, column) for column in COLUMNS}
            short = method in ("from_scratch", "lora_untrained_base") and "control_steps" in self.config
            detail = f", {self.config['control_steps']} steps" if short else ""
            lines.append(Line(f"{label_of(method)}{detail}", cells))
        used = {c: name for c, name in COLUMNS.items() if any(line.cells[c] is not None for line in lines)}
        return Sheet("results", "", used, lines, "method", RESULTS_CAPTION)

    def first_sentence(self) -> str:
        """Whether the model beats the loudness rule, whichever way it came out."""
        genres_known = any(name.startswith("test/genre=") for name in self.metrics)
        for name, words in RULES.items():
            lead = self.figure(name, "model_lead")
            model, rule = self.figure("model", "joint_accuracy"), self.figure(name, "joint_accuracy")
            if lead is None or model is None or rule is None or (name != "loudness_rule" and not genres_known):
                continue
            if lead[1] > 0:
                verdict = f"This model beats {words}"
            elif lead[2] < 0:
                verdict = f"This model does not beat {words}, which is ahead"
            else:
                verdict = f"This model does not clearly beat {words}, nor the rule the model"
            items, songs = (round(self.metrics[f"test/{count}"]) for count in ("items", "songs"))
            return (
                f"{verdict}: it names the right stem and direction in {100 * model[0]:.1f} % of {items} test items of "
                f"{songs} songs, the rule in {100 * rule[0]:.1f} %, a difference of {points(lead[0])} points (95 % "
                f"interval, paired and resampled by song: {points(lead[1])} to {points(lead[2])})."
            )
        return "No loudness rule was evaluated beside this model, so nothing is known of what it adds to one."


def label_order() -> tuple[str, ...]:
    """Methods in the order of the tables."""
    from mixlab.evaluation.table import LABELS

    return tuple(LABELS)


def read_run(folder: Path) -> RunRecord:
    """Read a run folder.

    Raises:
        InputFileError: if its configuration or its figures are missing or cannot be read.
    """
    config, metrics = folder / "config.yaml", folder / "metrics.json"
    if not config.is_file():
        raise InputFileError(
            f"{folder} holds no {config.name}, so it is no run folder; give the one that python -m mixlab.train wrote."
        )
    if not metrics.is_file():
        raise InputFileError(
            f"{folder} holds no {metrics.name}, and a card without figures says nothing; run python -m mixlab.evaluate "
            f"checkpoint={folder} first."
        )
    try:
        record = RunRecord(folder, yaml.safe_load(config.read_text()), json.loads(metrics.read_text()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        raise InputFileError(
            f"The configuration or the figures in {folder} cannot be read ({first}); copy it again."
        ) from error
    if missing := [name for name in ("test/joint_accuracy", "test/items", "test/songs") if name not in record.metrics]:
        raise InputFileError(
            f"{metrics} holds no figure '{missing[0]}'; run python -m mixlab.evaluate checkpoint={folder} anew."
        )
    return record
