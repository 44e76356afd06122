"""Files of lines: experts' annotations, texts to be compared with them, people's ratings.

An annotation is a line of JSON: what an expert says of an item.

    {"item": "song_0412/3", "annotator": "anna", "text": "The vocals are buried. Bring them up by 4 dB or so."}

``item`` is the ``item_id`` of predictions.jsonl; each annotator says one thing of an item. ``song`` and ``category``,
both optional, say what to resample and to report by where the predictions do not. A rating is a line of JSON: how a
person rates the text that a method gives to an item, by a criterion of the rubric, from 1 to 5.

    {"item": "song_0412/3", "rater": "ben", "criterion": "actionability", "score": 4}

``subject`` (``model`` unless given) says whose text was rated: ``model``, or a control such as ``right``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mixlab.errors import InputFileError
from mixlab.judging.mixassist import read_mixassist
from mixlab.runs.folder import predictions_file
from mixlab.scoring.rows import json_rows

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Row = TypeVar("Row", bound=BaseModel)


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Annotation(_Line):
    """What an expert says of an item."""

    item: Said
    annotator: Said
    text: Said
    song: Said | None = None
    category: Said | None = None


class Rating(_Line):
    """A person's score of a text."""

    item: Said
    rater: Said
    criterion: Said
    score: Annotated[int, Field(ge=1, le=5)]
    subject: Said = "model"


class Answer(BaseModel):
    """What similarity needs of a line of predictions.jsonl: ``item_id`` and ``text``; the rest where it is there."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    item_id: Said
    text: str
    song_id: Said | None = None
    prompt_category: Said | None = None
    anchor: Said | None = None
    stems: list[Said] | None = None


def read_annotations(path: Path) -> list[Annotation]:
    """The annotations in a file, or those of MixAssist where `path` is that data set's folder or a parquet file of it.

    Raises:
        InputFileError: naming the file, and the line and field that is wrong.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return [Annotation.model_validate(fields) for fields in read_mixassist(path)]
    return _read_lines(path, Annotation, lambda row: (row.item, row.annotator), "annotated twice by one annotator")


def read_ratings(path: Path, criteria: list[str]) -> list[Rating]:
    """The ratings in a file.

    Raises:
        InputFileError: as `read_annotations`, and where a criterion is not one of the rubric's.
    """
    ratings = _read_lines(
        path, Rating, lambda row: (row.item, row.subject, row.rater, row.criterion), "rated twice by one rater"
    )
    for rating in ratings:
        if rating.criterion not in criteria:
            raise InputFileError(
                f"{path} rates by the criterion '{rating.criterion}', which is none of the rubric's "
                f"({', '.join(criteria)}); correct its name, or add it to the rubric."
            )
    return ratings


def read_answers(path: Path) -> list[Answer]:
    """The texts of a run folder, of its predictions.jsonl, or of any lines with ``item_id`` and ``text``.

    Raises:
        InputFileError: as `read_annotations`.
    """
    return _read_lines(predictions_file(path), Answer, lambda row: row.item_id, "answered twice")


def _read_lines(path: Path, kind: type[Row], key: Callable[[Row], Hashable], twice: str) -> list[Row]:
    rows: list[Row] = []
    seen: dict[Hashable, int] = {}
    for number, record in json_rows(path, f"{kind.__name__.lower()}s"):
        row = _checked(record, f"{path}, line {number}", kind)
        if key(row) in seen:
            raise InputFileError(f"{path}, line {number}: {key(row)} is {twice} (line {seen[key(row)]}); remove one.")
        seen[key(row)] = number
        rows.append(row)
    if not rows:
        raise InputFileError(f"{path} holds no lines; write one JSON object a line.")
    return rows


def _checked(record: dict[str, Any], where: str, kind: type[Row]) -> Row:
    try:
        return kind.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InputFileError(f"{where} lacks the field '{name}'; a line needs {_fields(kind)}.") from None
        if first["type"] == "extra_forbidden":
            raise InputFileError(f"{where} has an unknown field '{name}'; known are {_fields(kind, True)}.") from None
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise InputFileError(f"{where}: the field '{name}' is {first['input']!r}, but {reason}; correct it.") from None


def _fields(kind: type[BaseModel], with_optional: bool = False) -> str:
    return ", ".join(n for n, field in kind.model_fields.items() if with_optional or field.is_required())
