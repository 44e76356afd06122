"""Room items: an item of an exported data set as a line of JSON in chat form, and its inverse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from mixlab import __version__
from mixlab.language.advice import Advice, Move, Verdict
from mixlab.multitrack.segments import Segment
from mixlab.synthesis.example import Example
from mixlab.synthesis.problem import Problem

AUDIO_TAG = "<audio>"
"""Stands for a clip in the user's message, as ms-swift and LLaMA-Factory have it."""

NO_VERDICT = "none"
"""Written where the user claimed nothing: a column of nulls would have no type for those who read it as a table."""


@dataclass(frozen=True)
class ClipRecord:
    """A clip's file below the folder of the export, the SHA-256 of its bytes, its label and the stems in it."""

    path: str
    sha256: str
    label: str
    stems: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """A fixed example: all of it but the samples, with what is needed to make it again and to evaluate on it.

    Attributes:
        mixlab: version that made it.
        segment: what was measured before any error was injected.
        song_lufs: loudness of the stems over the whole song.
        seed: that the problem was drawn from.
        licences: of every song that is heard in the item, None where unknown.
        has_audio: whether the clips are published with the item.
    """

    problem: Problem
    segment: Segment
    song_lufs: Mapping[str, float]
    seed: int
    licences: Mapping[str, str | None]
    clips: tuple[ClipRecord, ...]
    prompt: str
    response: str
    reference: Advice
    has_audio: bool
    mixlab: str = __version__

    def to_line(self) -> str:
        """The item as one line, which ends in a newline.

        Raises:
            ValueError: if a text holds the placeholder of a clip.
        """
        record = {
            "id": self.problem.item_id,
            "messages": [
                {"role": "user", "content": user_content([clip.label for clip in self.clips], self.prompt)},
                {"role": "assistant", "content": self.response},
            ],
            "audios": [clip.path for clip in self.clips] if self.has_audio else None,
            "labels": self._labels(),
            # One text, so that whoever reads the lines as a table finds the same columns whatever a problem holds.
            "provenance": json.dumps(self._provenance(), ensure_ascii=False, allow_nan=False),
        }
        return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"

    def _labels(self) -> dict[str, Any]:
        return {
            "errors": [{"stem": error.stem, "error_db": error.error_db} for error in self.problem.errors],
            "advice": [move.to_json() for move in self.reference.moves],
            "verdict": NO_VERDICT if self.reference.verdict is None else str(self.reference.verdict),
        }

    def _provenance(self) -> dict[str, Any]:
        return {
            "mixlab": self.mixlab,
            "seed": self.seed,
            "problem": self.problem.to_json(),
            "segment": asdict(self.segment),
            "song_lufs": dict(self.song_lufs),
            "licences": dict(self.licences),
            "clips": [{"path": clip.path, "sha256": clip.sha256, "stems": list(clip.stems)} for clip in self.clips],
        }

    @classmethod
    def of(
        cls, example: Example, clips: Sequence[ClipRecord], *, segment: Segment, song_lufs: Mapping[str, float],
        seed: int, licences: Mapping[str, str | None], has_audio: bool,
    ) -> Item:  # fmt: skip
        """The item of an example whose clips are described by `clips`."""
        heard = {stem: lufs for stem, lufs in song_lufs.items() if math.isfinite(lufs)}
        return cls(
            example.problem, segment, heard, seed, licences, tuple(clips), example.prompt, example.response,
            example.reference, has_audio,
        )  # fmt: skip

    @classmethod
    def from_line(cls, line: str) -> Item:
        """The inverse of `to_line`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: if the line is no item, or leads out of the folder.
        """
        record = json.loads(line)
        user, assistant = record["messages"]
        if (user["role"], assistant["role"]) != ("user", "assistant"):
            raise ValueError("the messages are not one of the user and one of the assistant")
        labels, prompt = _read_user_content(user["content"])
        provenance = json.loads(record["provenance"])
        clips = tuple(
            ClipRecord(_inside(clip["path"]), clip["sha256"], label, tuple(clip["stems"]))
            for clip, label in zip(provenance["clips"], labels, strict=True)
        )
        if record["audios"] is not None and record["audios"] != [clip.path for clip in clips]:
            raise ValueError(f"its audios {record['audios']} are not the clips of its provenance")
        problem = Problem.from_json(provenance["problem"])
        _check_problem(problem, record["id"])
        verdict = record["labels"]["verdict"]
        moves = tuple(Move(move["stem"], move["low_db"], move["high_db"]) for move in record["labels"]["advice"])
        return cls(
            problem=problem,
            segment=_segment_from_json(provenance["segment"]),
            song_lufs=provenance["song_lufs"],
            seed=provenance["seed"],
            licences=provenance["licences"],
            clips=clips,
            prompt=prompt,
            response=_text(assistant["content"]),
            reference=Advice(moves, None if verdict == NO_VERDICT else Verdict(verdict)),
            has_audio=record["audios"] is not None,
            mixlab=provenance["mixlab"],
        )


def user_content(labels: Sequence[str], prompt: str) -> str:
    """What the user says, in the model's layout: each clip's label, the clip's placeholder, then the sentence.

    Raises:
        ValueError: if a text holds the placeholder of a clip.
    """
    if any(AUDIO_TAG in text for text in (*labels, prompt)):
        raise ValueError(f"{AUDIO_TAG} stands for a clip and cannot be part of a label or prompt: {[*labels, prompt]}")
    return "".join(f"{label} {AUDIO_TAG}" for label in labels) + prompt


def _read_user_content(content: str) -> tuple[list[str], str]:
    """Labels of the clips and the user's sentence."""
    *labels, prompt = _text(content).split(AUDIO_TAG)
    if not labels or not all(label.endswith(" ") for label in labels):
        raise ValueError(f"the user's message does not name its clips as 'label {AUDIO_TAG}'")
    return [label[:-1] for label in labels], prompt


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _inside(path: str) -> str:
    """A clip's path, which may not lead out of the folder of the export."""
    parts = PurePosixPath(_text(path))
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or "\0" in path or parts.parts[:1] != ("clips",):
        raise ValueError(f"the clip {path!r} does not lie in the folder 'clips'")
    return path


def _check_problem(problem: Problem, item_id: str) -> None:
    """Refuse what would fail far from here, in the middle of training."""
    if problem.item_id != item_id:
        raise ValueError(f"its id is {item_id!r} and its problem's {problem.item_id!r}")
    if problem.anchor not in problem.stems or not problem.candidates:
        raise ValueError(f"its stems {list(problem.stems)} are not an anchor and others")
    errors_db = [error.error_db for error in problem.errors]
    numbers = [getattr(problem, entry.name) for entry in fields(problem) if entry.type == "float"]
    if not all(isinstance(number, float | int) and math.isfinite(number) for number in (*errors_db, *numbers)):
        raise ValueError("a gain or time is no finite number")


def _segment_from_json(record: Mapping[str, Any]) -> Segment:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    return Segment(**values)
