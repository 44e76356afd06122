"""A prediction is a response to a problem, with what was understood of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import InputFileError
from mixlab.language.advice import Advice, Direction, Move, Verdict
from mixlab.scoring.rows import json_rows
from mixlab.storage import write_whole
from mixlab.synthesis.problem import Problem


@dataclass(frozen=True)
class Prediction:
    """A response to one problem.

    `advice` is None where the text could not be read as advice; scoring counts that as wrong.
    """

    problem: Problem
    text: str
    advice: Advice | None
    prompt: str = ""
    """What the user said; empty where only audio was given."""
    reference: str = ""
    """The right response, in words."""
    probability: float | None = field(default=None, compare=False)
    """What the model gives this answer among all that it could have given, to float32; None where it is not known."""

    @cached_property
    def needed(self) -> dict[str, Direction]:
        """What has to be done: each stem out of balance with the direction it has to move in; empty where balanced."""
        return {stem: Direction.of(gain_db) for stem, gain_db in self.problem.needed_gains_db.items()}

    @cached_property
    def advised(self) -> dict[str, Direction]:
        """What was advised: each stem that is moved with its direction."""
        return {} if self.advice is None else {move.stem: move.direction for move in self.advice.moves}

    @cached_property
    def is_right(self) -> bool:
        """Whether the advice moves exactly the faulty stems, each in the right direction (nothing where balanced)."""
        return self.advice is not None and self.advised == self.needed

    @cached_property
    def distance_db(self) -> float:
        """Mean distance of the advised from the needed gain over the faulty stems, beyond what is tolerated.

        NaN for a balanced item.
        """
        advice = self.advice or Advice()
        distances_db = [abs(self.problem.excess_db(stem, advice.gain_db(stem))) for stem in self.needed]
        return float(np.mean(distances_db)) if distances_db else float("nan")

    def to_json(self) -> dict[str, Any]:
        """One row of predictions.jsonl: the problem's own keys and what was said about it."""
        moves = () if self.advice is None else self.advice.moves
        verdict = None if self.advice is None else self.advice.verdict
        return {
            **self.problem.to_json(),
            "prompt": self.prompt,
            "reference": self.reference,
            "text": self.text,
            "advice": [move.to_json() for move in moves],
            "verdict": None if verdict is None else str(verdict),
            "parsed": self.advice is not None,
            "probability": self.probability,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Prediction:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: if a key is missing or a value cannot be what it should.
        """
        advice = None
        if record["parsed"]:
            moves = tuple(Move(move["stem"], move["low_db"], move["high_db"]) for move in record["advice"])
            advice = Advice(moves, None if record["verdict"] is None else Verdict(record["verdict"]))
        words = record["text"], advice, record["prompt"], record["reference"]
        return cls(Problem.from_json(record), *words, probability=_share(record.get("probability")))


def _share(value: Any) -> float | None:
    """A probability, which older rows do not have."""
    if value is not None and not 0.0 <= float(value) <= 1.0:
        raise ValueError(f"probability is {value}, which is no share")
    return None if value is None else float(value)


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Write one JSON object a line; the file appears whole or not at all."""
    lines = (json.dumps(prediction.to_json(), ensure_ascii=False, allow_nan=False) for prediction in predictions)
    write_whole(Path(path), "".join(line + "\n" for line in lines))


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read what `write_predictions` wrote; empty lines are skipped.

    Raises:
        InputFileError: naming the file, and the line where one is not a prediction.
    """
    predictions = []
    for number, row in json_rows(path, "predictions"):
        try:
            predictions.append(Prediction.from_json(row))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"lacks the key {error}" if isinstance(error, KeyError) else str(error)
            raise InputFileError(
                f"{path}, line {number} is not a prediction ({what}); remove the line or write the file again"
            ) from error
    return predictions
