"""Room language: items grouped into sentences, and sentences into clauses that say one thing of one set of stems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mixlab.language.clauses import Clause, read_clause
from mixlab.language.items import Item
from mixlab.language.lexicon import Kind, Mark, word_set

_JOINTS = (Kind.SPLIT, Kind.SPLIT_NOT, Kind.EXCEPT, Kind.EFFECT, Kind.PURPOSE, Kind.COMMA)
_TURNS = (Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER, Kind.WEAK_RAISE, Kind.ACT)


def read_sentences(items: Iterable[Item]) -> Iterator[list[Clause]]:
    """The sentences of a text, each as its clauses; a question says nothing and is left out."""
    sentence: list[Item] = []
    for item in items:
        if item.has(Kind.STOP):
            is_question = item.words[0] == "?" and bool(sentence) and sentence[0].words[0] in word_set("questions")
            if sentence and not is_question:
                yield _join(_split(sentence))
            sentence = []
        else:
            sentence.append(item)
    if sentence:
        yield _join(_split(sentence))


def _split(sentence: Sequence[Item]) -> Iterator[Clause]:
    """Clauses as commas and conjunctions cut them."""
    joint: Kind | None = None
    part: list[Item] = []
    has_turn = False
    for index, item in enumerate(sentence):
        if item.has(*_JOINTS):
            yield read_clause(part, joint)
            joint, part, has_turn = next(kind for kind in _JOINTS if item.has(kind)), [], False
            continue
        if has_turn and item.words[0] == "to" and _is_infinitive(sentence[index : index + 2], part):
            yield read_clause(part, joint)  # "raise the vocals by 3 dB | to reduce the masking"
            joint, part, has_turn = Kind.PURPOSE, [], False
        part.append(item)
        has_turn = has_turn or item.has(Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER)
    yield read_clause(part, joint)


def _is_infinitive(items: Sequence[Item], before: Sequence[Item]) -> bool:
    """Whether "to" leads to a verb ("to reduce the masking", "to support the kick") and not to a stem."""
    if any(item.has(*_TURNS) for item in items):
        return True
    has_stem = any(item.has(Kind.STEM) for item in before)
    return has_stem and items[-1].has(Kind.WORD) and items[-1].words[0] not in word_set("determiners")


def _join(clauses: Iterable[Clause]) -> list[Clause]:
    """Clauses that belong together put together: "the vocals and | the drums are too loud"."""
    frames: list[Clause] = []
    in_purpose = False
    for clause in clauses:
        if not (clause.mentions or clause.has_predicate or clause.amounts or clause.vague_db):
            continue
        if not frames:
            frames.append(clause)
            continue
        current = frames[-1]
        if clause.joint in (Kind.PURPOSE, Kind.EFFECT) and current.solutions:
            in_purpose = True  # "so that the drums are louder than the bass" says what the advice is good for
        elif clause.solutions:
            in_purpose = False
        if in_purpose:
            continue
        if clause.joint is Kind.EXCEPT:
            _set_apart(frames, clause)
            continue
        if clause.is_bare and clause.mentions and clause.joint is Kind.SPLIT and current.ends_in_reference:
            current.mentions.extend((stem, Mark.STRONG) for stem, _ in clause.mentions)
            current.amounts.extend(clause.amounts)
        elif not current.has_predicate and (current.is_bare or not current.targets or not clause.targets):
            current.absorb(clause)
        elif clause.has_predicate or not current.has_predicate:
            frames.append(clause)
        elif clause.is_bare and clause.targets and clause.amounts and current.amounts:
            clause.solutions, clause.descriptions = set(current.solutions), set(current.descriptions)
            frames.append(clause)
        elif clause.is_bare:
            current.absorb(clause)
        else:
            current.amounts.extend(clause.amounts)
    return frames


def _set_apart(frames: list[Clause], clause: Clause) -> None:
    """Take in "except the vocals": what is said of all others is not said of them, nor of the mix as a whole."""
    if frames[-1].has_predicate:
        frames[-1].rest = True
        frames.append(clause)
    else:  # "everything except the vocals is fine"
        clause.mentions.clear()
        clause.rest = True
        frames[-1] = clause
