"""Room training: questions about clips whose answers are known, and their words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from mixlab.language.wording import sentence_name

MAX_NUMBER = 80
"""Largest whole dB that is asked for; each number up to it is one token of the tiny tokenizer."""


@dataclass(frozen=True)
class HeardClip:
    """What is known of a clip: its stem and its BS.1770 loudness as heard."""

    stem: str
    lufs: float


@dataclass(frozen=True)
class QuestionAndAnswer:
    """A question with its answer; `spans` are the character spans of the answer that carry the meaning."""

    kind: str
    question: str
    answer: str
    spans: tuple[tuple[int, int], ...]


@cache
def _bank() -> Mapping[str, list[dict[str, str]]]:
    return yaml.safe_load(resources.files("mixlab.training.describing").joinpath("questions.yaml").read_text())


def draw_question(
    clips: Sequence[HeardClip],
    labelled: bool,
    genre: str,
    bpm: float,
    words: Sequence[str],
    rng: np.random.Generator,
) -> QuestionAndAnswer:
    """Draw one question about the clips and answer it.

    Args:
        clips: at least two, in prompt order.
        labelled: whether the clips carry their stems' names; then they are mostly referred to by them, and not asked
            for the stem.
        words: single words to repeat, drawn at random and in no order, so that the base has met every word that may
            be said to it or asked of it.
    """
    kinds = {"level": 2, "relative": 3, "overview": 4, "which_louder": 2, "loudest": 1, "genre": 2, "tempo": 0.5}
    kinds["repeat"] = 1.5
    if not labelled:
        kinds["stem"] = 3
    names, weights = list(kinds), np.array(list(kinds.values()), dtype=float)
    kind = names[rng.choice(len(names), p=weights / weights.sum())]
    template = _bank()[kind][rng.integers(len(_bank()[kind]))]
    by_stem = labelled and rng.uniform() < 0.8

    def name(position: int) -> str:
        return f"the {sentence_name(clips[position].stem)}" if by_stem else f"clip {position + 1}"

    first, second = (int(i) for i in rng.permutation(len(clips))[:2])
    fields: dict[str, Any] = {"genre": genre, "bpm": 10 * round(bpm / 10)}
    answer_key = "answer"
    difference = clips[first].lufs - clips[second].lufs
    if kind == "stem":
        fields |= {"a": name(first), "stem": f"the {sentence_name(clips[first].stem)}"}
    elif kind == "level":
        fields |= {"a": name(first), "n": _whole(-clips[first].lufs)}
    elif kind == "relative":
        answer_key = "same" if _whole(difference) == 0 else "louder" if difference > 0 else "quieter"
        fields |= {"a": name(first), "b": name(second), "n": _whole(difference)}
    elif kind == "which_louder":
        fields |= {"a": name(first), "b": name(second), "n": _whole(difference)}
    elif kind == "loudest":
        fields["a"] = name(int(np.argmax([clip.lufs for clip in clips])))
    elif kind == "overview":
        # Mostly against the first clip, where the anchor is; what else the mix holds follows in the clips' order.
        first = 0 if rng.uniform() < 0.7 else first
        others = [position for position in range(len(clips)) if position != first]
        parts = [_beside(name(i), clips[i].lufs - clips[first].lufs) for i in others]
        fields |= {"a": name(first), "list": ", ".join(parts)}
    elif kind == "repeat":
        fields["words"] = " ".join(rng.choice(words, size=rng.integers(4, 11)))
    question = template["question"].format_map(fields)
    question = question[0].upper() + question[1:]
    if kind == "which_louder" and difference < 0:
        fields["a"] = name(second)
    answer, spans = _fill(template[answer_key], fields)
    return QuestionAndAnswer(kind, question, answer, spans)


def all_texts(stems: Sequence[str], genres: Sequence[str]) -> Iterator[str]:
    """Every question and answer once with example values: what the tiny tokenizer learns from."""
    for templates in _bank().values():
        for template in templates:
            for text in template.values():
                for position, stem in enumerate(stems):
                    fields = {
                        "a": f"clip {position + 1}",
                        "b": f"the {sentence_name(stem)}",
                        "stem": f"the {sentence_name(stem)}",
                        "n": 6,
                        "bpm": 120,
                        "words": "",
                        "list": f"the {sentence_name(stem)} 6 dB below, as loud",
                    }
                    for genre in genres:
                        yield text.format_map({**fields, "genre": genre})
    for number in range(MAX_NUMBER + 1):
        yield from [f"minus {number} dB, by {number} dB above."] * 40


def _whole(value_db: float) -> int:
    return min(MAX_NUMBER, round(abs(value_db)))


def _beside(name: str, difference_db: float) -> str:
    number = _whole(difference_db)
    return f"{name} as loud" if number == 0 else f"{name} {number} dB {'above' if difference_db > 0 else 'below'}"


def _fill(template: str, fields: Mapping[str, Any]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The filled template, and the spans of its fields and of the words that decide it."""
    text, spans = "", []
    for part in re.split(r"(\{\w+\}|above|below|as loud)", template):
        start = len(text)
        text += str(fields[part[1:-1]]) if part.startswith("{") else part
        if part.startswith("{") or part in ("above", "below", "as loud"):
            spans.append((start, len(text)))
    return text, tuple(spans)
