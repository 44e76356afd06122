"""Room evaluation: the sheets of a run: by group, what was answered instead, conventions and the closed loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixlab.evaluation.sheets import Figure, Line, Sheet
from mixlab.evaluation.table import COLUMNS, label_of
from mixlab.language.advice import Direction
from mixlab.scoring.categories import OTHER_STEM, UNREADABLE
from mixlab.scoring.conventions import STATES, Conventions
from mixlab.scoring.loop_path import CONVERGED_DB, LoopFigures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import Scores

AXES = {
    "prompt_category": "The model by prompt",
    "faulty_stem": "The model by faulty stem",
    "size_db": "The model by size of the error in dB",
    "error_category": "The model by category of error",
    "genre": "The model by genre",
}
LINE_LABELS = {"size_db": "size in dB", "prompt_category": "prompt", "error_category": "category"}
GROUP_COLUMNS = ("joint_accuracy", "direction_accuracy", "stem_accuracy", "balanced_accuracy", "gain_mae_db",
                 "parse_rate", "verdict_balanced_accuracy")  # fmt: skip

SEVERAL, UNREAD = "several stems", "not readable"
CATEGORY_WORDS = {OTHER_STEM: "another stem", UNREADABLE: UNREAD}


def group_sheets(scores: Scores) -> list[Sheet]:
    """The model's figures along each axis that has any items."""
    sheets = []
    for axis, heading in AXES.items():
        groups = {value: group for value, group in scores.groups.get(axis, {}).items() if group.items}
        if not groups:
            continue
        columns = [column for column in GROUP_COLUMNS if any(column in group.values for group in groups.values())]
        lines = [
            Line(
                value.replace("_", " "),
                {"items": (float(group.items),) * 3}
                | {c: (group.values[c], *group.intervals[c]) for c in columns if c in group.values},
            )
            for value, group in groups.items()
        ]
        headings = {"items": "items"} | {column: COLUMNS[column] for column in columns}
        sheets.append(Sheet(axis, heading, headings, lines, LINE_LABELS.get(axis, axis.replace("_", " "))))
    return sheets


def confusion_sheet(predictions: Sequence[Prediction]) -> Sheet:
    """How often each right answer (a line) was given each answer (a column); the pairs are `confusion_pairs`."""
    pairs = confusion_pairs(predictions)
    given = {name for _, name in pairs}
    names = {name for pair in pairs for name in pair} - {SEVERAL, UNREAD}
    columns = sorted(names, key=lambda name: (name not in ("balanced", Direction.LEAVE), name))
    columns += [name for name in (SEVERAL, UNREAD) if name in given]
    right = {name for name, _ in pairs}
    lines = []
    for name in columns:
        if name in right:
            lines.append(Line(name, {column: (float(pairs.count((name, column))),) * 3 for column in columns}))
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
                Line(words[true], {words[name]: (float(row.get(name, 0)),) * 3 for name in columns})
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
    if any(len(prediction.problem.needed_gains_db) > 1 for prediction in predictions):
        return [pair for prediction in predictions for pair in _directions(prediction)]
    return [(describe(p.problem.needed_gains_db), _given_class(p)) for p in predictions]


def conventions_sheets(found: Mapping[str, Conventions]) -> list[Sheet]:
    """Distance to what is usual in a genre before and after the advice: method by method, and the first by genre."""
    if not found:
        return []
    columns = {"items": "items", "closer_lu": "closer by LU", "closer_share": "brought closer"}
    columns |= {f"{state}_lu": f"{state}, LU" for state in STATES}
    columns |= {f"{state}_deviations": f"{state}, deviations" for state in STATES}

    def lines(groups: Mapping[str, Conventions]) -> list[Line]:
        return [Line(name, {"items": (float(group.items),) * 3, **group.figures}) for name, group in groups.items()]

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
            "conventions_genre",
            f"The same by genre, {label_of(first)}",
            columns,
            lines(found[first].genres),
            "genre",
        ),
    ]


def loop_sheets(loops: Mapping[str, LoopFigures]) -> list[Sheet]:
    """What is left after each step, and how the loops behave; method -> figures, empty without any."""
    if not loops:
        return []
    steps = max(max(len(found.residual_db), len(found.harm_db)) for found in loops.values())
    columns = {f"step_{step}_db": "do nothing" if step == 0 else f"step {step}" for step in range(steps)}
    columns["stopped_db"] = "stopped when told"
    lines = []
    for what in ("with an error", "balanced"):
        for method, found in loops.items():
            is_faulty = what == "with an error"
            left = found.residual_db if is_faulty else found.harm_db
            cells: dict[str, Figure | None] = {f"step_{step}_db": figure for step, figure in enumerate(left)}
            cells["stopped_db"] = found.stopped_residual_db if is_faulty else found.stopped_harm_db
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
