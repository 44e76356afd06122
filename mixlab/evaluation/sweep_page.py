"""Room evaluation: a sweep on a page: a row a run, settings over their seeds, heat maps, curves and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.evaluation.comparison import compare_methods
from mixlab.evaluation.comparison_page import pairs_sheet
from mixlab.evaluation.report import pages
from mixlab.evaluation.sheets import Figure, Line, Sheet, write_sheets
from mixlab.evaluation.sweep_figures import curve_figure, heat_figure, size_figure
from mixlab.evaluation.sweep_table import SEED, VALIDATION, Setting, Sweep, in_order
from mixlab.evaluation.table import COLUMNS, LABELS
from mixlab.scoring.prediction import read_predictions
from mixlab.storage import write_whole

JOINT = "test/joint_accuracy"
PAIRED = ("joint_accuracy", "gain_mae_db")
RESAMPLES, PERMUTATIONS = 1000, 4000
COLUMN_KEYS = {name: f"test/{name}" for name in COLUMNS} | {
    "own_joint_accuracy": "test_own/joint_accuracy",
    "shifted_joint_accuracy": "shifted/joint_accuracy",
    "residual_db": "closed_loop/residual_db",
}
HEADINGS = COLUMNS | {
    "own_joint_accuracy": "joint, own items",
    "shifted_joint_accuracy": "joint, shifted songs",
    "residual_db": "left over dB",
}


def write_sweep(sweep: Sweep, out: Path, notes: Sequence[str] = ()) -> Path:
    """Write ``report.html`` and its tables (``tables/``: Markdown and CSV) into a folder; returns the page.

    Args:
        notes: sentences that stand above the tables.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    from markupsafe import Markup

    settings = sweep.settings()
    paired, left_out = _paired(settings)
    sheets = [_runs(sweep), _settings(settings), *_shared_stems(settings), *paired]
    if sweep.unfinished:
        lines = [Line(str(folder), {"reason": reason}) for folder, reason in sweep.unfinished.items()]
        sheets.append(Sheet("unfinished", "Runs without figures", {"reason": "why"}, lines, "run"))
    sheets = [sheet for sheet in sheets if sheet.lines]
    write_sheets(out / "tables", sheets)
    page = pages().get_template("sweep.html.j2").render(
        title=f"{len(sweep.runs)} runs of {len(settings)} settings",
        notes=[*notes, *_best(sweep), *left_out],
        figures={caption: Markup(drawn) for caption, drawn in _figures(sweep, settings)},
        sheets=sheets,
        contents={sheet.name: sheet.title for sheet in sheets},
    )  # fmt: skip
    write_whole(out / "report.html", page)
    return out / "report.html"


def _runs(sweep: Sweep) -> Sheet:
    """One line a run, with every key that differs."""
    keys = [*sweep.keys, *([SEED] if any(SEED in run.settings for run in sweep.runs) else [])]
    columns = {f"setting_{number}": key for number, key in enumerate(keys)}
    used = _used(run.figures.figures for run in sweep.runs)
    lines = [
        Line(
            "/".join(run.folder.absolute().parts[-2:]),
            {column: run.settings.get(key, "") for column, key in columns.items()}
            | {column: run.figures.figure(COLUMN_KEYS[column]) for column in used}
            | {"validation": None if run.validation is None else (run.validation,) * 3},
        )
        for run in sweep.runs
    ]
    headings = columns | {column: HEADINGS[column] for column in used} | {"validation": "joint, validation"}
    caption = "Items without a claim in the prompt; 95 % intervals by song."
    return Sheet("runs", "All runs", headings, lines, "run", caption)


