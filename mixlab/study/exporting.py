"""What people said as tidy CSV with a codebook, and in webMUSHRA's long form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from mixlab.escaping import csv_text, markdown
from mixlab.judging.annotations import Annotation
from mixlab.scoring.prediction import write_predictions
from mixlab.storage import whole_folder, write_whole
from mixlab.study.database import Code, Database, Participant, Trial
from mixlab.study.manifest import PREDICTIONS, Item, StudyFolder
from mixlab.study.people import as_predictions
from mixlab.study.settings import Mode, When
from mixlab.study.trials import NEITHER

Row = dict[str, Any]
Table = tuple[Sequence[str], list[Row]]

RATINGS = (
    "participant", "session_part", "trial", "presentation_order", "item", "system", "anchor", "error_category",
    "prompt_category", "genre", "stem", "true_gain_db", "advised_gain_db", "criterion", "rating", "opened_at",
    "locked_at", "is_repeat", "is_instructed", "instructed_answer", "playback",
)  # fmt: skip
PREFERENCES = ("participant", "item", "system_a", "system_b", "preferred")
COMMENTS = ("participant", "session_part", "trial", "item", "system", "is_repeat", "is_instructed", "comment")
CODES = ("participant", "trial", "coder", "code")
ITEMS = (
    "item", "song", "genre", "licence", "anchor", "error_category", "prompt_category", "prompt", "stem", "true_gain_db",
    "system", "advised_gain_db", "text", "is_training",
)  # fmt: skip
WEBMUSHRA = (
    "session_test_id", "participant", "session_uuid", "trial_id", "rating_stimulus", "rating_score", "rating_time",
    "rating_comment",
)  # fmt: skip


def export_study(folder: StudyFolder, database: Database, out: Path) -> dict[str, int]:
    """Write everything that participants said so far, and nothing of training, into a new folder of the owner's.

    Returns:
        File -> its number of rows.

    Raises:
        InputFileError: if `out` has content or cannot be written.
    """
    rates = folder.manifest.mode is Mode.RATE
    with database.reading() as db:
        trials = selectinload(Participant.trials).selectinload(Trial.ratings)
        people = list(db.scalars(select(Participant).order_by(Participant.id).options(trials)))
        tables: dict[str, Table] = {
            "participants.csv": (_person_columns(folder), [_person(person) for person in people]),
            "items.csv": (ITEMS, list(_items(folder))),
        }
        if rates:
            tables = _rated(folder, people, db) | tables
        lines = [] if rates else list(_annotations(folder, people))
    predictions = as_predictions(folder, lines)
    with whole_folder(out) as part:
        for name, (columns, rows) in tables.items():
            write_whole(part / name, csv_text([columns, *([row.get(name) for name in columns] for row in rows)]))
        if not rates:
            text = "".join(json.dumps(line.model_dump(), ensure_ascii=False) + "\n" for line in lines)
            write_whole(part / "annotations.jsonl", text)
        for name, answers in predictions.items():
            write_predictions(part / PREDICTIONS / f"{name}.jsonl", answers)
        write_whole(part / "codebook.md", _codebook(folder))
        for path in (part, *part.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    counts = {name: len(rows) for name, (_, rows) in tables.items()}
    counts |= {"annotations.jsonl": len(lines)} if lines else {}
    return counts | {f"{PREDICTIONS}/{name}.jsonl": len(answers) for name, answers in predictions.items()}


def name_of(person: Participant) -> str:
    """How a participant is called in exports, which says nothing about the link."""
    return f"p{person.id:04d}"


def _rated(
    folder: StudyFolder, people: Sequence[Participant], db: Session
) -> dict[str, tuple[Sequence[str], list[Row]]]:
    """The tables of a study in which advice was rated."""
    items = folder.manifest.items
    said = [(person, trial) for person in people for trial in person.trials if trial.kind != "training"]
    ratings = [
        row
        for person, trial in said
        if trial.kind == "main"
        for row in _ratings(folder, person, trial, items[trial.item])
    ]
    comments = [
        _trial(person, trial, items[trial.item]) | {"comment": trial.comment} for person, trial in said if trial.comment
    ]
    owners = {trial.id: {"participant": name_of(person), "trial": trial.position} for person, trial in said}
    coded = db.scalars(select(Code).order_by(Code.trial_id, Code.coder, Code.code))
    codes = [owners[c.trial_id] | {"coder": c.coder, "code": c.code} for c in coded if c.trial_id in owners]
    pairs = [_preference(p, t, items[t.item]) for p, t in said if t.kind == "pair" and t.preferred is not None]
    by_trial = {(row["participant"], row["trial"]): row["comment"] for row in comments}
    webmushra = [
        _webmushra(folder, row, by_trial.get((row["participant"], row["trial"]), ""))
        for row in ratings
        # Other tools would take the text of an instructed trial for a system.
        if not row["is_instructed"]
    ]
    return {
        "ratings.csv": (RATINGS, ratings),
        "comments.csv": (COMMENTS, comments),
        "codes.csv": (CODES, codes),
        "preferences.csv": (PREFERENCES, pairs),
        "webmushra.csv": (WEBMUSHRA, webmushra),
    }


def _person_columns(folder: StudyFolder) -> list[str]:
    asked = list(folder.instrument.background)
    return ["participant", *asked, "playback", "headphone_check_passed", "started", "finished", "simulated"]


def _person(person: Participant) -> Row:
    said = (person.background or {}).items()
    return {
        "participant": name_of(person),
        **{name: ";".join(value) if isinstance(value, list) else value for name, value in said},
        **{name: getattr(person, name) for name in ("playback", "started", "finished")},
        "headphone_check_passed": _flag(person.headphone_check_passed),
        "simulated": _flag(person.simulated),
    }


def _trial(person: Participant, trial: Trial, item: Item) -> Row:
    """What rows about a trial have in common."""
    return {
        "participant": name_of(person),
        "session_part": trial.kind,
        "trial": trial.position,
        "item": item.item,
        "system": ";".join(trial.systems) or None,
        "is_repeat": _flag(trial.is_repeat),
        "is_instructed": _flag(trial.instructed is not None),
    }


def _ratings(folder: StudyFolder, person: Participant, trial: Trial, item: Item) -> Iterator[Row]:
    order = {name: place for place, name in enumerate(folder.instrument.criteria)}
    said = item.systems[trial.systems[0]] if trial.systems else None
    of_item = ("anchor", "error_category", "prompt_category", "genre", "stem", "true_gain_db")
    for given in sorted(trial.ratings, key=lambda rating: order.get(rating.criterion, len(order))):
        when = folder.instrument.criteria[given.criterion].when
        yield {
            **_trial(person, trial, item),
            **{name: getattr(item, name) for name in of_item},
            "presentation_order": trial.position - 1,
            "advised_gain_db": said.advised_gain_db if said else None,
            "criterion": given.criterion,
            "rating": given.rating,
            "opened_at": trial.opened,
            "locked_at": trial.locked if when is When.ADVICE else trial.final,
            "instructed_answer": trial.instructed,
            "playback": person.playback,
        }


def _preference(person: Participant, trial: Trial, item: Item) -> Row:
    first, second = trial.systems
    preferred = "neither" if trial.preferred == NEITHER else trial.systems[trial.preferred or 0]
    return dict(zip(PREFERENCES, (name_of(person), item.item, first, second, preferred), strict=True))


def _items(folder: StudyFolder) -> Iterator[Row]:
    *_, training = folder.manifest.items
    for item in folder.manifest.items:
        shared = {name: getattr(item, name) for name in ITEMS if hasattr(item, name)}
        shared["is_training"] = _flag(item is training)
        if not item.systems:
            yield shared
        for name, said in item.systems.items():
            yield {**shared, "system": name, "advised_gain_db": said.advised_gain_db, "text": said.text}


def _webmushra(folder: StudyFolder, row: Row, comment: str) -> Row:
    """A rating as webMUSHRA's mushra.csv has it; points of 1 to 5 stand for its scores of 0 to 100."""
    return {
        "session_test_id": folder.path.name,
        "participant": row["participant"],
        "session_uuid": row["participant"],
        "trial_id": f"{row['item']}/{row['criterion']}" + ("/repeat" if row["is_repeat"] else ""),
        "rating_stimulus": row["system"],
        "rating_score": 25 * (row["rating"] - 1),
        "rating_time": _milliseconds(row["opened_at"], row["locked_at"]),
        "rating_comment": comment,
    }


