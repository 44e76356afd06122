"""What a run says of itself for a card: its figures, the songs that it heard, and their licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mixlab.errors import InputFileError
from mixlab.items.manifest import read_manifest
from mixlab.reports.sheets import Sheet
from mixlab.reports.table import figure_key, results_sheet_of
from mixlab.reports.verdict import verdict
from mixlab.runs.folder import RunFolder
from mixlab.scoring.bootstrap import Figure
from mixlab.settings import Plain
from mixlab.synthesis.licences import is_free

METRIC_TYPES = {"joint_accuracy": "accuracy", "direction_accuracy": "accuracy", "gain_mae_db": "mae"}
"""The figures that a model-index gets, by the Hub's name of the metric."""

KNOWN_DATA = {
    "demo": ("mixlab's own demo songs, composed and rendered by a program", ["CC0-1.0"]),
    "musdb18": ("MUSDB18", ["CC BY-NC-SA and restricted, non-commercial research only"]),
    "musdb18hq": ("MUSDB18-HQ", ["CC BY-NC-SA and restricted, non-commercial research only"]),
}
"""Data sets whose songs' licence is the same for everybody: what they are called, and the licences."""


@dataclass(frozen=True)
class RunRecord:
    """A run folder as a card needs it."""

    run: RunFolder

    @property
    def config(self) -> Mapping[str, Plain]:
        """The resolved configuration."""
        return self.run.config

    @property
    def is_demo(self) -> bool:
        """Whether it heard demo songs only."""
        return self.run.is_demo

    @cached_property
    def data(self) -> tuple[str, list[str]]:
        """What the songs are called, and their licences; an empty list where these are not known."""
        dataset = self.config.get("dataset")
        choice = dataset if isinstance(dataset, dict) else {}
        kind = str(choice.get("kind"))
        if kind in KNOWN_DATA:
            return KNOWN_DATA[kind]
        if kind == "jsonl":
            songs = read_manifest(Path(str(choice.get("root")))).songs.values()
            licences = {song["licence"] for song in songs}
            return "songs of an exported data set", [] if None in licences else sorted(licences)
        stated = choice.get("licence")
        return "multitracks of the publisher's own folder", [str(stated)] if stated else []

    @property
    def is_free(self) -> bool:
        """Whether every song that it learned from is under a licence that allows any use."""
        licences = self.data[1]
        return bool(licences) and all(is_free(licence) for licence in licences)

    def figure(self, column: str) -> Figure | None:
        """A figure of the model on the test items with the ends of its interval; None where it was not measured."""
        return self.run.figure(figure_key(column))

    def results(self) -> Sheet:
        """The table of all methods with their intervals, but for controls that had fewer steps."""
        trainer = self.config.get("trainer")
        steps = trainer.get("max_steps") if isinstance(trainer, Mapping) else None
        as_long = self.config.get("control_steps", steps) == steps
        return results_sheet_of(self.run, () if as_long else ("from_scratch", "lora_untrained_base"))

    def first_sentence(self) -> str:
        """Whether the model beats its rivals, whichever way it came out."""
        return verdict(self.run.metrics, "This model")


def read_run(folder: Path) -> RunRecord:
    """Read a run folder.

    Raises:
        InputFileError, CheckpointError: if its configuration or its figures are missing or cannot be read.
    """
    run = RunFolder(folder)
    if not run.is_run:
        raise InputFileError(
            f"{folder} holds no {run.config_file.name}, so it is no run folder; give the one that mixlab train wrote."
        )
    again = f"run mixlab evaluate checkpoint={folder}"
    if not run.is_evaluated:
        raise InputFileError(
            f"{folder} holds no {run.metrics_file.name}, and a card without figures says nothing; {again} first."
        )
    if missing := [name for name in ("test/joint_accuracy", "test/items", "test/songs") if name not in run.metrics]:
        raise InputFileError(f"{run.metrics_file} holds no figure '{missing[0]}'; {again} anew.")
    run.read_config()  # refused before anything is written, where a class is named that nobody could rebuild
    return RunRecord(run)
