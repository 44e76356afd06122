"""The figures of a run's report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mixlab.reports.drawing import INK, MUTED, SERIES, dots, draw, svg
from mixlab.reports.sheets import Sheet
from mixlab.reports.table import label_of, row_label
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.calibration import Calibration
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.metrics import TOLERANCES_DB
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.psychometric import ALL, Curve
from mixlab.scoring.results import HEARD, Row

BY_SIZE = ("loudness_rule_genre", "ridge", "oracle")
"""The methods compared with the model by size of error: more lines than these cannot be told apart."""

MOST_POINTS = 2000
"""Points in a scatter plot; beyond, every n-th item is drawn."""


def methods_figure(rows: Sequence[Row]) -> str:
    """Joint accuracy of every method with its interval, the best on top."""
    colours = {"model": SERIES[0], "control": SERIES[1]}
    found = [(row_label(row), row.figure("joint_accuracy"), colours.get(row.kind, MUTED)) for row in rows]
    return _ranked(found, "methods")


def runs_figure(found: Mapping[str, Figure | None]) -> str:
    """Joint accuracy of every run with its interval, the best on top."""
    return _ranked([(name, figure, SERIES[0]) for name, figure in found.items()], "runs")


def _ranked(found: Sequence[tuple[str, Figure | None, str]], name: str) -> str:
    """Labels with their figures and colours, as points with intervals."""
    shown = sorted(((label, f, colour) for label, f, colour in found if f is not None), key=lambda entry: entry[1][0])
    figure, (axes,) = draw(1, height=0.6 + 0.32 * max(3, len(shown)), margin_left=0.34)
    for index, (_, (value, low, high), colour) in enumerate(shown):
        axes.plot([low, high], [index, index], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot(value, index, "o", color=colour, markersize=7)
        axes.annotate(f"{value:.3f}", (max(value, high), index), (8, 0), textcoords="offset points", va="center",
                      color=INK, fontsize=9)  # fmt: skip
    axes.set_yticks(range(len(shown)), [label for label, _, _ in shown])
    axes.set_xlim(0, 1.08)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel("joint accuracy (stem and direction), 95 % interval by song")
    axes.grid(axis="y", visible=False)
    return svg(figure, name)


def size_figure(rows: Sequence[Row]) -> str:
    """Joint accuracy against the size of the error, for the model and the methods that it has to stand beside."""
    figure, (axes,) = draw(1, height=3.6, width=6.2)
    chosen = _chosen(rows)
    sizes = list(dict.fromkeys(size for row in chosen for size in row.scores.groups.get("size_db", {})))
    for index, row in enumerate(chosen):
        groups, shift = row.scores.groups.get("size_db", {}), 0.07 * (index - (len(chosen) - 1) / 2)
        found = [(i + shift, groups[size].figure("joint_accuracy")) for i, size in enumerate(sizes) if size in groups]
        points = [(place, value) for place, value in found if value is not None]
        dots(axes, points, SERIES[index % len(SERIES)], label=row_label(row))
    axes.set_xticks(range(len(sizes)), [size if size == "balanced" else f"{size} dB" for size in sizes])
    axes.set_ylim(0, 1.04)
    axes.set_ylabel("joint accuracy")
    axes.set_xlabel("size of the error")
    if chosen:
        axes.legend(loc="lower right")
    return svg(figure, "size")


def _chosen(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.kind == "model" or row.method in BY_SIZE]


def tolerance_figure(rows: Sequence[Row]) -> str:
    """Jointly right with a gain within a tolerance of the needed one, against the tolerance; last, with any."""
    figure, (axes,) = draw(1, height=3.2, width=6.2)
    places = [f"within_{size_db}_db" for size_db in TOLERANCES_DB] + ["joint_accuracy"]
    for index, row in enumerate(_chosen(rows)):
        shift = 0.07 * (index - 1.5)
        points = [(place + shift, value) for place, name in enumerate(places) if (value := row.figure(name))]
        dots(axes, points, SERIES[index % len(SERIES)], label=row_label(row))
    axes.set_xticks(range(len(places)), [*(f"{size_db} dB" for size_db in TOLERANCES_DB), "any"])
    axes.set_ylim(0, 1.04)
    axes.set_ylabel("right within tolerance")
    axes.set_xlabel("tolerance of the gain")
    axes.legend(loc="upper left", ncols=2)
    return svg(figure, "tolerance")


def psychometric_figure(found: Mapping[str, Mapping[str, Curve]]) -> str:
    """The share found against the size of the error, a panel a stem: points by doubling and fitted curves; or empty."""
    shown = {name: curves for name, curves in found.items() if name in (next(iter(found)), *BY_SIZE)}
    if not shown:
        return ""
    stems = list(next(iter(shown.values())))
    figure, all_axes = draw(len(stems), height=3.2, width=2.4 * len(stems) + 0.6, margin_left=0.07)
    for axes, stem in zip(all_axes, stems, strict=True):
        for index, (name, curves) in enumerate(shown.items()):
            curve, colour, shift = curves[stem], SERIES[index % len(SERIES)], 1.0 + 0.04 * (index - 1.5)
            middles = [(shift * math.sqrt(size.low_db * size.high_db), size.found) for size in curve.sizes]
            dots(axes, middles, colour, "o", label_of(name))
            sizes_db = np.geomspace(curve.sizes[0].low_db, curve.sizes[-1].high_db, 60)
            axes.plot(sizes_db, curve.share(sizes_db), color=colour, linewidth=1.4)
        axes.set_xscale("log", base=2)
        ticks = [size.low_db for size in shown[name][stem].sizes]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(0, 1.04)
        axes.set_xlabel(f"size of the error, dB: {'all stems' if stem == ALL else stem}")
    all_axes[0].set_ylabel("share found")
    all_axes[0].legend(loc="upper left", bbox_to_anchor=(0.0, -0.2), ncols=4)
    return svg(figure, "psychometric")


def calibration_figure(found: Calibration | None) -> str:
    """The share that is right against what is said, in bins; beside it joint accuracy against coverage; or empty."""
    if found is None:
        return ""
    figure, (reliability, coverage) = draw(2, height=3.4, width=7.4)
    reliability.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    dots(reliability, [(part.said, part.right) for part in found.bins], SERIES[0])
    reliability.set_xlim(0, 1.04)
    reliability.set_xlabel("probability that the model says")
    reliability.set_ylabel("share that is right")
    dots(coverage, [(share, right) for share, (_, right) in found.coverage.items()], SERIES[0])
    coverage.set_xlim(0, 1.04)
    coverage.set_xlabel("share of answers kept, surest first")
    coverage.set_ylabel("joint accuracy")
    for axes in (reliability, coverage):
        axes.set_ylim(0, 1.04)
    return svg(figure, "calibration")


def gain_figure(predictions: Sequence[Prediction]) -> str:
    """Gain advised for the faulty stem against the gain needed; what misses the stem lies on zero."""
    figure, (axes,) = draw(1, height=4.2, width=5.2, margin_left=0.14)
    groups: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for needed_db, advised_db, is_right in gain_points(predictions):
        groups[is_right].append((needed_db, advised_db))
    everything = [abs(value) for points in groups.values() for point in points for value in point]
    reach = max(everything, default=6.0) + 1.0
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=1, linestyle="--")
    for is_right, name, colour in ((True, "stem and direction right", SERIES[0]), (False, "wrong", SERIES[1])):
        if groups[is_right]:
            axes.plot(*zip(*groups[is_right], strict=True), "o", color=colour, alpha=0.45, markersize=4, label=name,
                      markeredgewidth=0)  # fmt: skip
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel("needed gain, dB")
    axes.set_ylabel("advised gain on the faulty stem, dB")
    if everything:
        axes.legend(loc="upper left")
    return svg(figure, "gain")


def gain_points(predictions: Sequence[Prediction]) -> list[tuple[float, float, bool]]:
    """Of every faulty stem the gain needed and the gain advised in dB, and whether the whole answer is jointly right.

    Of more than `MOST_POINTS` mixes with an error, every n-th.
    """
    faulty = [p for p in predictions if p.problem.needed_gains_db]
    faulty = faulty[:: max(1, math.ceil(len(faulty) / MOST_POINTS))]
    return [
        (needed_db, 0.0 if p.advice is None else p.advice.gain_db(stem), p.is_right)
        for p in faulty
        for stem, needed_db in p.problem.needed_gains_db.items()
    ]


def segments_figure(by_segments: Mapping[str, Mapping[int, Figure]], ceiling: Mapping[str, Figure]) -> str:
    """Joint accuracy against the number of segments heard, for each method and the best listener; or empty."""
    if not by_segments:
        return ""
    counts = sorted({count for found in by_segments.values() for count in found})
    best = {heard: ceiling[name] for name, heard in HEARD.items() if heard in counts and name in ceiling}
    figure, (axes,) = draw(1, height=3.2, margin_right=0.68)
    for index, (method, found) in enumerate(by_segments.items()):
        shift = 0.05 * (index - (len(by_segments) - 1) / 2)
        points = [(counts.index(count) + shift, value) for count, value in sorted(found.items())]
        dots(axes, points, SERIES[index % len(SERIES)], "o-", label_of(method))
    dots(axes, [(counts.index(count), value) for count, value in best.items()], MUTED, "o--", "ceiling")
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlabel("segments heard")
    axes.set_ylabel("joint accuracy")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return svg(figure, "segments")


def loop_figure(loops: Mapping[str, LoopFigures]) -> str:
    """What is left after each step of the closed loop, for mixes with an error and, dashed, balanced ones; or empty."""
    if not loops:
        return ""
    figure, (axes,) = draw(1, height=3.2, margin_right=0.68)
    for index, (method, found) in enumerate(loops.items()):
        shift = 0.06 * (index - (len(loops) - 1) / 2)
        for steps, style, what in ((found.residual_db, "o-", "with an error"), (found.harm_db, "o--", "balanced")):
            points = [(step + shift, value) for step, value in enumerate(steps)]
            dots(axes, points, SERIES[index % len(SERIES)], style, f"{label_of(method)}, {what}")
    most = max(max(len(found.residual_db), len(found.harm_db)) for found in loops.values())
    axes.set_xticks(range(most), ["do nothing", *(f"step {step}" for step in range(1, most))])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("RMS error left, dB")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return svg(figure, "loop")


def curve_figure(training_curve: Sequence[Mapping[str, float]]) -> str:
    """Losses, shares and errors in dB over the steps of training, each kind in its own panel; empty without numbers.

    Args:
        training_curve: rows of a training log, with ``step`` and any metrics.
    """
    kinds: dict[str, dict[str, list[tuple[float, float]]]] = {"loss": {}, "share": {}, "dB": {}}
    for index, row in enumerate(training_curve):
        for key, value in row.items():
            if (kind := _kind(key)) is not None:
                kinds[kind].setdefault(key, []).append((row.get("step", float(index)), value))
    panels = [(kind, series) for kind, series in kinds.items() if series]
    if not panels:
        return ""
    figure, all_axes = draw(len(panels), height=2.9, width=3.6 * len(panels) + 0.6, margin_left=0.09)
    for axes, (kind, series) in zip(all_axes, panels, strict=True):
        for index, (key, points) in enumerate(series.items()):
            style = ("-", "--", ":")[index // len(SERIES) % 3]
            marker = "o" if len(points) < 25 else ""
            axes.plot(*zip(*sorted(points), strict=True), color=SERIES[index % len(SERIES)], label=key, linewidth=1.6,
                      linestyle=style, marker=marker, markersize=4)  # fmt: skip
        axes.set_xlabel("step")
        axes.set_ylabel(kind)
        if kind == "share":
            axes.set_ylim(0, 1.04)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return svg(figure, "curve")


def _kind(key: str) -> str | None:
    """The panel of a training metric, None for what is no result (learning rate, time, counts, ends of intervals)."""
    if key.endswith(("_low", "_high")):
        return None
    if "/within_" in key:
        return "share"
    if key.endswith("_db"):
        return "dB"
    if "loss" in key:
        return "loss"
    return "share" if key.endswith(("accuracy", "_rate", "joint")) else None


def lines_figure(sheet: Sheet, columns: Mapping[str, str]) -> str:
    """Columns of a sheet, each in its own panel: the lines from left to right, with their intervals."""
    figure, all_axes = draw(len(columns), height=3.0, margin_left=0.09)
    for axes, (column, heading) in zip(all_axes, columns.items(), strict=True):
        cells = [(float(index), line.cells.get(column)) for index, line in enumerate(sheet.lines)]
        dots(axes, [(index, cell) for index, cell in cells if isinstance(cell, tuple)], SERIES[0], "o")
        axes.set_xticks(range(len(sheet.lines)), [line.label.replace(" ", "\n") for line in sheet.lines], fontsize=8)
        axes.set_xlim(-0.6, len(sheet.lines) - 0.4)
        axes.set_ylim(0, None if column.endswith("_db") else 1.04)
        axes.set_ylabel(heading)
    return svg(figure, f"lines-{sheet.name}")
