"""Room evaluation: what all probes share: how answers are told apart, and how figures are shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.sheets import number
from mixlab.evaluation.table import label_of
from mixlab.language.advice import Advice, Direction
from mixlab.scoring.bootstrap import SongBootstrap, mean_outcome
from mixlab.storage import write_whole
from mixlab.synthesis.problem import Problem

if TYPE_CHECKING:
    from rich.table import Table

Ask = Callable[[Sequence[Problem]], Sequence[Advice | None]]
"""Answers problems, in their order; None where an answer could not be read."""

Figure = tuple[float, float, float]
"""A figure and the ends of its 95 % interval by song."""


@dataclass(frozen=True)
class Probe:
    """What one probe found: figures by method, the model's under an empty name."""

    name: str
    items: int
    songs: int
    figures: Mapping[tuple[str, str], Figure]
    """(method, figure) -> value and interval."""

    def flat(self, prefix: str) -> dict[str, float]:
        """``probe/claim_swap/stays``, ``probe/claim_swap/text_only/stays``, each with ``_low`` and ``_high``."""
        flat = {f"{prefix}/{self.name}/items": float(self.items), f"{prefix}/{self.name}/songs": float(self.songs)}
        for (method, figure), (value, low, high) in self.figures.items():
            name = "/".join(part for part in (prefix, self.name, method, figure) if part)
            flat |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return flat


def spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """At most `count` problems without a claim, evenly taken from all, so that they come from many songs."""
    free = [problem for problem in problems if problem.claim is None]
    places = np.linspace(0, len(free) - 1, min(count, len(free))).round().astype(int)
    return [free[place] for place in places.tolist()]


def write_probes(folder: Path, probes: Sequence[Probe]) -> None:
    """Write ``probes.md`` and ``probes.csv`` into a folder."""
    lines = [
        "# Probes",
        "",
        "| probe | method | figure | value | 95 % by song | items |",
        "|---|---|---|---:|---:|---:|",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["probe", "method", "figure", "value", "low", "high", "items", "songs"])
    for probe in probes:
        for (method, figure), (value, low, high) in probe.figures.items():
            name = label_of(method or "model")
            interval = f"{number(low, figure)}\N{EN DASH}{number(high, figure)}"
            cells = (probe.name, name, figure, number(value, figure), interval, str(probe.items))
            lines.append("| " + " | ".join(cell.replace("_", " ") for cell in cells) + " |")
            writer.writerow([probe.name, method or "model", figure, value, low, high, probe.items, probe.songs])
    write_whole(folder / "probes.md", "\n".join(lines) + "\n")
    write_whole(folder / "probes.csv", text.getvalue())


def probes_table(probes: Sequence[Probe]) -> Table:
    """The figures for a terminal, one a line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title="Probes", title_justify="left", pad_edge=False, box=SIMPLE_HEAD, header_style="bold")
    for heading in ("probe", "method", "figure", "value", "95 %"):
        table.add_column(heading, justify="right" if heading in ("value", "95 %") else "left", no_wrap=True)
    for probe in probes:
        for (method, figure), (value, low, high) in probe.figures.items():
            interval = f"{number(low, figure)}\N{EN DASH}{number(high, figure)}"
            name = label_of(method or "model")
            table.add_row(probe.name, name, figure, number(value, figure), interval, style="" if method else "bold")
    return table


def probe_of(name: str, songs: Sequence[str], figures: Mapping[str, Mapping[str, ArrayLike]], resamples: int) -> Probe:
    """A probe from figures of each item: method -> figure -> one value per item, NaN where it does not apply."""
    bootstrap = SongBootstrap(songs, resamples)
    found: dict[tuple[str, str], Figure] = {}
    for method, values in figures.items():
        for figure, column in values.items():
            array = np.asarray(column, dtype=np.float64)
            if np.isfinite(array).any():
                found[method, figure] = (mean_outcome(array), *bootstrap.interval(array))
    return Probe(name, len(songs), bootstrap.song_count, found)


Class = frozenset[tuple[str, Direction]]


def answer_class(advice: Advice | None) -> Class | None:
    """What advice amounts to: the stems that it moves, each with its direction."""
    return None if advice is None else frozenset((move.stem, move.direction) for move in advice.moves)


def stays(answers: Sequence[Advice | None]) -> float:
    """1 if all answers can be read and amount to the same, else 0."""
    classes = {answer_class(answer) for answer in answers}
    return float(len(classes) == 1 and None not in classes)
