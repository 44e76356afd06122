"""The MixAssist data set (Clemens and Marasovic 2025, arXiv:2507.06329) read as annotations.

On the Hub it is ``mclemcrew/MixAssist``: conversations of amateurs and experts in mixing sessions, a row a turn, with
the columns ``conversation_id``, ``topic``, ``turn_id``, ``has_content``, ``input_history`` (a list of ``audio_file``,
``content`` and ``role``), ``audio_file``, ``user`` and ``assistant``, in one Parquet file a split
(``test-00000-of-00001.parquet``). What the expert says (``assistant``) is the annotation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixlab.errors import InputFileError

EXPERT = "expert"
"""The annotator of all of MixAssist, which does not tell its experts apart."""

COLUMNS = ("conversation_id", "topic", "turn_id", "assistant")


def read_mixassist(path: Path, split: str = "test") -> list[dict[str, str | None]]:
    """The experts' turns as fields of annotations: the conversation is the song, the topic the category.

    Turns in which the expert says nothing are left out.

    Args:
        path: a Parquet file, or the data set's folder, in which (or in its ``data``) the split's file is looked for.

    Raises:
        InputFileError: naming the file or folder, and the column that is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    annotations: list[dict[str, str | None]] = []
    for file in _files(path, split):
        try:
            found = pq.read_schema(file).names
            if missing := [column for column in COLUMNS if column not in found]:
                raise InputFileError(
                    f"{file} lacks the column '{missing[0]}' of MixAssist (it has {', '.join(found)}); give a file "
                    "of mclemcrew/MixAssist."
                )
            rows = pq.read_table(file, columns=list(COLUMNS)).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise InputFileError(f"{file} cannot be read as Parquet ({error}); download it again.") from error
        annotations += [_annotation(row) for row in rows if (row["assistant"] or "").strip()]
    items = [str(annotation["item"]) for annotation in annotations]
    if twice := {item for item in items if items.count(item) > 1}:
        raise InputFileError(
            f"{path} holds the turn {min(twice)} twice; keep the files of one version of the data set."
        )
    if not annotations:
        raise InputFileError(f"{path} holds no turn in which the expert says something; give another split's file.")
    return annotations


def _files(path: Path, split: str) -> list[Path]:
    if path.is_file():
        return [path]
    for folder in (path, path / "data"):
        if files := sorted(folder.glob(f"{split}-*.parquet")):
            return files
    raise InputFileError(
        f"{path} holds no {split}-*.parquet, neither directly nor in data/; give the folder of mclemcrew/MixAssist, "
        "one of its files, or a file of annotations in JSON lines."
    )


def _annotation(row: dict[str, Any]) -> dict[str, str | None]:
    conversation = str(row["conversation_id"])
    item, topic = f"{conversation}/{row['turn_id']}", None if row["topic"] is None else str(row["topic"])
    said = row["assistant"].strip()
    return {"item": item, "annotator": EXPERT, "text": said, "song": conversation, "category": topic}
