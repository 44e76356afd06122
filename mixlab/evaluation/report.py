"""Room evaluation: the report, one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.evaluation.table import COLUMNS, Row, cell, used_columns
from mixlab.language.advice import Advice, Direction
from mixlab.scoring.closed_loop import residuals_db
from mixlab.scoring.metrics import gain_distance_db, is_joint_right
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import Scores, headline_predictions
from mixlab.storage import write_whole

DEMO_STATEMENT = (
    "These are demo songs, composed and rendered by mixlab. Demo songs show that the framework works; "
    "only music can show that a language model helps to mix."
)

SAMPLES = 6
"""How many of the best and of the worst predictions are shown."""

AXES = {
    "prompt_category": "By prompt",
    "faulty_stem": "By faulty stem",
    "size_db": "By size of the error in dB",
    "error_category": "By category of error",
    "genre": "By genre",
}
GROUP_COLUMNS = ("joint_accuracy", "direction_accuracy", "stem_accuracy", "balanced_accuracy", "gain_mae_db",
                 "parse_rate", "verdict_balanced_accuracy")  # fmt: skip


def write_report(
    path: str | Path,
    *,
    title: str,
    headline_sentence: str,
    rows: Sequence[Row],
    scores: Scores,
    predictions: Sequence[Prediction],
    dataset: str,
    training_curve: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    config_yaml: str = "",
) -> None:
    """Write the report of a run as one self-contained HTML page.

    Args:
        path: of the page; its folder is created, and the page appears whole or not at all.
        title: of the page, such as the run's name.
        headline_sentence: the first line, from `summary.headline_sentence`.
        rows: the results table: the model, its controls and the baselines, in the order to show them.
        scores: the model's.
        predictions: the model's.
        dataset: where the songs come from; for ``demo`` the page says what demo songs can show.
        training_curve: rows of the training log (see `figures.curve_figure`).
        notes: sentences about the run, such as songs that were dropped.
        config_yaml: the resolved configuration.
    """
    # Imported here because matplotlib takes a second, which no `--help` should wait for.
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    from mixlab.evaluation import figures

    environment = Environment(
        loader=PackageLoader("mixlab.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    headline = headline_predictions(predictions)
    best, worst = samples(predictions)
    page = environment.get_template("report.html.j2").render(
        title=title,
        headline_sentence=headline_sentence,
        demo_statement=DEMO_STATEMENT if dataset == "demo" else "",
        notes=notes,
        results=_results(rows),
        methods_figure=Markup(figures.methods_figure(rows)),
        size_figure=Markup(figures.size_figure(rows)),
        gain_figure=Markup(figures.gain_figure(headline)),
        curve_figure=Markup(figures.curve_figure(training_curve)),
        confusion=confusion_matrix(headline),
        groups=_groups(scores),
        samples=[("Furthest from right", worst), ("Closest to right", best)],
        config_yaml=config_yaml,
    )
    write_whole(Path(path), page)


def confusion_matrix(predictions: Sequence[Prediction]) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """How often each right answer (a row) was given each answer (a column).

    Where mixes need several moves at once there are too many answers to tell apart: then each candidate counts for
    itself, as raise, lower or leave.

    Returns:
        The names of the columns, and for each row its name and its counts.
    """
    if any(len(prediction.problem.needed_gains_db) > 1 for prediction in predictions):
        pairs = [pair for prediction in predictions for pair in _directions(prediction)]
    else:
        pairs = [(describe(p.problem.needed_gains_db), _given_class(p)) for p in predictions]
    given = {name for _, name in pairs}
    names = {name for pair in pairs for name in pair} - {SEVERAL, UNREAD}
    columns = sorted(names, key=lambda name: (name not in ("balanced", Direction.LEAVE), name))
    columns += [name for name in (SEVERAL, UNREAD) if name in given]
    right = {name for name, _ in pairs}
    rows = [name for name in columns if name in right]
    return columns, [(row, [pairs.count((row, column)) for column in columns]) for row in rows]


SEVERAL, UNREAD = "several stems", "not readable"


def describe(moves: Mapping[str, float]) -> str:
    """Directions of gains in dB by stem, in words: ``raise vocals``, or ``balanced`` without any."""
    words = [f"{'raise' if gain_db > 0 else 'lower'} {stem}" for stem, gain_db in sorted(moves.items())]
    return ", ".join(words) or "balanced"


def samples(predictions: Sequence[Prediction]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The best predictions (jointly right, closest in dB) and the worst (wrong, most error left), as words."""
    left_db = {id(p): float(left) for p, left in zip(predictions, residuals_db(predictions), strict=True)}
    right = [p for p in predictions if is_joint_right(p)]
    wrong = [p for p in predictions if not is_joint_right(p)]
    # A balanced item has no distance; it comes after the items with an error, which say more.
    right.sort(key=lambda p: gain_distance_db(p) if p.problem.needed_gains_db else float("inf"))
    wrong.sort(key=lambda p: -left_db[id(p)])
    return ([_sample(p, left_db[id(p)]) for p in chosen[:SAMPLES]] for chosen in (right, wrong))  # type: ignore[return-value]


