"""The probes as sheets: one each for the report, and all in one list as files and for the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.escaping import csv_text
from mixlab.reports.sheets import Line, Sheet, alone
from mixlab.reports.table import label_of
from mixlab.scoring.probe import Probe
from mixlab.storage import write_whole

if TYPE_CHECKING:
    from rich.table import Table


def probe_sheets(probes: Sequence[Probe]) -> list[Sheet]:
    """A sheet a probe: methods down, figures across."""
    return [
        Sheet(
            f"probe_{probe.name}",
            probe.title,
            {
                figure: figure.replace("_at_db=", " at dB ").replace("_db", " dB").replace("_", " ")
                for figure in dict.fromkeys(figure for _, figure in probe.figures)
            },
            [
                Line(
                    label_of(method or "model"),
                    {figure: found for (whose, figure), found in probe.figures.items() if whose == method},
                    "baseline" if method else "model",
                )
                for method in dict.fromkeys(method for method, _ in probe.figures)
            ],
            "method",
            f"{probe.items} items of {probe.songs} songs. {probe.caption}",
        )
        for probe in probes
    ]


def probe_list(probes: Sequence[Probe]) -> Sheet:
    """All figures of all probes, one a line."""
    lines = [
        Line(
            probe.name.replace("_", " "),
            {"method": label_of(method or "model"), "figure": figure.replace("_", " "), "value": found,
             "items": alone(probe.items)},
            "" if method else "model",
            form=figure,
        )
        for probe in probes
        for (method, figure), found in probe.figures.items()
    ]  # fmt: skip
    columns = {"method": "method", "figure": "figure", "value": "value", "items": "items"}
    return Sheet("probes", "Probes", columns, lines, "probe")


def write_probes(folder: Path, probes: Sequence[Probe]) -> None:
    """Write ``probes.md`` and ``probes.csv`` into a folder."""
    rows = [
        [probe.name, method or "model", figure, *found, probe.items, probe.songs]
        for probe in probes
        for (method, figure), found in probe.figures.items()
    ]
    names = ["probe", "method", "figure", "value", "low", "high", "items", "songs"]
    write_whole(folder / "probes.csv", csv_text([names, *rows]))
    write_whole(folder / "probes.md", f"# Probes\n\n{probe_list(probes).markdown()}")


def probes_table(probes: Sequence[Probe]) -> Table:
    """The figures for a terminal, one a line."""
    return probe_list(probes).screen({"method": "method", "figure": "figure", "value": "value"}, ["value"])
