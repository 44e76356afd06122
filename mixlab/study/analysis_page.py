"""An analysis as a page, Markdown, CSV and JSON; the page of a power analysis; the preregistration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.escaping import finalize
from mixlab.reports.drawing import INK, MUTED, SERIES, draw, svg
from mixlab.reports.sheets import Figure, Sheet, document, words, write_sheets
from mixlab.storage import write_whole
from mixlab.study.analysis import Analysis
from mixlab.study.analysis_sheets import MINUS, SIMULATED, SIMULATED_STATEMENT, analysis_sheets
from mixlab.study.fits import KINDS, UNITS, Fit
from mixlab.study.power import Cell


def templates() -> Any:
    """The Jinja environment of the study's reports, which stand on the evaluation's page."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

    loader = ChoiceLoader([PackageLoader("mixlab.study", "templates/reports"), PackageLoader("mixlab.reports")])
    escape = select_autoescape(("html.j2",), default_for_string=True)
    return Environment(loader=loader, autoescape=escape, finalize=finalize, trim_blocks=True, lstrip_blocks=True)


def summary(analysis: Analysis) -> str:
    """The first line of the report: what became of the hypothesis."""
    plan, fit = analysis.plan, analysis.kept.fits.get(analysis.plan.primary)
    lead = f"{SIMULATED}: " if analysis.is_simulated else ""
    if fit is None or not {*plan.pair} <= {name for c in fit.contrasts for name in (c.a, c.b)}:
        return f"{lead}The hypothesis could not be tested: after exclusions nobody rated both systems."
    found = fit.contrast(*plan.pair)
    a, b = map(words, plan.pair)
    told_apart = found.low > 0 or found.high < 0
    relation = f"is rated {'above' if found.estimate > 0 else 'below'}" if told_apart else "is not told apart from"
    numbers = f"{found.estimate:+.2f} {UNITS[fit.kind]} ({found.low:+.2f} to {found.high:+.2f})".replace("-", MINUS)
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    model = f"{len(analysis.kept.answers.participants)} raters. Model: {KINDS[fit.kind]}."
    return f"{lead}By {words(plan.primary)}, {a} {relation} {b}: {numbers}, {p}, {model}"


