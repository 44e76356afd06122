"""A sweep on a page: a row a run, settings over their seeds, tests over runs, learning curves and maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import InputFileError
from mixlab.reports.comparison import pairs_sheet
from mixlab.reports.comparison_page import groups_of
from mixlab.reports.learning_curves import LearningCurve, learning_curves, learning_sheet
from mixlab.reports.pages import DEMO_STATEMENT, write_sheets_page
from mixlab.reports.sheets import Line, Sheet, alone
from mixlab.reports.sweep_table import SEED, Setting, Sweep, in_order, read_sweep
from mixlab.reports.table import CEILINGS, columns, figure_key, label_of
from mixlab.runs.folder import RunFolder
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.comparison import compare_methods

JOINT = "test/joint_accuracy"
PAIRED = ("joint_accuracy", "gain_mae_db")
RESAMPLES, PERMUTATIONS = 1000, 4000
RIVALS = (
    "ridge",
    "loudness_rule",
    "loudness_rule_genre",
    "bayes_heard",
    "bayes_known",
    "anchor_deaf",
    "boosting",
    "oracle",
)
"""Baselines that stand beside the settings."""


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Read all runs below the folders and write ``report.html`` with its tables (``tables/``: Markdown and CSV).

    Args:
        out: a folder; None for ``report/`` in the first of the folders.

    Returns:
        The page.

    Raises:
        InputFileError: if a folder does not exist or no run below has figures.
        MixlabError: naming the file of a run that cannot be read, or the folder that cannot be written to.
    """
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise InputFileError(f"There is no folder {missing[0]}; give the folder of a sweep, or of several runs.")
    sweep = read_sweep(folders)
    if not sweep.runs:
        why = "; ".join(f"{folder.name}: {reason}" for folder, reason in list(sweep.unfinished.items())[:3])
        raise InputFileError(
            f"No run below {folders[0]} has a metrics.json{f' ({why})' if why else ''}; give the folder of a sweep of "
            "which at least one run has ended."
        )
    settings = sweep.settings()
    paired, left_out = _paired(settings)
    unfinished = [Line(str(folder), {"reason": reason}) for folder, reason in sweep.unfinished.items()]
    curves = learning_curves(settings)
    sheets = [_runs(sweep), _settings(settings), *_shared_stems(settings), *paired, learning_sheet(curves)]
    sheets.append(Sheet("unfinished", "Runs without figures", {"reason": "why"}, unfinished, "run"))
    songs = {int(swept.run.metrics.get("test/songs", 0)) for swept in sweep.runs}
    statements = [DEMO_STATEMENT] if all(swept.run.is_demo for swept in sweep.runs) else []
    statements += [f"Test songs a run: {', '.join(map(str, sorted(songs)))}.", _best(sweep), *left_out]
    return write_sheets_page(
        (out or folders[0] / "report") / "report.html",
        f"{len(sweep.runs)} runs of {len(settings)} settings",
        [sheet for sheet in sheets if sheet.lines],
        dict(_figures(sweep, settings, curves)),
        statements,
    )


def _used(runs: Iterable[RunFolder]) -> dict[str, tuple[str, str]]:
    """The columns of which any run has figures: heading and key."""
    found = {column: (heading, figure_key(column)) for column, heading in columns().items()}
    found |= {
        "own_joint_accuracy": ("joint, own items", "test_own/joint_accuracy"),
        "shifted_joint_accuracy": ("joint, shifted songs", "shifted/joint_accuracy"),
    }
    keys = {key for run in runs for key in run.metrics}
    return {column: (heading, key) for column, (heading, key) in found.items() if key in keys}


def _runs(sweep: Sweep) -> Sheet:
    """One line a run, with every key that differs."""
    keys = [*sweep.keys, *([SEED] if any(SEED in swept.settings for swept in sweep.runs) else [])]
    varied = {f"setting_{number}": key for number, key in enumerate(keys)}
    used = _used(swept.run for swept in sweep.runs)
    lines = [
        Line(
            swept.run.name,
            {column: swept.settings.get(key, "") for column, key in varied.items()}
            | {column: swept.run.figure(key) for column, (_, key) in used.items()}
            | {"monitor": _plain(swept.monitored), "validation": _plain(swept.validation.get("val/joint_accuracy"))},
        )
        for swept in sweep.runs
    ]
    monitors = ", ".join(sorted({str(swept.run.monitor) for swept in sweep.runs}))
    headings = varied | {column: heading for column, (heading, _) in used.items()} | {"monitor": monitors}
    headings |= {"validation": "joint, validation"}
    caption = "Items without a claim in the prompt; 95 % intervals by song. Last: validation songs, by weights kept."
    return Sheet("runs", "All runs", headings, lines, "run", caption)


def _settings(settings: Sequence[Setting]) -> Sheet:
    """One line a setting, its seeds taken together, beside the baselines of those of its runs that have them."""
    used = _used(swept.run for setting in settings for swept in setting.runs)
    used |= {f"{name}_accuracy": (label_of(name), figure_key("joint_accuracy", name)) for name in RIVALS}
    used |= {f"ceiling_{name}": (label, f"ceiling/{name}") for name, label in CEILINGS.items()}
    lines = [
        Line(
            setting.label,
            {"seeds": str(len(setting.runs))} | {column: setting.figure(key) for column, (_, key) in used.items()},
        )
        for setting in settings
    ]
    known = {c: heading for c, (heading, _) in used.items() if any(line.cells[c] is not None for line in lines)}
    return Sheet(
        "settings",
        "By setting",
        {"seeds": "seeds"} | known,
        lines,
        "setting",
        "Mean over seeds with the least and the greatest of them; of a single seed its 95 % interval by song. "
        "Baselines (joint accuracy) are those of the same items and inputs.",
    )


