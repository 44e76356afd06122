"""What experts wrote in a study with ``mode=annotate``: annotations, and predictions that are scored like a model's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mixlab.errors import InputFileError
from mixlab.judging.annotations import Annotation
from mixlab.language.parse import parse
from mixlab.runs.folder import predictions_at
from mixlab.scoring.prediction import Prediction
from mixlab.study.manifest import PREDICTIONS, StudyFolder

HUMAN = "human"
"""The file with one person's answer to each item, since methods are compared on items that each answers once."""

PEOPLE = "people"
"""The folder with what each person wrote, a file a person."""


def as_predictions(folder: StudyFolder, annotations: Sequence[Annotation]) -> dict[str, list[Prediction]]:
    """Experts' advice as predictions, read by the parser like everybody's, and the runs' on the same items.

    Where several people wrote on an item, `HUMAN` has the answer of one of them, drawn by item and name alone.

    Returns:
        File (without its suffix) -> its predictions; nothing where nobody wrote anything.

    Raises:
        InputFileError: if the study lacks what its runs say of the items.
    """
    if not annotations:
        return {}
    runs = {path.stem: _by_item(path) for path in sorted((folder.path / PREDICTIONS).glob("*.jsonl"))}
    if not runs:
        raise InputFileError(
            f"{folder.path / PREDICTIONS} holds no predictions, which say what the items are; build the study again."
        )
    items = next(iter(runs.values()))
    drawn: dict[str, Annotation] = {}
    files: dict[str, list[Prediction]] = {}
    for said in sorted(annotations, key=_place):
        drawn.setdefault(said.item, said)
        files.setdefault(f"{PEOPLE}/{said.annotator}", []).append(_prediction(items[said.item], said.text))
    files[HUMAN] = [_prediction(items[item], said.text) for item, said in drawn.items()]
    return files | {name: [found[item] for item in drawn] for name, found in runs.items()}


def _by_item(path: Path) -> Mapping[str, Prediction]:
    return {prediction.problem.item_id: prediction for prediction in predictions_at(path)}


def _place(said: Annotation) -> str:
    return hashlib.sha256(f"{said.item} {said.annotator}".encode()).hexdigest()


def _prediction(item: Prediction, text: str) -> Prediction:
    return replace(item, text=text, advice=parse(text, item.problem.stems).advice)
