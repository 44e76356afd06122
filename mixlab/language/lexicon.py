"""Room language: the words that the parser knows, from ``data/vocabulary.yaml``, as a tree of phrases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from mixlab.language.tokens import tokenize
from mixlab.language.wording import OTHER, label_name, load_data


class Kind(StrEnum):
    """What an item of a text is; the phrases of each kind are listed in the vocabulary."""

    STEM = "stem"
    AMOUNT = "amount"
    VAGUE = "vague"
    WORD = "word"
    COMMA = "comma"
    STOP = "stop"
    RAISE = "raise"
    LOWER = "lower"
    WEAK_RAISE = "weak_raise"
    WEAK_LOWER = "weak_lower"
    GAIN = "gain"
    LOSS = "loss"
    LOUDER = "louder"
    QUIETER = "quieter"
    ACT = "act"
    CHANGE = "change"
    LOUD = "loud"
    QUIET = "quiet"
    BALANCED = "balanced"
    GOOD = "good"
    NICE = "nice"
    PRAISE = "praise"
    LEAVE = "leave"
    LEAVE_MARK = "leave_mark"
    NOT = "not"
    NOTHING = "nothing"
    NEITHER = "neither"
    ANY = "any"
    THAN = "than"
    DUE = "due"
    REFERENCE = "reference"
    ANCHOR = "anchor"
    COPULA = "copula"
    MODAL = "modal"
    WILL = "will"
    PRONOUN = "pronoun"
    REST = "rest"
    HEDGE = "hedge"
    PURPOSE = "purpose"
    EFFECT = "effect"
    OUTCOME = "outcome"
    PROCESS = "process"
    ALL = "all"
    PAST = "past"
    SUBJUNCTIVE = "subjunctive"
    TONE = "tone"
    IF = "if"
    WISH = "wish"
    OPTION = "option"
    OR = "or"
    ALTERNATIVE = "alternative"
    REFUSAL = "refusal"
    RETRACTION = "retraction"
    REQUEST = "request"
    CUSTOM = "custom"
    SHARED = "shared"
    DISOWN = "disown"
    SAME = "same"
    SAME_AMOUNT = "same_amount"
    FORMER = "former"
    LATTER = "latter"
    SPLIT = "split"
    SPLIT_NOT = "split_not"
    EXCEPT = "except"
    CLAIM = "claim"
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    IGNORE = "ignore"


class Mark(StrEnum):
    """Whether a stem that follows a phrase is spoken of, or only compared with."""

    NONE = ""
    WEAK = "~"
    STRONG = ">"


@dataclass(frozen=True)
class Entry:
    """What a phrase means: one or more kinds, the mark on what follows, and the stem or the dB it stands for."""

    kinds: frozenset[Kind]
    mark: Mark = Mark.NONE
    stem: str = ""
    value_db: float = 0.0


@dataclass
class Node:
    """A node of the tree of phrases, keyed by word."""

    children: dict[str, Node] = field(default_factory=dict)
    entry: Entry | None = None


@dataclass(frozen=True)
class Lexicon:
    """The vocabulary for one set of stems.

    Attributes:
        root: the tree of phrases.
    """

    root: Node

    def longest(self, words: Sequence[str], start: int) -> tuple[Entry, int] | None:
        """The longest phrase at `start` and the index after it, or None."""
        node: Node | None = self.root
        found = None
        index = start
        while node is not None:
            if node.entry is not None:
                found = (node.entry, index)
            node = node.children.get(words[index]) if index < len(words) else None
            index += 1
        return found


def expand(pattern: str) -> Iterator[tuple[str, ...]]:
    """All phrases of a pattern: "too|so loud" is two phrases, "so that?" as well; marks are not part of it.

    Raises:
        ValueError: if a phrase of the pattern has no word.
    """
    choices = []
    for word in pattern.split():
        optional = word.endswith("?") and len(word) > 1
        words = word.removesuffix("?").split("|") if optional else word.split("|")
        choices.append([*words, ""] if optional else words)
    for combination in itertools.product(*choices):
        phrase = tuple(word for word in combination if word)
        if not phrase:
            raise ValueError(f"the pattern {pattern!r} of the vocabulary allows a phrase without a word")
        yield phrase


@cache
def vocabulary() -> Any:
    """The content of ``data/vocabulary.yaml``."""
    return load_data("vocabulary")


@cache
def word_set(key: str) -> frozenset[str]:
    """A list of single words in the vocabulary, such as ``units``.

    Raises:
        KeyError: if the vocabulary has no such list.
    """
    return frozenset(vocabulary()[key])


@cache
def number_words(key: str) -> Lexicon:
    """The phrases of a table of the vocabulary from number to patterns (``numbers``, ``halves``), as a tree."""
    root = Node()
    for value, patterns in vocabulary()[key].items():
        for pattern in patterns:
            for phrase in expand(pattern):
                _set(root, phrase, Entry(frozenset({Kind.AMOUNT}), value_db=float(value)))
    return Lexicon(root)


def split_name(stem: str) -> tuple[str, ...]:
    """The words of a stem's name, as the tokenizer would cut it out of a text."""
    return tuple(token.text for token in tokenize(label_name(stem)))


