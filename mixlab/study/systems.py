"""The systems whose advice is rated: what each says of an item, and in which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixlab.errors import InputFileError
from mixlab.judging.annotations import Annotation, read_annotations
from mixlab.judging.controls import Control, wrong_advice
from mixlab.language.advice import Advice, Move
from mixlab.language.parse import parse
from mixlab.language.templates import render_response
from mixlab.runs.folder import predictions_at, predictions_file
from mixlab.scoring.prediction import Prediction
from mixlab.study.settings import StudyControl
from mixlab.synthesis.problem import Problem

PLANTED_DB = 9.0
"""What the planted wrong advice raises a stem by where nothing is wrong."""


@dataclass(frozen=True)
class Said:
    """What a system says of an item. An advice of None could not be read, and so leaves the mix as it is."""

    text: str
    advice: Advice | None


def common_items(runs: Mapping[str, str]) -> dict[str, dict[str, Prediction]]:
    """Item -> run -> its prediction, for the items that all runs were evaluated on.

    Raises:
        InputFileError: if a file cannot be read, or two runs differ in what an item is, or share none.
    """
    found: dict[str, dict[str, Prediction]] = {}
    for name, path in runs.items():
        for prediction in predictions_at(path):
            answers = found.setdefault(prediction.problem.item_id, {})
            if any(other.problem != prediction.problem for other in answers.values()):
                raise InputFileError(
                    f"{predictions_file(path)} has another mix as item {prediction.problem.item_id} than the runs "
                    "before it; evaluate all runs with the same evaluation.seed and protocol."
                )
            answers[name] = prediction
    common = {item: answers for item, answers in found.items() if len(answers) == len(runs)}
    if not common:
        raise InputFileError(f"The runs {', '.join(runs)} share no item; evaluate them on the same songs and seed.")
    return common


def read_people(path: str | None) -> dict[str, list[Annotation]]:
    """Item -> what people wrote of it; empty where there is no file."""
    people: dict[str, list[Annotation]] = {}
    for annotation in read_annotations(Path(path).expanduser()) if path else ():
        people.setdefault(annotation.item, []).append(annotation)
    return people


def say(
    answers: Mapping[str, Prediction],
    people: Sequence[Annotation],
    controls: Sequence[StudyControl],
    rng: np.random.Generator,
) -> dict[str, Said]:
    """System -> what it says of one item: the runs', a person's where there are any, then the controls'.

    Baselines advise without words: they get words of the templates, drawn from `rng`, as do the controls.
    """
    problem = next(iter(answers.values())).problem
    said = {name: _in_words(answer, rng) for name, answer in answers.items()}
    if people:
        text = people[int(rng.integers(len(people)))].text
        said["human"] = Said(text, parse(text, problem.stems).advice)
    right = Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in problem.needed_gains_db.items()))
    wrong = planted(problem, right, rng)
    made = {StudyControl.DO_NOTHING: Advice(), StudyControl.LOW_ANCHOR: wrong, StudyControl.ORIGINAL: right}
    for name in controls:
        whole = Advice(tuple(_whole_db(move) for move in made[name].moves))
        said[str(name)] = Said(render_response(whole, problem.anchor, None, rng), made[name])
    return said


def planted(problem: Problem, right: Advice, rng: np.random.Generator) -> Advice:
    """Advice that is plainly wrong: the needed moves the other way, or where none is needed, a stem `PLANTED_DB` up."""
    wrong = wrong_advice(right, Control.WRONG_DIRECTION, problem.candidates, rng)
    if wrong is not None:
        return wrong
    stems = sorted(problem.candidates)
    return Advice((Move.of(stems[int(rng.integers(len(stems)))], PLANTED_DB),))


def _whole_db(move: Move) -> Move:
    """The move in whole dB, as everybody else's; what is heard keeps the exact gain."""
    gain_db = float(round(move.gain_db)) or (1.0 if move.gain_db > 0 else -1.0)
    return Move.of(move.stem, gain_db)


def _in_words(answer: Prediction, rng: np.random.Generator) -> Said:
    if answer.text.strip() or answer.advice is None:
        return Said(answer.text, answer.advice)
    problem = answer.problem
    return Said(render_response(answer.advice, problem.anchor, problem.claim, rng), answer.advice)
