"""Drawings of a sweep: curves with the spread over seeds, learning curves, heat maps, accuracy by size of the error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.patches import Rectangle

from mixlab.reports.drawing import INK, SERIES, dots, draw, svg
from mixlab.reports.learning_curves import COSTS, LearningCurve
from mixlab.reports.sweep_table import Setting, in_order

SIZES = ("balanced", "3-6", "6-9", "9-12")
LOGARITHMIC = 8.0
"""Values whose greatest is so many times the least are drawn on a logarithmic axis."""


def curve_figure(key: str, settings: Sequence[Setting], metric: str) -> str:
    """A metric against a numeric key; a line for each combination of the other keys, bars for the spread over seeds."""
    figure, (axes,) = draw(1, 3.0)
    lines: dict[str, list[tuple[float, tuple[float, float, float]]]] = {}
    for setting in settings:
        others = ", ".join(f"{name}={value}" for name, value in setting.values.items() if name != key)
        if (found := setting.figure(metric)) is not None:
            lines.setdefault(others, []).append((float(setting.values[key]), found))
    for number, (label, points) in enumerate(lines.items()):
        dots(axes, sorted(points), SERIES[number % len(SERIES)], label=label)
    places = sorted({place for points in lines.values() for place, _ in points})
    if places and places[0] > 0 and places[-1] / places[0] >= LOGARITHMIC:
        axes.set_xscale("log", base=2)
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.minorticks_off()
    axes.set(xlabel=key, ylabel="joint accuracy", ylim=(0, 1))
    if any(lines):
        axes.legend()
    return svg(figure, f"curve-{_id(key)}")


def learning_figure(curves: Sequence[LearningCurve]) -> str:
    """Joint accuracy in validation against each cost that all curves know; a line a setting (the first few), a band for
    the spread over seeds.
    """
    costs = {name: heading for name, heading in COSTS.items() if all(name in curve.costs for curve in curves)}
    figure, panels = draw(len(costs), 3.2)
    for axes, (name, heading) in zip(panels, costs.items(), strict=True):
        for colour, curve in zip(SERIES, curves, strict=False):
            places, (means, least, greatest) = curve.costs[name], zip(*curve.scores, strict=True)
            axes.plot(places, means, "o-", color=colour, linewidth=2, markersize=4, label=curve.label)
            axes.fill_between(places, least, greatest, color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel=heading, ylim=(0, 1))
    panels[0].set_ylabel("joint accuracy, validation")
    panels[0].legend()
    return svg(figure, "learning")


def heat_figure(first: str, second: str, cells: Mapping[tuple[str, str], float]) -> str:
    """Cells of two keys, the fuller the higher their joint accuracy; a place that no run has stays empty."""
    rows = sorted({row for row, _ in cells}, key=in_order)
    columns = sorted({column for _, column in cells}, key=in_order)
    figure, (axes,) = draw(1, 0.9 + 0.45 * len(rows), margin_left=0.25)
    axes.grid(visible=False)
    for (row, column), value in cells.items():
        x, y = columns.index(column), rows.index(row)
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=SERIES[0], alpha=0.65 * value, linewidth=0))
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=INK)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), xlabel=second, ylabel=first)
    return svg(figure, f"heat-{_id(first)}-{_id(second)}")


def size_figure(settings: Sequence[Setting]) -> str:
    """Joint accuracy by the size of the error, a line a setting (the first few), bars for the spread."""
    figure, (axes,) = draw(1, 3.4)
    for number, setting in enumerate(settings[: len(SERIES)]):
        found = [setting.figure(f"test/size_db={size}/joint_accuracy") for size in SIZES]
        points = [(place + 0.06 * (number - 2), cell) for place, cell in enumerate(found) if cell is not None]
        if points:
            dots(axes, points, SERIES[number], label=setting.label)
    axes.set_xticks(range(len(SIZES)), [size.replace("-", " to ") for size in SIZES])
    axes.set(xlabel="size of the error in dB", ylabel="joint accuracy", ylim=(0, 1.02))
    axes.legend()
    return svg(figure, "sizes")


def _id(key: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in key)