def _sample(prediction: Prediction, left_db: float) -> dict[str, str]:
    problem, advice = prediction.problem, prediction.advice
    errors = [f"{stem} {-gain_db:+.1f} dB" for stem, gain_db in problem.needed_gains_db.items()]
    return {
        "item": problem.item_id,
        "genre": problem.genre or "genre unknown",
        "prompt": prediction.prompt,
        "category": str(problem.prompt_category).replace("_", " "),
        "error": ", ".join(errors) or "none, the mix is balanced",
        "text": prediction.text,
        "reference": prediction.reference,
        "understood": "nothing" if advice is None else _in_db(advice),
        "left": f"{left_db:.1f} dB",
    }


def _in_db(advice: Advice) -> str:
    return ", ".join(f"{move.stem} {move.gain_db:+g} dB" for move in advice.moves) or "balanced"


def _directions(prediction: Prediction) -> list[tuple[str, str]]:
    """For each candidate the direction that it needs and the one that was advised."""
    problem, advice = prediction.problem, prediction.advice
    return [
        (
            str(Direction.of(problem.needed_gains_db.get(stem, 0.0))),
            UNREAD if advice is None else str(Direction.of(advice.gain_db(stem))),
        )
        for stem in problem.candidates
    ]


def _given_class(prediction: Prediction) -> str:
    if prediction.advice is None:
        return UNREAD
    moves = {move.stem: move.gain_db for move in prediction.advice.moves}
    return SEVERAL if len(moves) > 1 else describe(moves)


def _results(rows: Sequence[Row]) -> dict[str, Any]:
    """The results table as headings and cells of (figure, interval)."""
    columns = used_columns(rows)
    lines = [
        {"label": row.label, "kind": row.kind, "cells": [cell(row.figure(column), column) for column in columns]}
        for row in rows
    ]
    return {"headings": [COLUMNS[column] for column in columns], "lines": lines}


def _groups(scores: Scores) -> list[dict[str, Any]]:
    """A table for each axis that has any items."""
    tables = []
    for axis, heading in AXES.items():
        groups = {value: group for value, group in scores.groups.get(axis, {}).items() if group.items}
        columns = [column for column in GROUP_COLUMNS if any(column in group.values for group in groups.values())]
        if not groups:
            continue
        lines = []
        for value, group in groups.items():
            found = {c: (group.values[c], *group.intervals[c]) for c in columns if c in group.values}
            cells = [cell(found.get(column), column) for column in columns]
            lines.append({"label": value.replace("_", " "), "count": group.items, "cells": cells})
        tables.append({"heading": heading, "headings": [COLUMNS[c] for c in columns], "lines": lines})
    return tables