@lru_cache(maxsize=128)
def lexicon(stems: tuple[str, ...]) -> Lexicon:
    """The tree of phrases for a set of stems.

    Their names outrank every other phrase; the names that people give to the four roles count where the role is asked
    for and no stem has that very name. A single word that is part of another stem's name ("strings" beside
    ``bowed_strings``) is no name for one of the four.
    """
    root = Node()
    for kind, patterns in vocabulary()["phrases"].items():
        for pattern in patterns:
            mark = Mark(pattern[-1]) if pattern[-1] in "~>" else Mark.NONE
            for phrase in expand(pattern.rstrip("~> ")):
                _add(root, phrase, Entry(frozenset({Kind(kind)}), mark))
    for value_db, patterns in vocabulary()["vague"].items():
        for pattern in patterns:
            for phrase in expand(pattern):
                _add(root, phrase, Entry(frozenset({Kind.VAGUE}), value_db=float(value_db)))
    own = {word.removesuffix("s") for stem in stems if stem not in vocabulary()["stems"] for word in split_name(stem)}
    for stem in stems:
        for pattern in vocabulary()["stems"].get(stem, ()):
            for phrase in expand(pattern):
                if len(phrase) > 1 or phrase[0].removesuffix("s") not in own:
                    _set(root, phrase, Entry(frozenset({Kind.STEM}), stem=stem))
    names = [(words, stem) for stem in stems if stem != OTHER and (words := split_name(stem))]
    for words, stem in names:
        _set_plural(root, words, stem)
    for words, stem in names:
        _set(root, words, Entry(frozenset({Kind.STEM}), stem=stem))
    return Lexicon(root)


def _node(root: Node, phrase: Sequence[str]) -> Node:
    node = root
    for word in phrase:
        node = node.children.setdefault(word, Node())
    return node


def _set(root: Node, phrase: Sequence[str], entry: Entry) -> None:
    _node(root, phrase).entry = entry


def _set_plural(root: Node, words: tuple[str, ...], stem: str) -> None:
    """The name in the plural ("guitars"), unless the vocabulary has another use for the word."""
    plural = (*words[:-1], words[-1] + "s")
    entry = _node(root, plural).entry
    if not words[-1].endswith("s") and (entry is None or entry.stem):
        _set(root, plural, Entry(frozenset({Kind.STEM}), stem=stem))


def _add(root: Node, phrase: Sequence[str], entry: Entry) -> None:
    """A phrase may have several kinds ("change" is an act, and what "no" denies)."""
    node = _node(root, phrase)
    if node.entry is not None:
        mark = node.entry.mark or entry.mark
        value_db = node.entry.value_db or entry.value_db
        entry = Entry(node.entry.kinds | entry.kinds, mark, value_db=value_db)
    node.entry = entry
