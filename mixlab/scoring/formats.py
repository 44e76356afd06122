"""Room scoring: anybody's rows read as predictions: which field holds the answer, and which the labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.advice import Advice, Move
from mixlab.language.parse import parse
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.rows import json_rows
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


@dataclass(frozen=True)
class RowFormat:
    """Which field of a row holds what; a dot leads into an object, None means that there is no such field.

    Attributes:
        text: the answer.
        target: the stem at fault; of a balanced item empty, or the stem that might have been.
        gain_db: the target's gain in dB.
        stems: the stems that there are; no other is read in an answer.
        reference: the right answer in words.
        prompt: what the user said.
        item: the item's name; without it, the number of its line.
        song: items of one song are resampled together; without it, every item is a song.
        genre: of the song.
        anchor: the stem that stays where it is; without it, every stem may be at fault.
        gain_is: ``error``, what was done to the stem, or ``needed``, what puts it right.
        category: name of the kind of error.
        balanced: categories that count as balanced whatever the gain.
        low_db, high_db: the range of the right answer in dB, without a sign; empty for a balanced item.
        patterns: name of an attribute above -> regular expression whose first group is taken of the field's value.
    """

    text: str
    target: str
    gain_db: str
    stems: Sequence[str]
    reference: str | None = None
    prompt: str | None = None
    item: str | None = None
    song: str | None = None
    genre: str | None = None
    anchor: str | None = None
    gain_is: str = "error"
    category: str | None = None
    balanced: Sequence[str] = ()
    low_db: str | None = None
    high_db: str | None = None
    patterns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledTexts:
    """A file's answers, its reference texts read in the same way, and for each of these what its labels ask for.

    A label is None where the file gives no ranges; there are no references where the file has no such texts.
    """

    predictions: list[Prediction]
    references: list[Prediction]
    labels: list[Advice | None]

    @property
    def read_back(self) -> list[bool]:
        """For each reference text with a label, whether it reads exactly as that: stem, direction and range."""
        return [
            reference.advice is not None and reference.advice.moves == label.moves
            for reference, label in zip(self.references, self.labels, strict=True)
            if label is not None
        ]


def read_texts(path: str | Path, row_format: RowFormat | None) -> LabelledTexts:
    """Read a file of answers; every text is read by the parser, whatever else the row says of it.

    Args:
        path: of a file with one JSON object a line.
        row_format: None for mixlab's own predictions.

    Raises:
        ConfigError: if a field is in no row, or a pattern is none.
        InputFileError: naming the file, and the line where one does not hold what it should.
    """
    texts = LabelledTexts([], [], [])
    for number, row in json_rows(path, "predictions"):
        line = _Line(path, number, row, row_format)
        prediction, label = line.own() if row_format is None else line.foreign()
        texts.predictions.append(prediction)
        if prediction.reference:
            advice = parse(prediction.reference, prediction.problem.stems).advice
            texts.references.append(replace(prediction, text=prediction.reference, advice=advice))
            texts.labels.append(label)
    if not texts.predictions:
        raise InputFileError(f"{path} holds no predictions; name a file with one JSON object a line")
    _check_names(path, texts.predictions)
    return texts


@dataclass
class _Line:
    """One row while it is read."""

    path: str | Path
    number: int
    row: dict[str, Any]
    form: RowFormat | None

    def own(self) -> tuple[Prediction, None]:
        """A row of mixlab's own, its text read anew."""
        try:
            problem = Problem.from_json(self.row)
            text, prompt, reference = (self.row[name] for name in ("text", "prompt", "reference"))
            return Prediction(problem, text, parse(text, problem.stems).advice, prompt, reference), None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"lacks the key {error}" if isinstance(error, KeyError) else str(error)
            raise InputFileError(
                f"{self.path}, line {self.number} is not a prediction of mixlab ({what}); choose another format, as "
                "in format=mixingbuddy or format=fields"
            ) from error

    def foreign(self) -> tuple[Prediction, Advice | None]:
        """A row of somebody else's, and the advice that its labels describe if they give a range."""
        form = self.form
        assert form is not None
        anchor, category = self.text("anchor"), self.text("category")
        stems = tuple(form.stems)
        for name in ("anchor", "target"):
            stem = self.text(name)
            if stem and stem not in stems:
                raise self.wrong(name, stem, f"is none of the stems {', '.join(stems)}")
        error = self.error(category)
        prompt = self.text("prompt")
        item = self.text("item") or f"line-{self.number}"
        problem = Problem(
            item_id=item,
            song_id=self.text("song") or item,
            split="test",
            genre=self.text("genre") or None,
            start_s=0.0,
            duration_s=0.0,
            anchor=anchor,
            stems=(*((anchor,) if anchor else ()), *(stem for stem in stems if stem != anchor)),
            errors=() if error is None else (error,),
            error_category=category or ("balanced" if error is None or error.gain_db == 0 else "error"),
            prompt_category=PromptCategory.ADVICE_SEEKING if prompt else PromptCategory.AUDIO_ONLY,
            claim=None,
            headroom_gain_db=0.0,
            master_gain_db=0.0,
            wording_seed=0,
        )
        text = self.text("text")
        said = parse(text, problem.stems).advice
        return Prediction(problem, text, said, prompt, self.text("reference")), self.label(problem)

    def error(self, category: str) -> GainError | None:
        """The error on the target; of 0 dB where the item is balanced, None where it names no target either."""
        form, target = self.form, self.text("target")
        assert form is not None
        gain_db = 0.0 if category in form.balanced else self.number_of("gain_db", required=bool(target)) or 0.0
        if not target and gain_db != 0:
            raise self.wrong("target", target, f"names no stem, but the gain is {gain_db:g} dB")
        if target and target == self.text("anchor") and gain_db != 0:
            raise self.wrong("target", target, "is the anchor, which stays where it is")
        return GainError(target, gain_db if form.gain_is == "error" else -gain_db, category) if target else None

    def label(self, problem: Problem) -> Advice | None:
        """The advice that the range of the right answer describes; None where there is none."""
        form = self.form
        assert form is not None
        if form.low_db is None or form.high_db is None:
            return None
        moves = []
        for stem, gain_db in problem.needed_gains_db.items():
            low, high = (self.number_of(name, required=True) or 0.0 for name in ("low_db", "high_db"))
            try:
                moves.append(Move(stem, low, high) if gain_db > 0 else Move(stem, -high, -low))
            except ValueError:
                raise self.wrong("low_db", low, f"makes no range with {form.high_db} = {high:g}") from None
        return Advice(tuple(moves))

    def value(self, name: str) -> Any:
        """The value of the field that is configured as `name`; None where none is.

        Raises:
            ConfigError: if the row has no such field.
        """
        path = getattr(self.form, name)
        value: Any = self.row
        for key in [] if path is None else path.split("."):
            if not isinstance(value, dict) or key not in value:
                raise ConfigError(
                    f"{self.path}, line {self.number} has no field '{path}' (format.{name}); it has "
                    f"{', '.join(self.row) or 'none'}."
                )
            value = value[key]
        return None if path is None else value

    def text(self, name: str) -> str:
        """The value as text, cut to its pattern; empty where there is no field, or null in it."""
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.wrong(name, value, "is no text")
        pattern = {} if self.form is None else self.form.patterns
        if name not in pattern:
            return str(value)
        found = re.search(pattern[name], str(value))
        if found is None or not found.re.groups or found.group(1) is None:
            raise self.wrong(name, value, f"does not match format.patterns.{name} = {pattern[name]!r}")
        return found.group(1)

    def number_of(self, name: str, required: bool) -> float | None:
        """The value as a number; None where there is none and none is required."""
        value = self.value(name)
        if value is None and not required:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self.wrong(name, value, "is no number")
        return float(value)

    def wrong(self, name: str, value: object, why: str) -> InputFileError:
        shown = "null" if value is None else repr(value)
        return InputFileError(
            f"{self.path}, line {self.number}: '{getattr(self.form, name)}' (format.{name}) is {shown}, which {why}; "
            "correct the line, or name another field"
        )


def _check_names(path: str | Path, predictions: Sequence[Prediction]) -> None:
    seen: set[str] = set()
    for prediction in predictions:
        item = prediction.problem.item_id
        if item in seen:
            raise InputFileError(f"{path} answers the item {item!r} twice; remove one, or set format.item=null")
        seen.add(item)
