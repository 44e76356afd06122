"""anybody's rows read as predictions: which field holds the answer, and which the labels."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.advice import Advice, Move
from mixlab.language.parse import parse
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.rows import json_rows
from mixlab.settings import Many, Settings, Spelled
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


class RowKind(StrEnum):
    """Whose rows they are: a run's own predictions.jsonl, or anybody's, whose fields are named."""

    MIXLAB = "mixlab"
    FIELDS = "fields"


class GainIs(StrEnum):
    """What a gain in a row is: what was done to the stem, or what puts it right."""

    ERROR = "error"
    NEEDED = "needed"


class Protocol(StrEnum):
    """Published protocols whose tables can be added to results."""

    MIXINGBUDDY = "mixingbuddy"


class RowFormat(Settings):
    """The group `format`: which field of a row holds what, as conf/format/fields.yaml explains.

    A dot leads into an object; None says that there is no such field.
    """

    kind: Spelled[RowKind] = RowKind.FIELDS
    text: str | None = None
    target: str | None = None
    gain_db: str | None = None
    stems: Many[str] = ()
    reference: str | None = None
    prompt: str | None = None
    item: str | None = None
    song: str | None = None
    genre: str | None = None
    anchor: str | None = None
    gain_is: Spelled[GainIs] = GainIs.ERROR
    category: str | None = None
    balanced: Many[str] = ()
    low_db: str | None = None
    high_db: str | None = None
    patterns: dict[str, str] = Field(default_factory=dict)
    protocol: Spelled[Protocol] | None = None

    @model_validator(mode="after")
    def _has_the_fields_of_its_kind(self) -> RowFormat:
        missing = [name for name in ("text", "stems", "target", "gain_db") if not getattr(self, name)]
        if self.kind is RowKind.FIELDS and missing:
            needs = ", ".join(missing)
            raise ValueError(f"kind is fields, which needs {needs}; set them as conf/format/fields.yaml does")
        if self.kind is RowKind.MIXLAB and len(missing) < 4:
            raise ValueError("kind is mixlab, whose fields are known; name no fields, or choose format=fields")
        if (self.low_db is None) != (self.high_db is None):
            raise ValueError("low_db and high_db are the two ends of a range; set both or neither")
        return self

    @field_validator("patterns")
    @classmethod
    def _are_patterns(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if name not in cls.model_fields:
                raise ValueError(f"there is no key '{name}' that a pattern could be for; use one of the format's keys")
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"the pattern of '{name}' is no regular expression ({error}); correct it") from None
            if groups != 1:
                raise ValueError(f"the pattern of '{name}' has {groups} groups; put what is to be taken into one ( )")
        return patterns


OWN_ROWS = RowFormat(kind=RowKind.MIXLAB)
"""The format of mixlab's own predictions."""


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


def read_texts(path: str | Path, form: RowFormat) -> LabelledTexts:
    """Read a file of answers; every text is read by the parser, whatever else the row says of it.

    Args:
        path: of a file with one JSON object a line.
        form: which field holds what.

    Raises:
        ConfigError: if a field is in no row, or a pattern is none.
        InputFileError: naming the file, and the line where one does not hold what it should.
    """
    texts = LabelledTexts([], [], [])
    for number, row in json_rows(path, "predictions"):
        line = _Line(path, number, row, form)
        prediction, label = line.own() if form.kind is RowKind.MIXLAB else line.foreign()
        texts.predictions.append(prediction)
        if prediction.reference:
            advice = parse(prediction.reference, prediction.problem.stems).advice
            texts.references.append(replace(prediction, text=prediction.reference, advice=advice))
            texts.labels.append(label)
    if not texts.predictions:
        raise InputFileError(f"{path} holds no predictions; name a file with one JSON object a line")
    counts = Counter(prediction.problem.item_id for prediction in texts.predictions)
    if twice := [item for item, count in counts.items() if count > 1]:
        raise InputFileError(f"{path} answers the item {twice[0]!r} twice; remove one, or set format.item=null")
    return texts


@dataclass
class _Line:
    """One row while it is read."""

    path: str | Path
    number: int
    row: dict[str, Any]
    form: RowFormat

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
        anchor, category, stems = self.text("anchor"), self.text("category"), self.form.stems
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
            error_category=category or ("balanced" if error is None or error.error_db == 0 else "error"),
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
        gain_db = 0.0 if category in form.balanced else self.number_of("gain_db", required=bool(target)) or 0.0
        if not target and gain_db != 0:
            raise self.wrong("target", target, f"names no stem, but the gain is {gain_db:g} dB")
        if target and target == self.text("anchor") and gain_db != 0:
            raise self.wrong("target", target, "is the anchor, which stays where it is")
        return GainError(target, gain_db if form.gain_is is GainIs.ERROR else -gain_db, category) if target else None

    def label(self, problem: Problem) -> Advice | None:
        """The advice that the range of the right answer describes; None where there is none."""
        form = self.form
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
        if (pattern := self.form.patterns.get(name)) is None:
            return str(value)
        found = re.search(pattern, str(value))
        if found is None or found.group(1) is None:
            raise self.wrong(name, value, f"does not match format.patterns.{name} = {pattern!r}")
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
