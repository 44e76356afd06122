"""The sheets of a run: by group, what was answered instead, conventions and the closed loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixlab.language.advice import Direction
from mixlab.reports.calibration import calibration_sheets
from mixlab.reports.comparison import matrix_sheets
from mixlab.reports.probes import probe_sheets
from mixlab.reports.psychometric import psychometric_sheets
from mixlab.reports.sheets import Line, Sheet, alone
from mixlab.reports.table import label_of, results_sheet, row_label, short_controls_sheet
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.categories import OTHER_STEM, UNREADABLE
from mixlab.scoring.conventions import STATES, Conventions
from mixlab.scoring.loop_path import CONVERGED_DB, LoopFigures
from mixlab.scoring.metrics import METRICS, TOLERANCES_DB, Heads
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import HEARD, Row, SplitResult
from mixlab.scoring.scores import Scores, headline_predictions

AXES = {
    "prompt_category": "The model by prompt",
    "faulty_stem": "The model by faulty stem",
    "size_db": "The model by size of the error in dB",
    "error_category": "The model by category of error",
    "genre": "The model by genre",
}
LINE_LABELS = {"size_db": "size in dB", "prompt_category": "prompt", "error_category": "category"}

SEVERAL, UNREAD = "several stems", "not readable"
CATEGORY_WORDS = {OTHER_STEM: "another stem", UNREADABLE: UNREAD}


def run_sheets(result: SplitResult) -> list[Sheet]:
    """All tables of a split, in the order of the report: the results first."""
    found = [
        results_sheet(result.rows, result.ceiling),
        tolerance_sheet(result.rows),
        confusion_sheet(headline_predictions(result.model_predictions)),
    ]
    found += [*category_sheets(result.confusion), *matrix_sheets(result.comparisons)]
    found += [*calibration_sheets(result.calibration), *psychometric_sheets(result.psychometric)]
    found += group_sheets(result.rows[0].scores)
    if (short := short_controls_sheet(result.rows)).lines:
        found.append(short)
    found += segments_sheets(result.by_segments, result.ceiling)
    return [*found, *conventions_sheets(result.conventions), *loop_sheets(result.loops), *probe_sheets(result.probes)]


def tolerance_sheet(rows: Sequence[Row]) -> Sheet:
    """The share of answers that are right to so many dB, by method."""
    names = [*(f"within_{size_db}_db" for size_db in TOLERANCES_DB), "joint_accuracy"]
    return Sheet(
        "tolerance",
        "Right within a tolerance",
        {name: METRICS[name].heading for name in names},
        [Line(row_label(row), {name: row.figure(name) for name in names}, row.kind, form=names[-1]) for row in rows],
        "method",
        "Joint accuracy where the gain counts as well: stem and direction are right, and the advised gain is at most "
        "so far from the needed one, or from the range of gains that would do. Joint: whatever the gain.",
    )


def group_sheets(scores: Scores) -> list[Sheet]:
    """The model's figures along each axis that has any items."""
    sheets = []
    metrics = [metric for metric in METRICS.values() if metric.heads >= Heads.GROUPS]
    for axis, heading in AXES.items():
        groups = {value: group for value, group in scores.groups.get(axis, {}).items() if group.items}
        used = [metric for metric in metrics if any(metric.name in group.values for group in groups.values())]
        lines = [
            Line(
                value.replace("_", " "),
                {"items": alone(group.items)} | {metric.name: group.figure(metric.name) for metric in used},
            )
            for value, group in groups.items()
        ]
        headings = {"items": "items"} | {metric.name: metric.heading for metric in used}
        sheets.append(Sheet(axis, heading, headings, lines, LINE_LABELS.get(axis, axis.replace("_", " "))))
    return [sheet for sheet in sheets if sheet.lines]


def confusion_sheet(predictions: Sequence[Prediction]) -> Sheet:
    """How often each right answer (a line) was given each answer (a column); the pairs are `confusion_pairs`."""
    pairs = confusion_pairs(predictions)
    given = {name for _, name in pairs}
    names = {name for pair in pairs for name in pair} - {SEVERAL, UNREAD}
    columns = sorted(names, key=lambda name: (name not in ("balanced", Direction.LEAVE), name))
    columns += [name for name in (SEVERAL, UNREAD) if name in given]
    right = {name for name, _ in pairs}
    lines = [
        Line(name, {column: alone(pairs.count((name, column))) for column in columns})
        for name in columns
        if name in right
    ]
    return Sheet(
        "confusion",
        "What was answered instead",
        {column: column for column in columns},
        lines,
        "right answer",
        "Rows are right answers, columns the answers of the model; framed cells are right. The stronger the "
        "colour, the larger the share of its row.",
        counts=True,
    )


def category_sheets(confusion: Mapping[str, Mapping[str, int]]) -> list[Sheet]:
    """What errors of each category (a line) were taken for (a column), from `categories.category_confusion`."""
    if not confusion:
        return []
    taken = {name for row in confusion.values() for name, count in row.items() if count}
    columns = [name for name in next(iter(confusion.values())) if name in confusion or name in taken]
    words = {name: CATEGORY_WORDS.get(name, name.replace("_", " ")) for name in columns}
    return [
        Sheet(
            "category_confusion",
            "Category of error, true and advised",
            {words[name]: words[name] for name in columns},
            [
                Line(words[true], {words[name]: alone(row.get(name, 0)) for name in columns})
                for true, row in confusion.items()
            ],
            "true category",
            "Each faulty stem counts once, by the gain that was advised for it: a stem to be lowered by 8 dB was taken "
            "for very loud. Balanced mixes count by their largest move. Framed cells are right, in size as well.",
            counts=True,
        )
    ]


