"""The predecessor's way of scoring, written anew from its rules, for comparison only.

Rules (rp-bot/MixingBuddy-gain, final-paper/sections/05_evaluation.tex and detailed_evaluation.py): cut the text at
full stops; a stem whose sentences hold a word for "up" and a word for "down" makes the answer wrong; else the first
sentence that names a stem beside such a word gives stem and direction; without one, any of the words for "balanced"
makes it that. Words are looked for inside of other words.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
STEMS = ("vocals", "drums", "bass", "other")


def keyword_verdict(text: str, target: str, direction: str) -> tuple[bool, bool]:
    """Whether stem and direction (``raise``, ``lower``, ``leave``) count as right."""
    sentences = re.split(r"[.!?]", text.lower())
    for stem in STEMS:
        named = [sentence for sentence in sentences if re.search(rf"\b{stem}\b", sentence)]
        if any(_holds(s, WORDS["up"]) for s in named) and any(_holds(s, WORDS["down"]) for s in named):
            return False, False
    said = _first(sentences)
    if said is None and any(_holds(sentence, WORDS["balanced"]) for sentence in sentences):
        said = target, "leave"
    is_direction = said is not None and said[1] == direction
    is_stem = is_direction if direction == "leave" else said is not None and said[0] == target
    return is_stem, is_direction


def _first(sentences: list[str]) -> tuple[str, str] | None:
    for sentence in sentences:
        for stem in STEMS:
            if re.search(rf"\b{stem}\b", sentence):
                if _holds(sentence, WORDS["up"]):
                    return stem, "raise"
                if _holds(sentence, WORDS["down"]):
                    return stem, "lower"
    return None


def _holds(sentence: str, words: list[str]) -> bool:
    return any(word in sentence for word in words)
