"""Room evaluation: the report, one HTML page that needs nothing beside itself, and its tables as files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixlab.evaluation.comparison import Comparison, matrix_sheets
from mixlab.evaluation.examples import shown_examples
from mixlab.evaluation.listening import Heard
from mixlab.evaluation.run_sheets import (
    category_sheets,
    confusion_sheet,
    conventions_sheets,
    group_sheets,
    loop_sheets,
)
from mixlab.evaluation.sheets import Sheet
from mixlab.evaluation.table import Row, results_sheet
from mixlab.scoring.conventions import Conventions
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions
from mixlab.storage import write_whole

DEMO_STATEMENT = (
    "These are demo songs, composed and rendered by mixlab. Demo songs show that the framework works; "
    "only music can show that a language model helps to mix."
)


@dataclass(frozen=True)
class Evidence:
    """What a report shows beside the results table.

    Attributes:
        predictions: the model's.
        conventions: by method, the model first; empty where nothing usual is known.
        loops: of the closed loop over several steps, by method; empty where there was one step only.
        training_curve: rows of the training log (see `figures.curve_figure`).
        comparisons: of all methods, pair by pair.
        categories: true category of error -> what it was taken for -> how often.
        more: further sheets, in their order.
    """

    predictions: Sequence[Prediction]
    conventions: Mapping[str, Conventions] = field(default_factory=dict)
    loops: Mapping[str, LoopFigures] = field(default_factory=dict)
    training_curve: Sequence[Mapping[str, Any]] = ()
    comparisons: Sequence[Comparison] = ()
    categories: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    more: Sequence[Sheet] = ()


def run_sheets(rows: Sequence[Row], evidence: Evidence) -> list[Sheet]:
    """All tables of a run's report, in its order; the first row is the model's."""
    found = [results_sheet(rows), confusion_sheet(headline_predictions(evidence.predictions))]
    found += [*category_sheets(evidence.categories), *matrix_sheets(evidence.comparisons)]
    found += group_sheets(rows[0].scores)
    return [*found, *conventions_sheets(evidence.conventions), *loop_sheets(evidence.loops), *evidence.more]


def write_report(
    path: str | Path,
    *,
    title: str,
    headline_sentence: str,
    rows: Sequence[Row],
    evidence: Evidence,
    dataset: str,
    notes: Sequence[str] = (),
    config_yaml: str = "",
    heard: Callable[[Prediction], Heard | None] = lambda prediction: None,
    audio_examples: int = 0,
) -> None:
    """Write the report of a run as one self-contained HTML page.

    Args:
        path: of the page; its folder is created, and the page appears whole or not at all.
        title: of the page, such as the run's name.
        headline_sentence: the first line, from `summary.headline_sentence`.
        rows: the results: the model, its controls and the baselines, in the order to show them.
        evidence: what stands behind them.
        dataset: where the songs come from; for ``demo`` the page says what demo songs can show.
        notes: sentences about the run, such as songs that were dropped.
        config_yaml: the resolved configuration.
        heard: renders an example for players.
        audio_examples: how many of the best and of the worst examples get players.
    """
    # Imported here because matplotlib takes a second, which no `--help` should wait for.
    from markupsafe import Markup

    from mixlab.evaluation import figures

    headline = headline_predictions(evidence.predictions)
    results, confusion, *others = run_sheets(rows, evidence)
    examples = shown_examples(evidence.predictions, heard, audio_examples)
    contents = {sheet.name: sheet.title for sheet in (results, confusion, *others)}
    contents |= {f"examples-{number}": heading for number, heading in enumerate(examples, 1) if examples[heading]}
    page = pages().get_template("report.html.j2").render(
        title=title,
        headline_sentence=headline_sentence,
        demo_statement=DEMO_STATEMENT if dataset == "demo" else "",
        notes=notes,
        results=results,
        confusion=confusion,
        sheets=others,
        methods_figure=Markup(figures.methods_figure(rows)),
        size_figure=Markup(figures.size_figure(rows)),
        gain_figure=Markup(figures.gain_figure(headline)),
        loop_figure=Markup(figures.loop_figure(evidence.loops)),
        curve_figure=Markup(figures.curve_figure(evidence.training_curve)),
        contents=contents,
        examples=examples,
        config_yaml=config_yaml,
    )  # fmt: skip
    write_whole(Path(path), page)


def pages() -> Any:
    """The Jinja environment of all pages: what is filled in is text and never markup."""
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("mixlab.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """The rows of Lightning's CSV log, numbers as floats, empty cells left out."""
    if not path.is_file():
        return []
    with path.open(newline="") as handle:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(handle)]