def confusion_pairs(predictions: Sequence[Prediction]) -> list[tuple[str, str]]:
    """The right answer and the given one, in words.

    Where mixes need several moves at once there are too many answers to tell apart: then each candidate counts for
    itself, as raise, lower or leave.
    """
    if not any(len(prediction.needed) > 1 for prediction in predictions):
        return [(describe(p.problem.needed_gains_db), _given_class(p)) for p in predictions]
    leave = Direction.LEAVE
    return [
        (str(p.needed.get(stem, leave)), UNREAD if p.advice is None else str(p.advised.get(stem, leave)))
        for p in predictions
        for stem in p.problem.candidates
    ]


def conventions_sheets(found: Mapping[str, Conventions]) -> list[Sheet]:
    """Distance to what is usual in a genre before and after the advice: method by method, and the first by genre."""
    if not found:
        return []
    columns = {"items": "items", "closer_lu": "closer by LU", "closer_share": "brought closer"}
    columns |= {f"{state}_lu": f"{state}, LU" for state in STATES}
    columns |= {f"{state}_deviations": f"{state}, deviations" for state in STATES}

    def lines(groups: Mapping[str, Conventions]) -> list[Line]:
        return [Line(name, {"items": alone(group.items), **group.figures}) for name, group in groups.items()]

    first = next(iter(found))
    return [
        Sheet(
            "conventions",
            "Closer to what is usual in the genre?",
            columns,
            lines({label_of(method): group for method, group in found.items()}),
            "method",
            "Root mean square distance of the stems' loudness above the anchor from the mean of the training songs "
            "of the genre: of the mix as it was made, before the advice (with its error) and after it; in LU and "
            "in standard deviations of the genre's songs. Songs depart from what is usual, so the original is not "
            "at zero either, and advice that ends below it has made the song more ordinary than it was meant. "
            "Brought closer: the share of advised moves that do.",
        ),
        Sheet(
            "conventions_genre", f"The same by genre, {label_of(first)}", columns, lines(found[first].genres), "genre"
        ),
    ]


def segments_sheets(by_segments: Mapping[str, Mapping[int, Figure]], ceiling: Mapping[str, Figure]) -> list[Sheet]:
    """Joint accuracy of methods by how many segments of a mix they heard, and the ceilings; empty without any."""
    if not by_segments:
        return []
    counts = sorted({count for found in by_segments.values() for count in found})
    kinds = {method: "" if place else "model" for place, method in enumerate(by_segments)}
    lines = [
        Line(label_of(method), {f"segments_{count}": figure for count, figure in found.items()}, kinds[method])
        for method, found in by_segments.items()
    ]
    best = {f"segments_{heard}": ceiling[name] for name, heard in HEARD.items() if heard in counts and name in ceiling}
    return [
        Sheet(
            "segments",
            "Several segments of one mix",
            {f"segments_{count}": f"{count} segment{'s' if count > 1 else ''}" for count in counts},
            [*lines, *([Line("ceiling", best, "ceiling")] if best else [])],
            "method",
            "Joint accuracy where as many segments of a mix, as far apart as can be, are heard before one answer is "
            "given; songs that have fewer give what they have. The model's scores of answers are added up; rivals take "
            "the mean loudness and all frames, and are fitted on as many segments.",
        )
    ]


def loop_sheets(loops: Mapping[str, LoopFigures]) -> list[Sheet]:
    """What is left after each step, and how the loops behave; method -> figures, empty without any."""
    if not loops:
        return []
    steps = max(max(len(found.residual_db), len(found.harm_db)) for found in loops.values())
    columns = {f"step_{step}_db": "do nothing" if step == 0 else f"step {step}" for step in range(steps)}
    columns["stopped_db"] = "stopped when told"
    lines = []
    for what, of in (("with an error", "residual_db"), ("balanced", "harm_db")):
        for method, found in loops.items():
            left = getattr(found, of)
            cells = {f"step_{step}_db": figure for step, figure in enumerate(left)}
            cells["stopped_db"] = getattr(found, f"stopped_{of}")
            lines.append(Line(f"{label_of(method)}, {what}", cells if left else {}))
    behaviour = {
        "converged_share": f"at most {CONVERGED_DB:g} dB left",
        "stopped_share": "called balanced",
        "oscillation_share": "to and fro",
        "drift_db": "drift dB",
    }
    return [
        Sheet(
            "closed_loop",
            "The advice followed again and again",
            columns,
            lines,
            "method, mixes",
            "Root mean square error in dB over the stems beside the anchor after each step, in which the advice is "
            "applied and the new mix is heard at another level; balanced mixes apart, where whatever is left is "
            "harm. Stopped when told: each mix as it was when it was first called balanced, or after the last "
            "step.",
        ),
        Sheet(
            "closed_loop_behaviour",
            "Does it settle?",
            behaviour,
            [Line(label_of(method), {**found.shares, "drift_db": found.drift_db}) for method, found in loops.items()],
            "method",
            "Mixes with an error. To and fro: a stem was turned one way in a step and the other way in the next. "
            "Drift: what is left at the end beyond the least that was left on the way.",
        ),
    ]


def describe(moves: Mapping[str, float]) -> str:
    """Directions of gains in dB by stem, in words: ``raise vocals``, or ``balanced`` without any."""
    words = [f"{'raise' if gain_db > 0 else 'lower'} {stem}" for stem, gain_db in sorted(moves.items())]
    return ", ".join(words) or "balanced"


def _given_class(prediction: Prediction) -> str:
    if prediction.advice is None:
        return UNREAD
    return SEVERAL if len(prediction.advised) > 1 else describe(prediction.advice.gains_db)
