"""Room language: items grouped into sentences, and sentences into clauses that say one thing of one set of stems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mixlab.language.clause import Clause
from mixlab.language.clauses import read_clause
from mixlab.language.items import Item
from mixlab.language.joining import join
from mixlab.language.lexicon import Kind, Mark, word_set

_JOINTS = (Kind.SPLIT, Kind.SPLIT_NOT, Kind.EXCEPT, Kind.EFFECT, Kind.PURPOSE, Kind.IF, Kind.WISH, Kind.COMMA)
_STATES = (Kind.LOUD, Kind.QUIET)
_TURNS = (Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER, Kind.WEAK_RAISE, Kind.ACT)
_MOVES = (*_TURNS[:-1], Kind.WEAK_LOWER)


@dataclass(frozen=True)
class Sentence:
    """A sentence as its clauses.

    Attributes:
        topic: the stems of the line's label or of the heading that it stands under ("**Drums:** too loud").
        is_alternative: it is one of several ways to go ("alternatively, ...").
        is_optional: it may be done or left ("feel free to ...").
        asks, denies: it ends with a question mark, or begins with a "no" that may answer one that does.
        is_continued: a semicolon stands before it, or it is a field of a record ("Action: raise").
        retracts: it takes back what was said before ("actually no, ...").
    """

    clauses: list[Clause]
    topic: tuple[str, ...] = ()
    is_alternative: bool = False
    is_optional: bool = False
    asks: bool = False
    denies: bool = False
    is_continued: bool = False
    retracts: bool = False


def read_sentences(items: Iterable[Item]) -> Iterator[Sentence]:
    """The sentences of a text; a question says nothing, but "it" may mean the one stem in it."""
    sentence: list[Item] = []
    heading: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    before = ""
    for item in [*items, None]:
        is_corrected = item is not None and item.has(Kind.RETRACTION) and any(part.has(*_MOVES) for part in sentence)
        if item is not None and not item.has(Kind.STOP) and not is_corrected:
            sentence.append(item)
            continue
        stop = "" if item is None else ";" if is_corrected else item.words[0]
        is_question = stop == "?" and _asks(sentence)
        if sentence and before in ("", "\n"):
            stems, is_heading = _label(sentence)
            heading = stems if is_heading and stop in ("\n", "") else heading
            label = stems
        named = {part.entry.stem for part in sentence if part.has(Kind.STEM)}
        if sentence and not (is_question and len(named) != 1):
            is_alternative = _wavers(sentence) or any(part.has(Kind.ALTERNATIVE) for part in sentence)
            is_field = len(sentence) > 2 and sentence[1].words == (":",) and not sentence[0].has(Kind.STEM)
            clauses = join(_split(sentence))
            for clause in clauses if stop == "?" else ():
                clause.is_nice = False  # "all good?"
            if is_question or any(part.has(Kind.CUSTOM) for part in sentence):
                for clause in clauses:
                    clause.void()
            if any(part.has(Kind.SHARED) for part in sentence):
                clauses = _shared_out(clauses)
            retracts = any(part.has(Kind.RETRACTION) for part in sentence)
            yield Sentence(
                clauses,
                label or heading,
                is_alternative,
                is_optional=any(part.has(Kind.OPTION) for part in sentence),
                asks=stop == "?",
                denies=_denies(sentence),
                is_continued=is_field or before == ";",
                retracts=retracts,
            )
        if stop == "\n":
            label = ()
        is_number = bool(sentence) and not any(part.words[0].isalpha() for part in sentence)
        before = before if is_number and before in ("", "\n") else stop  # "1. Vocals: ..."
        sentence = [item] if item is not None and is_corrected else []


def _asks(sentence: Sequence[Item]) -> bool:
    """Whether what ends with a question mark is a question, and no request ("can you bring the vocals up?")."""
    if not sentence or sentence[0].words[0] not in word_set("questions") or sentence[0].has(Kind.IGNORE):
        return False
    small = word_set("adverbs") | word_set("determiners") | {"be"}
    rest = [item for item in sentence[1:] if item.words[0] not in small and not item.has(Kind.AMOUNT, Kind.STEM)]
    if sentence[0].has(Kind.QUIET):  # "where did the bass go?"
        return any(item.words[0] not in word_set("gone") for item in rest)
    is_turned = bool(rest) and rest[0].has(*_TURNS, Kind.WEAK_LOWER, Kind.GAIN, Kind.LOSS)
    is_turned = is_turned or (bool(rest) and rest[0].has(*_STATES) and len(rest[0].words) > 1)  # "why is it so loud?"
    return not (sentence[0].has(Kind.REQUEST) and is_turned)


def _denies(sentence: Sequence[Item]) -> bool:
    """Whether the sentence says no to a question before it: "No.", "I would not."."""
    has_stem = any(item.has(Kind.STEM) for item in sentence)
    return not has_stem and any(item.has(Kind.NOT, Kind.NOTHING, Kind.DISOWN) for item in sentence[:3])


def _wavers(sentence: Sequence[Item]) -> bool:
    """Whether one of several stems is meant: "maybe the bass, maybe the kick"."""
    words = [item for item in sentence if item.words[0] not in word_set("determiners") and not item.has(Kind.COPULA)]
    doubts = (pair for pair in pairwise(words) if pair[0].words[-1] in word_set("waverers") and pair[1].has(Kind.STEM))
    return sum(1 for _ in doubts) > 1


def _shared_out(clauses: list[Clause]) -> list[Clause]:
    """The clauses one for each stem, each with its amount: "up by 2 and 3 dB respectively", "2 dB each"."""
    turned = [(clause, stem) for clause in clauses for stem in clause.targets]
    amounts = [amount for clause in clauses for amount in clause.amounts]
    amounts *= len(turned) if len(amounts) == 1 else 1
    if not turned or len(turned) != len(amounts):
        return clauses
    pairs = zip(turned, amounts, strict=True)
    shared = [replace(clause, mentions=[(stem, Mark.NONE)], amounts=[amount]) for (clause, stem), amount in pairs]
    return shared + [clause for clause in clauses if not (clause.targets or clause.amounts)]


def _label(line: Sequence[Item]) -> tuple[tuple[str, ...], bool]:
    """The stems that a line begins with as a label, and whether it holds nothing else and so is a heading."""
    rest = [item for item in line if item.words[0].isalnum() or item.words[0] in ":|-"]
    while rest and (rest[0].words[0].isdigit() or rest[0].words[0] in ("|", "-")):
        rest = rest[1:]
    stems: list[str] = []
    while rest and (rest[0].has(Kind.STEM) or (stems and rest[0].words[0] in ("and", "track", "fader"))):
        stems += [rest[0].entry.stem] if rest[0].has(Kind.STEM) else []
        rest = rest[1:]
    is_label = not rest or rest[0].words[0] in (":", "|", "-")
    is_heading = all(item.words[0] in (":", "|", "-") for item in rest)
    return (tuple(stems), is_heading and bool(stems)) if is_label else ((), False)


def _split(sentence: Sequence[Item]) -> Iterator[Clause]:
    """Clauses as commas and conjunctions cut them."""
    sentence = _without_brackets(sentence)
    joint = Kind.IF if _is_inverted(sentence) else None
    part: list[Item] = []
    has_turn = contrasts = False
    for index, item in enumerate(sentence):
        is_contrast = item.words[0] in word_set("contrasts")
        if (item.has(*_JOINTS) or _is_outcome(item, part)) and not (item.words[-1] == "should" and _is_cleft(part)):
            yield read_clause(part, joint, contrasts)
            contrasts = is_contrast or (contrasts and not part)
            joint = _joint(sentence, index)
            part, has_turn = [], False
            continue
        contrasts = contrasts or is_contrast
        if item.has(Kind.SAME) and any(other.has(*_MOVES, *_STATES) for other in part):
            yield read_clause(part, joint, contrasts)
            joint, part, has_turn = Kind.SPLIT, [], False
        if item.words == ("by",) and _is_means(sentence[index + 1 :]):
            before = read_clause(part, joint)
            before.void()  # "match the drums to the bass | by raising them"
            yield before
            joint, part, has_turn = Kind.SPLIT, [], False
            continue
        if has_turn and item.words[0] == "to" and _is_infinitive(sentence[index : index + 2], part):
            yield read_clause(part, joint, contrasts)  # "raise the vocals by 3 dB | to reduce the masking"
            joint, part, has_turn = Kind.PURPOSE, [], False
        part.append(item)
        has_turn = has_turn or item.has(Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER)
    yield read_clause(part, joint, contrasts)


def _is_cleft(part: Sequence[Item]) -> bool:
    """Whether only the stem comes before its verb: "it is the drums that should come down"."""
    is_it = len(part) > 2 and part[0].words == ("it",) and part[1].has(Kind.COPULA) and part[-1].has(Kind.STEM)
    return is_it and not any(item.has(Kind.NOT) for item in part)


def _without_brackets(sentence: Sequence[Item]) -> list[Item]:
    """The items without the brackets around an amount: "the drums (3 dB) and the bass (2 dB)"."""
    return [
        item
        for index, item in enumerate(sentence)
        if not (item.words == ("(",) and any(other.amount for other in sentence[index + 1 : index + 2]))
        and not (
            item.words == (")",) and index > 1 and sentence[index - 1].amount and sentence[index - 2].words == ("(",)
        )
    ]


def _is_inverted(sentence: Sequence[Item]) -> bool:
    """Whether the sentence begins with a condition without "if": "should the label want it, ..."."""
    if len(sentence) < 2 or sentence[0].words != ("should",):
        return False
    return sentence[1].has(Kind.STEM, Kind.PRONOUN) or sentence[1].words[0] in (*word_set("determiners"), "you")


def _joint(sentence: Sequence[Item], index: int) -> Kind:
    """What the word or mark at `index` joins: "but" after "everything" excepts."""
    item = sentence[index]
    is_verb = index + 1 < len(sentence) and sentence[index + 1].has(*_TURNS, Kind.WEAK_LOWER)
    if item.words == ("but",) and index > 0 and sentence[index - 1].has(Kind.ALL) and not is_verb:
        return Kind.EXCEPT
    return next((kind for kind in _JOINTS if item.has(kind)), Kind.EFFECT)


def _is_outcome(item: Item, before: Sequence[Item]) -> bool:
    """Whether what follows is what a move is good for: "lowering them by 3 dB | would help the vocals"."""
    if not item.has(Kind.OUTCOME):
        return False
    has_subject = any(part.has(Kind.STEM, Kind.PRONOUN, Kind.AMOUNT) for part in before)
    return has_subject and any(part.has(*_MOVES) for part in before)


def _is_means(items: Sequence[Item]) -> bool:
    """Whether "by" leads to what is to be done: "by taking 2 dB off the guitars"."""
    is_gerund = bool(items) and items[0].words[0].endswith("ing") and items[0].has(*_TURNS, Kind.WEAK_LOWER, Kind.LOSS)
    return is_gerund and any(item.has(Kind.STEM, Kind.PRONOUN) for item in items)


def _is_infinitive(items: Sequence[Item], before: Sequence[Item]) -> bool:
    """Whether "to" leads to a verb ("to reduce the masking", "to support the kick") and not to a stem."""
    if any(item.has(*_TURNS) for item in items):
        return True
    has_stem = any(item.has(Kind.STEM) for item in before)
    return has_stem and items[-1].has(Kind.WORD) and items[-1].words[0] not in word_set("determiners")