def _shared_stems(settings: Sequence[Setting]) -> list[Sheet]:
    """Joint accuracy by faulty stem, and of every two settings over the stems that may be at fault in both."""
    stems = [
        {stem for swept in setting.runs for stem in groups_of(swept.run.metrics, "faulty_stem")} for setting in settings
    ]
    if len(settings) < 2 or all(names == stems[0] for names in stems):
        return []
    every = sorted(set.union(*stems))
    found = [
        {stem: setting.figure(f"test/faulty_stem={stem}/joint_accuracy") for stem in every} for setting in settings
    ]
    lines = [Line(setting.label, dict(cells)) for setting, cells in zip(settings, found, strict=True)]
    pairs = []
    for a, b in combinations(range(len(settings)), 2):
        shared = sorted((stems[a] & stems[b]) - {"balanced"})
        if shared:
            label = f"{settings[a].label} and {settings[b].label}"
            first, second = (_mean(cells[stem] for stem in shared) for cells in (found[a], found[b]))
            pairs.append(Line(label, {"stems": ", ".join(shared), "first": alone(first), "second": alone(second)}))
    caption = (
        "Settings whose items have other stems at fault (another anchor) can be compared on shared ones alone, and not "
        "item by item: the errors drawn are others."
    )
    headings = {"stems": "stems shared", "first": "first", "second": "second"}
    return [
        Sheet("faulty_stem", "By faulty stem", {stem: stem for stem in every}, lines, "setting", caption),
        Sheet("shared_stems", "Two settings on the stems that both may have at fault", headings, pairs, "settings"),
    ]


def _paired(settings: Sequence[Setting]) -> tuple[list[Sheet], list[str]]:
    """Tests of settings over their runs, on the same items, and a sentence where some have others."""
    groups: dict[frozenset[Any], dict[str, list[Any]]] = {}
    for setting in settings:
        if not all(swept.run.predictions_file().is_file() for swept in setting.runs):
            continue
        # A seed that ran twice would count as two runs, with no spread between them.
        seeds = [run.predictions() for run in {swept.run.held(SEED): swept.run for swept in setting.runs}.values()]
        items = frozenset((p.problem.item_id, p.problem.anchor, p.problem.errors) for p in seeds[0])
        groups.setdefault(items, {})[setting.label] = seeds
    sheets = []
    for number, methods in enumerate((group for group in groups.values() if len(group) > 1), start=1):
        found = compare_methods(methods, PAIRED, RESAMPLES, PERMUTATIONS, of_settings=True)
        sheets.append(pairs_sheet([entry.to_json() for entry in found], "pairs" if number == 1 else f"pairs_{number}"))
    note = "Settings were asked different items, so that only those that share their items are tested in pairs."
    return sheets, [note] if len(groups) > 1 else []


def _best(sweep: Sweep) -> str:
    best = sweep.best()
    if best is not None:
        joint = best.run.metrics.get(JOINT, float("nan"))
        return (
            f"Best on validation songs, by what chose the weights ({best.run.monitor} {best.monitored:.3f}): "
            f"{best.run.name}, which has a joint accuracy of {joint:.3f} on test songs."
        )
    if any(swept.validation for swept in sweep.runs):
        return "The runs chose their weights by different figures, so that none is called the best."
    return "No run has figures on validation songs, so that none is called the best."


def _figures(sweep: Sweep, settings: Sequence[Setting], curves: Sequence[LearningCurve]) -> Iterable[tuple[str, str]]:
    """Drawings by caption, or by the sheet that they stand with: learning curves, a curve for a numeric key, a heat map
    for two keys, accuracy by the size of the error.
    """
    from mixlab.reports.sweep_figures import curve_figure, heat_figure, learning_figure, size_figure

    if curves:
        yield "learning", learning_figure(curves)
    for key in sweep.keys:
        values = list(dict.fromkeys(setting.values[key] for setting in settings))
        if len(values) > 1 and all(in_order(value)[0] == 0 for value in values):
            yield f"Joint accuracy by {key}", curve_figure(key, settings, JOINT)
    for first, second in [(a, b) for i, a in enumerate(sweep.keys) for b in sweep.keys[i + 1 :]]:
        cells: dict[tuple[str, str], list[Figure]] = {}
        for setting in settings:
            if (figure := setting.figure(JOINT)) is not None:
                cells.setdefault((setting.values[first], setting.values[second]), []).append(figure)
        if len(cells) > 3:
            means = {place: _mean(found) for place, found in cells.items()}
            yield f"Joint accuracy by {first} and {second}", heat_figure(first, second, means)
    if settings:
        yield "Joint accuracy by size of the error", size_figure(settings)


def _plain(value: float | None) -> Figure | None:
    return None if value is None else alone(value)


def _mean(figures: Iterable[Figure | None]) -> float:
    return float(np.mean([figure[0] for figure in figures if figure is not None]))