def _settings(settings: Sequence[Setting]) -> Sheet:
    """One line a setting, its seeds taken together, beside the baselines of those of its runs that have them."""
    used = _used(run.figures.figures for setting in settings for run in setting.runs)
    keys = {column: COLUMN_KEYS[column] for column in used} | {
        f"{name}_accuracy": f"baselines/{name}/joint_accuracy"
        for name in ("ridge", "loudness_rule", "loudness_rule_genre", "oracle")
    }
    headings = HEADINGS | {
        f"{name}_accuracy": LABELS[name] for name in ("ridge", "loudness_rule", "loudness_rule_genre", "oracle")
    }
    lines = [
        Line(
            setting.label,
            {"seeds": str(len(setting.runs))} | {column: setting.figure(key) for column, key in keys.items()},
        )
        for setting in settings
    ]
    known = [column for column in keys if any(line.cells[column] is not None for line in lines)]
    return Sheet(
        "settings",
        "By setting",
        {"seeds": "seeds"} | {column: headings[column] for column in known},
        lines,
        "setting",
        "Mean over seeds with the least and the greatest of them; of a single seed its 95 % interval by song. "
        "Baselines (joint accuracy) are those of the same items and inputs.",
    )


def _shared_stems(settings: Sequence[Setting]) -> list[Sheet]:
    """Joint accuracy by faulty stem, and of every two settings over the stems that may be at fault in both."""
    prefix, suffix = "test/faulty_stem=", "/joint_accuracy"
    stems = [
        {
            key.removeprefix(prefix).removesuffix(suffix)
            for run in setting.runs
            for key in run.figures.figures
            if key.startswith(prefix) and key.endswith(suffix)
        }
        for setting in settings
    ]
    if len(settings) < 2 or all(names == stems[0] for names in stems):
        return []
    every = sorted(set.union(*stems))
    found = [{stem: setting.figure(f"{prefix}{stem}{suffix}") for stem in every} for setting in settings]
    lines = [Line(setting.label, dict(cells)) for setting, cells in zip(settings, found, strict=True)]
    pairs = []
    for a, b in combinations(range(len(settings)), 2):
        shared = sorted((stems[a] & stems[b]) - {"balanced"})
        means = [float(np.mean([cells[stem][0] for stem in shared])) for cells in (found[a], found[b]) if shared]  # type: ignore[index]
        if means:
            label = f"{settings[a].label} and {settings[b].label}"
            first, second = ((mean,) * 3 for mean in means)
            pairs.append(Line(label, {"stems": ", ".join(shared), "first": first, "second": second}))
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
    """Paired tests between settings of the same items, and a sentence where some have others."""
    groups: dict[frozenset[Any], dict[str, list[Any]]] = {}
    for setting in settings:
        files = [run.folder / "predictions.jsonl" for run in setting.runs]
        if not all(file.is_file() for file in files):
            continue
        seeds = [read_predictions(file) for file in files]
        items = frozenset((p.problem.item_id, p.problem.anchor, p.problem.errors) for p in seeds[0])
        groups.setdefault(items, {})[setting.label] = seeds
    sheets = []
    for number, methods in enumerate((group for group in groups.values() if len(group) > 1), start=1):
        found = compare_methods(methods, PAIRED, RESAMPLES, PERMUTATIONS)
        sheet = pairs_sheet([entry.to_json() for entry in found])
        name = "pairs" if number == 1 else f"pairs_{number}"
        sheets.append(Sheet(name, sheet.title, sheet.columns, sheet.lines, sheet.label, sheet.caption))
    note = "Settings were asked different items, so that only those that share their items are tested in pairs."
    return sheets, [note] if len(groups) > 1 else []


def _best(sweep: Sweep) -> list[str]:
    best = sweep.best()
    if best is None:
        return ["No run has figures on validation songs, so that none is called the best."]
    return [
        f"Best by joint accuracy on validation songs ({VALIDATION} {best.validation:.3f}): "
        f"{'/'.join(best.folder.absolute().parts[-2:])}, which has {best.figures.figures.get(JOINT, float('nan')):.3f} "
        "on test songs."
    ]


def _figures(sweep: Sweep, settings: Sequence[Setting]) -> Iterable[tuple[str, str]]:
    """Captions and drawings: a curve for a numeric key, a heat map for two keys, accuracy by the size of the error."""
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
            means = {place: float(np.mean([value for value, _, _ in found])) for place, found in cells.items()}
            yield f"Joint accuracy by {first} and {second}", heat_figure(first, second, means)
    if settings:
        yield "Joint accuracy by size of the error", size_figure(settings)


def _used(figures: Iterable[Any]) -> list[str]:
    known = [dict(found) for found in figures]
    return [column for column, key in COLUMN_KEYS.items() if any(key in found for found in known)]
