"""Room language: whether a word of direction turns a level, and whether a text is language at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mixlab.language.items import PLAIN, Item
from mixlab.language.lexicon import Kind, vocabulary, word_set

_VERBS = (Kind.RAISE, Kind.LOWER, Kind.QUIETER)
_ADVICE = (Kind.STEM, Kind.AMOUNT, *_VERBS)


def turns_something_else(items: Sequence[Item], index: int) -> bool:
    """Whether the word of direction at `index` turns what is no level: "reduce the sibilance of the vocals".

    Nouns that the vocabulary lacks say so, unless a stem or a word for level ends them ("lower the distorted guitars").
    """
    place, has_article = index + 1, False
    while place < len(items) and _is_transparent(items[place]):
        has_article = has_article or items[place].words[0] in word_set("determiners")
        place += 1
    start = place
    while place < len(items) and _is_unknown(items[place]):
        place += 1
    if place == start:
        return False
    if place < len(items) and (items[place].has(Kind.STEM, Kind.REST) or items[place].words[0] in word_set("objects")):
        return False
    return has_article or items[index].words[-1] not in word_set("particles")


def _is_transparent(item: Item) -> bool:
    word = item.words[0]
    known = word in word_set("determiners") or word in word_set("adverbs") or item.has(Kind.VAGUE, Kind.HEDGE)
    return known or (item.has(Kind.WORD) and word.endswith("ly"))


def _is_unknown(item: Item) -> bool:
    word = item.words[0]
    is_known = word in word_set("prepositions") or word in word_set("objects")
    return (item.entry is PLAIN or item.has(Kind.TONE)) and word[0].isalpha() and not is_known


def is_broken(items: Sequence[Item]) -> bool:
    """Whether the words stand in no order that a sentence has, as those of a model that has not learned to speak do."""
    pairs = vocabulary()["broken"]
    for index, (first, second) in enumerate(itertools.pairwise(items)):
        last, word = first.words[-1], second.words[0]
        if word in pairs.get(last, ()):
            return True
        if second.has(Kind.STOP) and second.words != ("\n",) and last in word_set("never_last"):
            return True
        is_same = first.words == second.words and (word[0].isalnum() and word not in word_set("repeated"))
        if is_same or _is_lone_unit(first, second) or _acts_by_stem(items, index):
            return True
    return False


def _is_lone_unit(first: Item, second: Item) -> bool:
    """Whether a unit stands where no number can belong to it: "lower dB", "by dB"."""
    is_after_word = first.words[-1][0].isalpha() and first.words[-1] not in word_set("before_lone_unit")
    return second.words == ("db",) and second.amount is None and is_after_word


def _acts_by_stem(items: Sequence[Item], index: int) -> bool:
    """Whether a stem acts on another one ("lower the drums by the vocals") or is a verb ("the vocals is raise the")."""
    first, *after = items[index : index + 4]
    words = [item.words[0] for item in after]
    if first.has(*_ADVICE) and words[:1] == ["by"] and after[0].amount is None and len(after) > 1:
        place = 2 if words[1] in word_set("determiners") else 1
        return len(after) > place and after[place].has(Kind.STEM)
    is_verb = words[:1] in (["is"], ["are"]) and words[2:3] == ["the"] and after[1].has(*_VERBS)
    return is_verb and first.words[-1] not in word_set("announcers")
