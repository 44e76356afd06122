"""Drawings as inline SVG, whose colours are the page's own, so that they follow light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from mixlab.escaping import visible
from mixlab.scoring.bootstrap import Figure as Interval

# Matplotlib draws with stand-ins; in the SVG each becomes a variable of the page's style sheet.
INK, MUTED, GRID, SURFACE = "#010201", "#010202", "#010203", "#010204"
SERIES = tuple(f"#0103{index:02x}" for index in range(1, 6))
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface"} | {
    colour: f"--series-{index}" for index, colour in enumerate(SERIES, start=1)
}


def draw(
    panels: int, height: float, width: float = 7.6, margin_left: float = 0.11, margin_right: float = 0.98
) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches with `panels` axes side by side, in the page's stand-in colours."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    with matplotlib.rc_context({"font.size": 10}):
        all_axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.subplots_adjust(left=margin_left, right=margin_right, bottom=min(0.34, 0.62 / height), top=0.97, wspace=0.3)
    figure.patch.set_alpha(0.0)
    for axes in all_axes:
        axes.patch.set_alpha(0.0)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, length=0, labelcolor=INK)
        axes.xaxis.label.set_color(MUTED)
        axes.yaxis.label.set_color(MUTED)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(MUTED)
    return figure, list(all_axes)


def dots(axes: Axes, points: Sequence[tuple[float, Interval]], colour: str, style: str = "o-", label: str = "") -> None:
    """Values at their places, joined by a line where the style says so, each with its interval as a bar."""
    axes.plot([x for x, _ in points], [value for _, (value, _, _) in points], style, color=colour, linewidth=2,
              markersize=6, label=label or None)  # fmt: skip
    for x, (_, low, high) in points:
        axes.plot([x, x], [low, high], color=colour, linewidth=1.4, alpha=0.6, solid_capstyle="round")


def svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element: text stays text, ids are its own, colours are the page's variables."""
    for written in figure.findobj(Text):
        # A name is no formula, and nothing that no font has a shape for.
        written.set_parse_math(False)
        written.set_text(visible(written.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            # Labels at places of their own are written anew when the figure is drawn.
            if isinstance(axis.get_major_formatter(), FuncFormatter):
                axis.set_ticklabels([visible(label.get_text()) for label in axis.get_ticklabels()])
        legend = axes.get_legend()
        if legend is not None:
            legend.set_frame_on(False)
            for handle in legend.legend_handles:
                if handle is not None:
                    handle.set_alpha(1.0)
            for label in legend.get_texts():
                label.set_color(INK)
                label.set_fontsize(9)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Matplotlib's ids are counted anew in every figure; in one page they have to differ.
    text = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(|xlink:href="|href=")#', rf"\g<1>#{name}-", text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var({variable})")
    return text
