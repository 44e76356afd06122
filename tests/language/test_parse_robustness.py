"""No text breaks the parser, and no text is read as raising and lowering one stem."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.language.lexicon import expand, vocabulary
from mixlab.language.parse import parse
from mixlab.language.spans import decisive_spans
from mixlab.language.templates import all_texts
from mixlab.language.wording import STEM_NAMES

PHRASES = [
    " ".join(words) for group in vocabulary()["phrases"].values() for p in group for words in expand(p.rstrip("~> "))
]
PIECES = [*PHRASES, *STEM_NAMES, "3 dB", "-2dB", "+6 dB", "between", "3", "to", "by", ".", ",", "n't", "other"]


def read(text: str) -> None:
    parsed = parse(text)
    assert (parsed.advice is None) == bool(parsed.reason)
    spans = decisive_spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_mutated_and_mixed_texts_are_read_without_an_error() -> None:
    rng = np.random.default_rng(0)
    corpus = list(dict.fromkeys(all_texts()))
    for index in range(800):
        characters = list(" ".join(rng.choice(corpus, 2)))
        for _ in range(rng.integers(1, 6)):
            place = rng.integers(len(characters))
            characters[place] = "" if rng.random() < 0.5 else chr(rng.integers(1, 0x500))
        read("".join(characters))
        read(" ".join(rng.choice(PIECES, 1 + index % 25)))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_unicode_text_is_read_without_an_error(text: str) -> None:
    read(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STEM_NAMES), st.lists(st.sampled_from(PHRASES), max_size=3), st.integers(1, 24), st.booleans())
def test_raising_and_lowering_one_stem_is_never_advice(
    stem: str, between: list[str], size: int, is_first: bool
) -> None:
    raised, lowered = f"Raise the {stem} by {size} dB.", f"Lower the {stem} by {size} dB."
    first, second = (raised, lowered) if is_first else (lowered, raised)
    assert parse(" ".join((first, *(f"{phrase}." for phrase in between), second))).advice is None


@pytest.mark.parametrize(
    "piece",
    ["vocals, ", "not ", "9", "(", "-", "'", "a'", "3 to ", "the other ", "raise the vocals by 3 dB and ", "\U0001f600",
     " ", "well, ", "too far in front ", "\ud800", "\x00", "\u0130"],
)  # fmt: skip
def test_ten_thousand_characters_take_no_more_than_a_moment(piece: str) -> None:
    text = (piece * (10_000 // len(piece) + 1))[:10_000]
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 3.0


def test_amounts_out_of_bounds_are_not_read() -> None:
    assert not parse("Raise the vocals by 99999999999999999999 dB.").amount_stated
    assert not parse("Raise the vocals by 1e400 dB.").amount_stated
    assert not parse("Raise the vocals by 1.5e3 dB.").amount_stated


def test_a_vocabulary_pattern_without_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="without a word"):
        list(expand("too? much?"))
