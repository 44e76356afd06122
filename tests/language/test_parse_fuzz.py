"""Whatever the text, the parser neither fails nor contradicts itself, in time that grows with its length; the full
number of texts is a slow test."""

from __future__ import annotations

import json
import math
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Direction, Move
from mixlab.language.lexicon import expand, vocabulary
from mixlab.language.parse import Parsed, parse
from mixlab.language.templates import all_texts, render_response
from mixlab.language.wording import STEM_NAMES, sentence_name

TEXTS = 100_000
OPPOSITE = {Direction.RAISE: "Lower", Direction.LOWER: "Raise"}
VOCABULARY = [
    " ".join(words)
    for patterns in (*vocabulary()["phrases"].values(), *vocabulary()["vague"].values())
    for pattern in patterns
    for words in expand(pattern.rstrip("~> "))
]
PIECES = [*VOCABULARY, *STEM_NAMES, "3 dB", "-2dB", "+6 dB", "3 to 6 dB", "between 3 and 6 dB", "0 dB", "by", ".", ",",
          ":", "?", "\n", "n't", "the", "too", "-", "(", "respectively", "1e9 dB", "by 3"]  # fmt: skip
CHOICES = np.array(PIECES, dtype=object)
CORPUS = list(dict.fromkeys(all_texts()))


def texts(count: int, seed: int) -> Iterator[str]:
    """Rendered advice, template texts and phrases of the vocabulary: mutated by letter and by word, cut and joined."""
    rng = np.random.default_rng(seed)
    makers = (_mutated_letters, _mutated_words, _phrases, _two_advices, _cut)
    for index in range(count):
        yield makers[index % len(makers)](rng)


def _advice_text(rng: np.random.Generator) -> str:
    stems = rng.permutation(STEM_NAMES)[: rng.integers(0, 4)]
    gains_db = rng.integers(1, 25, len(stems)) / 2 * rng.choice([-1, 1], len(stems))
    moves = tuple(Move.of(str(stem), float(gain_db)) for stem, gain_db in zip(stems, gains_db, strict=True))
    return render_response(Advice(moves), "bass", None, rng)


def _some_text(rng: np.random.Generator) -> str:
    return _advice_text(rng) if rng.random() < 0.5 else str(rng.choice(CORPUS))


def _mutated_letters(rng: np.random.Generator) -> str:
    letters = list(_some_text(rng))
    for _ in range(rng.integers(1, 8)):
        place = int(rng.integers(len(letters)))
        letters[place] = ("", letters[place] * 2, chr(rng.integers(1, 0x3000)))[rng.integers(3)]
    return "".join(letters)


def _mutated_words(rng: np.random.Generator) -> str:
    words = _some_text(rng).split()
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(words)))
        action = rng.integers(4)
        if action == 0 and len(words) > 1:
            del words[place]
        elif action == 1:
            words.insert(place, str(rng.choice(CHOICES)))
        elif action == 2:
            words[place] = str(rng.choice(CHOICES))
        else:
            words[place - 1], words[place] = words[place], words[place - 1]
    return " ".join(words)


def _phrases(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(CHOICES, rng.integers(1, 20)))


def _two_advices(rng: np.random.Generator) -> str:
    joint = rng.choice([" ", "\n", " but ", " and ", ", ", " because ", "; "])
    return str(joint).join((_advice_text(rng), _advice_text(rng)))


def _cut(rng: np.random.Generator) -> str:
    text = _some_text(rng)
    start, end = sorted(rng.integers(0, len(text) + 1, 2))
    return text[start:end].upper() if rng.random() < 0.2 else text[start:end]


def wild_texts(count: int, seed: int) -> Iterator[str]:
    """Texts of no kind: words of the vocabulary, any unicode, nested JSON, and long repetitions."""
    rng = np.random.default_rng(seed)
    makers = (_phrases, _unicode, _data, _repetition)
    for index in range(count):
        yield makers[index % len(makers)](rng)


def _unicode(rng: np.random.Generator) -> str:
    top = int(rng.choice([0x80, 0x500, 0x3000, 0x110000]))
    return "".join(map(chr, rng.integers(0, top, int(rng.integers(1, 200)))))