def write_analysis(folder: Path, analysis: Analysis) -> list[Sheet]:
    """Write ``analysis.html``, ``analysis.json``, ``tables.md`` and a CSV file a table into a folder.

    Returns:
        The tables.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    from markupsafe import Markup

    sheets, first = analysis_sheets(analysis), summary(analysis)
    statement = SIMULATED_STATEMENT if analysis.is_simulated else ""
    reasons = sorted({fit.reason for fit in analysis.kept.fits.values() if fit.reason})
    write_sheets(folder, sheets)
    head = [f"**{statement}**"] * bool(statement) + [first, *(f"The fallback stands in since {r}." for r in reasons)]
    write_whole(folder / "tables.md", "\n\n".join([*head, document(sheets)]))
    mark = SIMULATED if analysis.is_simulated else ""
    page = templates().get_template("analysis.html.j2").render(
        title=f"{mark}: analysis of a rehearsal" if mark else "Analysis of the study",
        statement=statement,
        summary=first,
        reasons=reasons,
        means_figure=Markup(means_figure(analysis, mark)),
        pairs_figure=Markup(pairs_figure(analysis.kept.fits, analysis.plan.primary, mark)),
        sheets=sheets,
        contents={sheet.name: sheet.title for sheet in sheets},
    )  # fmt: skip
    write_whole(folder / "analysis.html", page)
    write_whole(folder / "analysis.json", json.dumps(_flat(analysis), indent=1, allow_nan=False) + "\n")
    return sheets


def _flat(analysis: Analysis) -> dict[str, Any]:
    """Figures by name, and which model they come from."""
    flat: dict[str, Any] = {
        "simulated": int(analysis.is_simulated),
        "participants": len(analysis.everyone_answers.participants),
        "excluded": analysis.excluded.participants,
        "model": {criterion: fit.kind for criterion, fit in analysis.kept.fits.items()},
    }
    for system, row in analysis.kept.means.items():
        for criterion, figure in row.items():
            if figure is not None:
                flat |= _named(f"mean/{criterion}/{system}", ("", "_low", "_high"), figure)
    for criterion, fit in analysis.kept.fits.items():
        for c in fit.contrasts:
            figures = (c.estimate, c.low, c.high, c.p, c.p_holm)
            ends = ("", "_low", "_high", "_p", "_p_holm")
            flat |= _named(f"difference/{criterion}/{c.a}_minus_{c.b}", ends, figures)
    # A model at the edge of what can be fitted has figures that JSON cannot hold.
    return {key: value for key, value in flat.items() if not isinstance(value, float) or abs(value) < float("inf")}


def _named(name: str, ends: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return {f"{name}{end}": value for end, value in zip(ends, values, strict=True)}


def means_figure(analysis: Analysis, mark: str) -> str:
    """Mean points of each system with intervals, a panel a criterion."""
    criteria, systems = analysis.criteria, list(analysis.kept.means)[::-1]
    height, width = 0.9 + 0.32 * len(systems), 2.4 * len(criteria) + 1.6
    figure, panels = draw(len(criteria), height=height, width=width, margin_left=0.16)
    for criterion, axes in zip(criteria, panels, strict=True):
        for place, system in enumerate(systems):
            found = analysis.kept.means[system][criterion]
            if found is not None:
                _point(axes, place, found, SERIES[0])
        axes.set_yticks(range(len(systems)), [words(s) for s in systems] if axes is panels[0] else [""] * len(systems))
        axes.set_xlim(0.8, 5.2)
        axes.set_xticks([1, 2, 3, 4, 5])
        axes.set_ylim(-0.6, len(systems) - 0.4)
        axes.set_xlabel(words(criterion) + ", points")
        _stamp(axes, mark)
    return svg(figure, "means")


def pairs_figure(fits: Mapping[str, Fit], primary: str, mark: str) -> str:
    """Every pair's difference by the primary criterion with its interval; empty without a model."""
    if primary not in fits:
        return ""
    fit = fits[primary]
    found = list(fit.contrasts)[::-1]
    figure, (axes,) = draw(1, height=0.8 + 0.26 * len(found), margin_left=0.34)
    for place, c in enumerate(found):
        _point(axes, place, (c.estimate, c.low, c.high), SERIES[0] if c.p_holm < 0.05 else MUTED)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(found)), [f"{words(c.a)} {MINUS} {words(c.b)}" for c in found])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.set_xlabel(f"{words(primary)}, difference in {UNITS[fit.kind]}, 95 % interval; coloured: p (Holm) below 0.05")
    axes.grid(axis="y", visible=False)
    _stamp(axes, mark)
    return svg(figure, "pairs")


def power_figure(cells: Sequence[Cell], aim: float, mark: str = SIMULATED) -> str:
    """Power against raters, a line a number of items."""
    figure, (axes,) = draw(1, height=3.4, width=6.2)
    for number, items in enumerate(sorted({cell.items for cell in cells})):
        line = sorted((cell for cell in cells if cell.items == items), key=lambda cell: cell.raters)
        colour = SERIES[number % len(SERIES)]
        axes.plot([c.raters for c in line], [c.found[0] for c in line], "o-", color=colour, label=f"{items} items")
        for cell in line:
            axes.plot([cell.raters] * 2, cell.found[1:], color=colour, linewidth=1.2, alpha=0.6)
    axes.axhline(aim, color=MUTED, linewidth=1, linestyle="--")
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("raters")
    axes.set_ylabel("share of studies that find the effect")
    axes.legend(loc="lower right")
    _stamp(axes, mark)
    return svg(figure, "power")


def write_power(folder: Path, sheet: Sheet, figure: str, first: str, statements: Sequence[str]) -> None:
    """Write ``power.html``, ``power.md`` and ``power.csv``."""
    from markupsafe import Markup

    title = "How many raters a study needs"
    values = {"summary": first, "statements": statements, "figure": Markup(figure), "sheet": sheet}
    write_whole(folder / "power.html", templates().get_template("power.html.j2").render(title=title, **values))
    parts = [f"# {title}", first, sheet.markdown(), sheet.caption, *statements]
    write_whole(folder / "power.md", "\n\n".join(parts) + "\n")
    write_whole(folder / "power.csv", sheet.csv())


def _point(axes: Any, place: int, found: Figure, colour: str) -> None:
    value, low, high = found
    axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot(value, place, "o", color=colour, markersize=6)


def _stamp(axes: Any, mark: str) -> None:
    if mark:
        place = {"transform": axes.transAxes, "ha": "center", "va": "center", "rotation": 20, "zorder": 0}
        axes.text(0.5, 0.5, mark, color=MUTED, alpha=0.35, fontsize=18, **place)
