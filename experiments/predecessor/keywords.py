"""The predecessor's way of scoring, written anew from its rules, for comparison only.

Rules (rp-bot/MixingBuddy-gain, final-paper/sections/05_evaluation.tex and detailed_evaluation.py): cut the text at full stops;
a stem whose sentences hold a word for "up" and a word for "down" makes the answer wrong; else the first sentence that names a
stem beside such a word gives stem and direction; without one, any of the words for "balanced" makes it that.
Words are looked for inside of other words, so that those that hold a shorter one of the same list need not be listed.
"""

from __future__ import annotations

import re

UP = ("increase", "boost", "raise", "louder", "quiet", "barely audible", "too low", "needs more volume", "a little low", "inaudible",
      "difficult to hear", "barely present", "add gain", "bring up", "up by")  # fmt: skip
DOWN = ("reduce", "decrease", "lower", "quieter", "loud", "overwhelming", "too high", "slight reduction", "needs less volume",
        "a little high", "overpowering", "dominating the mix", "significant reduction", "brought down", "higher than it should be",
        "adjust down", "bring down", "down by")  # fmt: skip
BALANCED = ("no adjustments", "no changes", "no modifications", "balanced", "correct level", "proper balance", "balance is correct",
            "balance is good", "at appropriate levels", "at proper levels", "at correct levels", "levels are correct",
            "levels are appropriate", "mix analysis shows", "upon review", "after evaluation", "reviewing the mix",
            "after careful analysis", "after analyzing the mix")  # fmt: skip
STEMS = ("vocals", "drums", "bass", "other")


def keyword_verdict(text: str, target: str, direction: str) -> tuple[bool, bool]:
    """Whether stem and direction (``raise``, ``lower``, ``leave``) count as right."""
    sentences = re.split(r"[.!?]", text.lower())
    for stem in STEMS:
        named = [sentence for sentence in sentences if re.search(rf"\b{stem}\b", sentence)]
        if any(_holds(s, UP) for s in named) and any(_holds(s, DOWN) for s in named):
            return False, False
    said = _first(sentences)
    if said is None and any(_holds(sentence, BALANCED) for sentence in sentences):
        said = target, "leave"
    is_direction = said is not None and said[1] == direction
    is_stem = is_direction if direction == "leave" else said is not None and said[0] == target
    return is_stem, is_direction


def _first(sentences: list[str]) -> tuple[str, str] | None:
    for sentence in sentences:
        for stem in STEMS:
            if re.search(rf"\b{stem}\b", sentence):
                if _holds(sentence, UP):
                    return stem, "raise"
                if _holds(sentence, DOWN):
                    return stem, "lower"
    return None


def _holds(sentence: str, words: tuple[str, ...]) -> bool:
    return any(word in sentence for word in words)