def _data(rng: np.random.Generator) -> str:
    text = json.dumps(_value(rng, int(rng.integers(1, 6))), ensure_ascii=bool(rng.integers(2)))
    start, end = (0, len(text)) if rng.random() < 0.7 else sorted(rng.integers(0, len(text) + 1, 2))
    return f"{rng.choice(CHOICES)} {text[start:end]} {rng.choice(CHOICES)}"


def _value(rng: np.random.Generator, depth: int) -> object:
    kind = int(rng.integers(4)) if depth else 3
    if kind < 2:
        return {str(rng.choice(CHOICES)): _value(rng, depth - 1) for _ in range(rng.integers(4))}
    if kind == 2:
        return [_value(rng, depth - 1) for _ in range(rng.integers(4))]
    scalars = (int(rng.integers(-12, 12)), float(rng.normal() * 6), None, True, str(rng.choice(CHOICES)), math.inf)
    return scalars[int(rng.integers(len(scalars)))]


def _repetition(rng: np.random.Generator) -> str:
    """A piece over and over, up to 10,000 characters, and mostly far fewer."""
    pieces = (_phrases(rng), _unicode(rng), chr(rng.integers(1, 0x80)), str(rng.choice(["[", '{"a":', "\n"])))
    piece = pieces[rng.integers(len(pieces))] + str(rng.choice(["", " ", "\n", ": "]))
    length = int(10 ** (1 + 3 * rng.random() ** 3))
    return (piece * (length // len(piece) + 1))[:length]


def slowest(count: int, seed: int) -> tuple[float, str]:
    """The most seconds that one of the wild texts takes to read, and the text."""
    most_s, slow = 0.0, ""
    for text in wild_texts(count, seed):
        began = time.process_time()
        parsed = parse(text)
        taken_s = time.process_time() - began
        assert (parsed.advice is None) == bool(parsed.reason), text
        most_s, slow = max((most_s, slow), (taken_s, text))
    return most_s, slow


def check(text: str) -> Parsed:
    """No contradiction: each stem moves one way, by an amount of that sign; and where the text is followed by the
    opposite of a move, or by the statement that the mix is balanced, nothing is read any more."""
    parsed = parse(text)
    assert (parsed.advice is None) == bool(parsed.reason), text
    moves = () if parsed.advice is None else parsed.advice.moves
    assert set(Counter(move.stem for move in moves).values()) <= {1}, text
    for move in moves:
        assert move.stem in STEM_NAMES, text
        assert move.direction is Direction.of(move.low_db) is Direction.of(move.high_db) is not Direction.LEAVE, text
        assert math.isfinite(move.gain_db), text
        assert move.low_db <= move.gain_db <= move.high_db, text
    if moves:
        opposite = f"{OPPOSITE[moves[0].direction]} the {sentence_name(moves[0].stem)} by 2 dB."
        assert parse(f"{text}\n{opposite}").advice is None, text
        assert parse(f"{text}\nThe mix is balanced.").advice is None, text
    return parsed


def test_generated_and_mutated_texts_are_read_without_error_or_contradiction() -> None:
    read = [check(text).advice for text in texts(2_000, seed=0)]
    # The texts are worth something: a good part reads as moves, as balanced and as nothing.
    kinds = Counter("none" if advice is None else "moves" if advice.moves else "balanced" for advice in read)
    assert min(kinds["none"], kinds["moves"], kinds["balanced"]) > 100


@pytest.mark.slow
def test_a_hundred_thousand_texts_are_read_without_error_or_contradiction() -> None:
    for text in texts(TEXTS, seed=1):
        check(text)


def test_wild_texts_are_read_without_error_and_at_once() -> None:
    most_s, text = slowest(1_000, seed=0)
    assert most_s < 1.0, text[:200]


@pytest.mark.slow
def test_a_hundred_thousand_wild_texts_are_read_without_error_and_at_once() -> None:
    most_s, text = slowest(TEXTS, seed=1)
    assert most_s < 1.0, text[:200]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=15).map(" ".join))
def test_phrases_among_any_unicode_are_read_without_error_or_contradiction(text: str) -> None:
    check(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100))
def test_the_form_of_unicode_does_not_make_a_text_fail(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        check(unicodedata.normalize(form, text))
