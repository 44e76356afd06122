"""The page on a data set, one HTML file that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.multitrack.statistics import ALL_GENRES
from mixlab.reports.drawing import INK, MUTED, SERIES, draw, svg
from mixlab.reports.pages import write_page
from mixlab.reports.sheets import Cell, Line, Sheet, alone

MEASURES = {
    "lufs_source": "loudness in LUFS, source",
    "lufs": "loudness in LUFS, as heard",
    "level_dbfs": "RMS in dBFS, as heard",
    "active_ratio": "share of active frames",
}
PERCENTILES = {"p5": "5 %", "p25": "25 %", "p50": "median", "p75": "75 %", "p95": "95 %"}
GATES_CAPTION = (
    "Gates are measured on the unmodified segment, as the model hears it. A stem's counts are of segments whose "
    "mixture passes."
)
PANELS = 3
"""Stems side by side in the figure of the balance."""

MOST_GENRES = 20
"""Genres in the figure, those with the most songs; the table has all."""


def write_data_page(path: Path, statistics: Mapping[str, Any], title: str, facts: Mapping[str, str]) -> None:
    """Write the statistics of a data set as a page with plots.

    Args:
        path: of the page; it appears whole or not at all.
        statistics: from `multitrack.statistics.statistics`.
        title: of the page.
        facts: what was prepared and how, in words.
    """
    main, stems = _largest(statistics["songs"]), statistics["roles"]
    songs, segments = (sum(statistics[what].values()) for what in ("songs", "segments"))
    drawings = {
        "loudness": loudness_figure(statistics["stems"], stems),
        "balance": balance_figures(statistics["relative_lufs"][main], stems),
    }
    write_page(
        path,
        "data.html.j2",
        drawings,
        title=title,
        headline=f"{songs} songs, {segments} segments before any gate",
        facts=facts,
        main=main,
        sheets=[gates_sheet(statistics), anchors_sheet(statistics), *_measures(statistics), *_balances(statistics)],
    )


def gates_sheet(statistics: Mapping[str, Any]) -> Sheet:
    """What the gates drop, by split."""
    words = {"too_quiet": "too quiet", "rarely_active": "rarely active", "songs_without": "songs without"}
    keys = {(stem, key): f"{stem}: {said}" for stem in statistics["roles"] for key, said in words.items()}
    return _counts(statistics, "gates", "What the gates drop", keys, GATES_CAPTION)


def anchors_sheet(statistics: Mapping[str, Any]) -> Sheet:
    """The segments that are left, by split and anchor."""
    keys = {(stem, "segments_as_anchor"): stem for stem in statistics["roles"]}
    return _counts(statistics, "anchors", "Segments that are left, by anchor", keys)


def _counts(
    statistics: Mapping[str, Any], name: str, title: str, keys: Mapping[tuple[str, str], str], caption: str = ""
) -> Sheet:
    """Counts of stems by split; stem and count -> heading."""
    columns = {"songs": "songs", "segments": "segments", "mixture_count": "mixture too quiet"}
    columns |= {f"{stem}_{key}_count": heading for (stem, key), heading in keys.items()}
    lines = []
    for split, gates in statistics["gates"].items():
        found = [statistics["songs"][split], gates["segments"], gates["mixture_too_quiet"]]
        found += [gates["stems"][stem][key] for stem, key in keys]
        lines.append(Line(split, dict(zip(columns, map(alone, found), strict=True))))
    return Sheet(name, title, columns, lines, "split", caption)


def _measures(statistics: Mapping[str, Any]) -> list[Sheet]:
    """Percentiles of each measure over the segments in which a stem passes all gates."""
    sheets = []
    for measure, heading in MEASURES.items():
        end = "_ratio" if measure == "active_ratio" else "_lufs"
        lines = [
            Line(
                f"{stem}, {split}",
                {"songs": alone(found[stem]["songs"]), "segments": alone(found[stem]["segments"])}
                | {f"{name}{end}": alone(value) for name, value in found[stem][measure].items()},
            )
            for stem in statistics["roles"]
            for split, found in statistics["stems"].items()
            if stem in found
        ]
        columns = {"songs": "songs", "segments": "segments"} | {f"{p}{end}": said for p, said in PERCENTILES.items()}
        sheets.append(Sheet(measure, heading[0].upper() + heading[1:], columns, lines, "stem, split"))
    return sheets


def _balances(statistics: Mapping[str, Any]) -> list[Sheet]:
    """Loudness of one stem above another in LU by genre, over songs."""
    main, sheets = _largest(statistics["songs"]), []
    for key, heading in (("relative_lufs", "at the source's rate and channels"),
                         ("relative_lufs_heard", "as the model hears it")):  # fmt: skip
        genres = statistics[key][main]
        pairs = sorted({pair for found in genres.values() for pair in found})
        columns = {f"{pair}{end}": said for pair in pairs for end, said in (("_above_lu", pair), ("_songs", "songs"))}
        lines = []
        for genre, found in genres.items():
            cells: dict[str, Cell] = {}
            for pair, spread in found.items():
                cells[f"{pair}_above_lu"] = (spread["p50"], spread["p25"], spread["p75"])
                cells[f"{pair}_songs"] = alone(spread["songs"])
            lines.append(Line(genre, cells))
        title = f"Loudness of one stem above another in LU, {heading}, split '{main}'"
        sheets.append(Sheet(key, title, columns, lines, "genre", "Median over songs, and 25 to 75 % of them."))
    return sheets


def loudness_figure(stems: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    """Loudness of every stem by split: the line from 5 to 95 %, the bar from 25 to 75 %, the point at the median."""
    rows = [(split, stem) for stem in names for split in stems if stem in stems[split]]
    figure, (axes,) = draw(1, height=0.7 + 0.3 * max(3, len(rows)), margin_left=0.22)
    colours = {split: SERIES[number % len(SERIES)] for number, split in enumerate(stems)}
    for position, (split, stem) in enumerate(reversed(rows)):
        _range(axes, position, stems[split][stem]["lufs_source"], colours[split])
    axes.set_yticks(range(len(rows)), [f"{stem}, {split}" for split, stem in reversed(rows)])
    axes.set_xlabel("loudness of a segment in LUFS, at the source's rate and channels")
    axes.grid(axis="y", visible=False)
    return svg(figure, "loudness")


def balance_figures(relative: Mapping[str, Mapping[str, Any]], roles: Sequence[str]) -> str:
    """Loudness of each stem against the first role (of the usual four the bass) by genre; a panel a stem."""
    first, *others = roles
    rows = [others[start : start + PANELS] for start in range(0, len(others), PANELS)]
    return "".join(_balance_figure(relative, first, row, f"balance{number or ''}") for number, row in enumerate(rows))


def _balance_figure(relative: Mapping[str, Mapping[str, Any]], first: str, others: Sequence[str], name: str) -> str:
    counts = {genre: max((pair["songs"] for pair in pairs.values()), default=0) for genre, pairs in relative.items()}
    genres = sorted(counts, key=lambda genre: (genre != ALL_GENRES, -counts[genre]))[: MOST_GENRES + 1]
    figure, panels = draw(len(others), height=1.0 + 0.3 * max(3, len(genres)), width=9.5, margin_left=0.2)
    for number, (axes, stem) in enumerate(zip(panels, others, strict=True)):
        for position, genre in enumerate(reversed(genres)):
            if (pair := relative[genre].get(f"{stem}-{first}")) is not None:
                _range(axes, position, pair, INK if genre == ALL_GENRES else SERIES[number % len(SERIES)])
        axes.set_yticks(range(len(genres)), list(reversed(genres)) if number == 0 else [""] * len(genres))
        axes.set_ylim(-0.6, len(genres) - 0.4)
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_xlabel(f"{stem} above {first} in LU")
        axes.grid(axis="y", visible=False)
    return svg(figure, name)


def _range(axes: Any, position: int, percentiles: Mapping[str, float], colour: str) -> None:
    ends = [percentiles["p5"], percentiles["p95"]]
    axes.plot(ends, [position] * 2, color=colour, linewidth=1.2)
    axes.plot([percentiles["p25"], percentiles["p75"]], [position] * 2, color=colour, linewidth=5, alpha=0.5)
    axes.plot(percentiles["p50"], position, "o", color=colour, markersize=5)


def _largest(songs: Mapping[str, int]) -> str:
    """The split that balance by genre is drawn of: training songs, or the one with most songs."""
    return "train" if "train" in songs else max(songs, key=lambda split: songs[split])