def _milliseconds(start: str | None, end: str | None) -> int | None:
    if start is None or end is None:
        return None
    return round(1000 * (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _annotations(folder: StudyFolder, people: Sequence[Participant]) -> Iterator[Annotation]:
    """Experts' advice, from trials that are final."""
    for person, trial in ((p, trial) for p in people for trial in p.trials):
        if trial.kind == "main" and trial.final is not None:
            item = folder.manifest.items[trial.item]
            yield Annotation(
                item=item.item,
                annotator=name_of(person),
                text=trial.comment,
                song=item.song,
                category=item.prompt_category,
            )


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _codebook(folder: StudyFolder) -> str:
    template = resources.files("mixlab.study").joinpath("texts", "codebook.md").read_text(encoding="utf-8")
    scales = [
        f"- `{name}` ({'by the advice alone, then locked' if c.when == 'advice' else 'after hearing it followed'}): "
        f"{c.question} " + "; ".join(f"{point} {words}" for point, words in c.points.items())
        for name, c in folder.instrument.criteria.items()
    ]
    asked = [f"- `{name}`: {question.question}" for name, question in folder.instrument.background.items()]
    codes = [f"- `{name}`: {words}" for name, words in folder.instrument.codes.items()]
    notes = [f"- {markdown(note)}" for note in folder.manifest.notes]
    parts = {"scales": scales, "background": asked, "codes": codes, "notes": notes}
    for name, rows in parts.items():
        template = template.replace(f"<{name}>", "\n".join(rows))
    return template
