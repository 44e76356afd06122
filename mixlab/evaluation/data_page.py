"""Room evaluation: the page on a data set, one HTML file that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixlab.evaluation.drawing import INK, MUTED, SERIES, draw, svg
from mixlab.multitrack.song import STEMS
from mixlab.multitrack.statistics import ALL_GENRES
from mixlab.storage import write_whole

MEASURES = {
    "lufs_source": "loudness in LUFS, source",
    "lufs": "loudness in LUFS, as heard",
    "level_dbfs": "RMS in dBFS, as heard",
    "active_ratio": "share of active frames",
}
MOST_GENRES = 20
"""Genres in the figure, those with the most songs; the table has all."""


def write_data_page(path: str | Path, statistics: Mapping[str, Any], title: str, facts: Mapping[str, str]) -> None:
    """Write the statistics of a data set as a page with plots.

    Args:
        path: of the page; it appears whole or not at all.
        statistics: from `multitrack.statistics.statistics`.
        title: of the page.
        facts: what was prepared and how, in words.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("mixlab.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    main = _largest(statistics["songs"])
    page = environment.get_template("data.html.j2").render(
        title=title,
        facts=facts,
        statistics=statistics,
        measures=MEASURES,
        stems=STEMS,
        main=main,
        pairs=sorted({pair for genre in statistics["relative_lufs"][main].values() for pair in genre}),
        loudness_figure=Markup(loudness_figure(statistics["stems"])),
        balance_figure=Markup(balance_figure(statistics["relative_lufs"][main])),
    )
    write_whole(Path(path), page)


def loudness_figure(stems: Mapping[str, Mapping[str, Any]]) -> str:
    """Loudness of every stem by split: the line from 5 to 95 %, the bar from 25 to 75 %, the point at the median."""
    rows = [(split, stem) for stem in STEMS for split in stems if stem in stems[split]]
    figure, (axes,) = draw(1, height=0.7 + 0.3 * max(3, len(rows)), margin_left=0.22)
    colours = {split: SERIES[number % len(SERIES)] for number, split in enumerate(stems)}
    for position, (split, stem) in enumerate(reversed(rows)):
        _range(axes, position, stems[split][stem]["lufs_source"], colours[split])
    axes.set_yticks(range(len(rows)), [f"{stem}, {split}" for split, stem in reversed(rows)])
    axes.set_xlabel("loudness of a segment in LUFS, at the source's rate and channels")
    axes.grid(axis="y", visible=False)
    return svg(figure, "loudness")


def balance_figure(relative: Mapping[str, Mapping[str, Any]]) -> str:
    """Loudness of each stem against the bass by genre; a panel a stem."""
    others = [stem for stem in STEMS if stem != "bass"]
    counts = {genre: max((pair["songs"] for pair in pairs.values()), default=0) for genre, pairs in relative.items()}
    genres = sorted(counts, key=lambda genre: (genre != ALL_GENRES, -counts[genre]))[: MOST_GENRES + 1]
    figure, panels = draw(len(others), height=1.0 + 0.3 * max(3, len(genres)), width=9.5, margin_left=0.2)
    for number, (axes, stem) in enumerate(zip(panels, others, strict=True)):
        for position, genre in enumerate(reversed(genres)):
            if (pair := relative[genre].get(f"{stem}-bass")) is not None:
                _range(axes, position, pair, INK if genre == ALL_GENRES else SERIES[number])
        axes.set_yticks(range(len(genres)), list(reversed(genres)) if number == 0 else [""] * len(genres))
        axes.set_ylim(-0.6, len(genres) - 0.4)
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_xlabel(f"{stem} above bass in LU")
        axes.grid(axis="y", visible=False)
    return svg(figure, "balance")


def _range(axes: Any, position: int, percentiles: Mapping[str, float], colour: str) -> None:
    ends = [percentiles["p5"], percentiles["p95"]]
    axes.plot(ends, [position] * 2, color=colour, linewidth=1.2)
    axes.plot([percentiles["p25"], percentiles["p75"]], [position] * 2, color=colour, linewidth=5, alpha=0.5)
    axes.plot(percentiles["p50"], position, "o", color=colour, markersize=5)


def _largest(songs: Mapping[str, int]) -> str:
    """The split that balance by genre is drawn of: training songs, or the one with most songs."""
    return "train" if "train" in songs else max(songs, key=lambda split: songs[split])
