"""Room language: items grouped into sentences, and sentences into clauses that say one thing of one set of stems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from mixlab.language.clause import Clause
from mixlab.language.clauses import read_clause
from mixlab.language.items import Item
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
    """The sentences of a text; a question says nothing and is left out."""
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
        if sentence and not is_question:
            is_alternative = _wavers(sentence) or any(part.has(Kind.ALTERNATIVE) for part in sentence)
            is_field = len(sentence) > 2 and sentence[1].words == (":",) and not sentence[0].has(Kind.STEM)
            clauses = _join(_split(sentence))
            if any(part.has(Kind.CUSTOM) for part in sentence):
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
    if not sentence or sentence[0].words[0] not in word_set("questions"):
        return False
    small = word_set("adverbs") | word_set("determiners")
    rest = (item for item in sentence[1:] if item.words[0] not in small and not item.has(Kind.AMOUNT))
    after = next(rest, sentence[0])
    return not (sentence[0].has(Kind.REQUEST) and after.has(*_TURNS, Kind.WEAK_LOWER, Kind.GAIN, Kind.LOSS))


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
        contrasts = contrasts or item.words[0] in word_set("contrasts")
        if item.has(*_JOINTS) or _is_outcome(item, part):
            yield from _clause(part, joint, contrasts and item.words[0] not in word_set("contrasts"))
            contrasts = contrasts and (not part or item.words[0] in word_set("contrasts"))
            joint = _joint(sentence, index)
            part, has_turn = [], False
            continue
        if item.has(Kind.SAME) and any(other.has(*_MOVES, *_STATES) for other in part):
            yield from _clause(part, joint, contrasts)
            joint, part, has_turn = Kind.SPLIT, [], False
        if item.words == ("by",) and _is_means(sentence[index + 1 :]):
            before = read_clause(part, joint)
            before.void()  # "match the drums to the bass | by raising them"
            yield before
            joint, part, has_turn = Kind.SPLIT, [], False
            continue
        if has_turn and item.words[0] == "to" and _is_infinitive(sentence[index : index + 2], part):
            yield from _clause(part, joint, contrasts)  # "raise the vocals by 3 dB | to reduce the masking"
            joint, part, has_turn = Kind.PURPOSE, [], False
        part.append(item)
        has_turn = has_turn or item.has(Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER)
    yield from _clause(part, joint, contrasts)


def _clause(part: Sequence[Item], joint: Kind | None, contrasts: bool) -> Iterator[Clause]:
    """The clause of these items, if there are any."""
    clause = read_clause(part, joint)
    clause.contrasts = contrasts
    yield clause


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
    if item.words == ("but",) and index > 0 and sentence[index - 1].has(Kind.ALL):
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


def _join(clauses: Iterable[Clause]) -> list[Clause]:
    """Clauses that belong together put together: "the vocals and | the drums are too loud"."""
    frames: list[Clause] = []
    in_purpose = False
    every = list(clauses)
    for index, clause in enumerate(every):
        says = clause.has_predicate or clause.states_amount or clause.mentions or clause.aside or clause.all
        if clause.disowns and frames:
            frames[-1].void()  # "I might raise the vocals, | but I might not"
            frames.extend([clause] if clause.has_predicate and clause.targets else [])
            continue
        shapes = (
            clause.is_same
            or clause.which is not None
            or clause.either
            or clause.rejects
            or clause.ends_in_anchor
            or clause.joint is Kind.IF
        )
        if not (says or shapes):
            continue
        if not frames:
            frames.append(clause)
            continue
        current = frames[-1]
        if clause.joint is Kind.EFFECT and current.names_none:
            clause.void()  # "it is not the bass | that is too loud"
        if clause.joint in (Kind.PURPOSE, Kind.EFFECT) and current.solutions:
            if clause.joint is Kind.EFFECT and clause.rejects:
                current.void()  # "lowering the bass | would not help"
                continue
            in_purpose = True  # "so that the drums are louder than the bass" says what the advice is good for
        elif clause.solutions and not clause.elliptic:
            in_purpose = False
        if current.told and (clause.is_past or (clause.joint is Kind.PURPOSE and not clause.targets)):
            clause.void()  # "I lowered the drums | and raised the vocals", "| which was too much"
            clause.told = True
        if not in_purpose and frames[-1].has_predicate and _leads_on(every[index:]):
            frames.append(clause)
        elif not in_purpose:
            _add(frames, clause)
    return frames


def _leads_on(clauses: Sequence[Clause]) -> bool:
    """Whether a stem alone belongs to what follows: "the bass is fine, | the guitars | and the drums are too loud"."""
    names = list(takewhile(lambda clause: clause.is_bare and clause.mentions and not clause.amounts, clauses))
    after = clauses[len(names) :]
    is_list = bool(names) and all(clause.joint in (Kind.SPLIT, Kind.COMMA) for clause in names)
    return is_list and bool(after) and after[0].joint is Kind.SPLIT and after[0].is_statement and after[0].has_predicate


def _add(frames: list[Clause], clause: Clause) -> None:
    """Put a clause together with the one before it, or beside it."""
    current = frames[-1]
    if clause.joint is Kind.EXCEPT or current.joint is Kind.EXCEPT:
        _set_apart(frames, clause)
    elif current.excluded and not current.has_predicate and clause.joint is Kind.SPLIT and clause.mentions:
        current.excluded.extend(stem for stem, _ in clause.mentions)
        clause.mentions.clear()
        current.absorb(clause)  # "everything except the bass | and the drums should come up"
    elif clause.band and not (clause.mentions or clause.acts):
        current.void()  # "cut the bass by 3 dB, | at 250 Hz"
        current.aside = True
    elif current.band and not (current.mentions or current.acts):
        clause.void()  # "at 250 Hz, | cut the bass by 3 dB"
        frames.append(clause)
    elif current.aside and clause.elliptic:
        clause.void()  # "more reverb on the vocals | and less on the drums"
        frames.append(clause)
    elif current.process or clause.process or clause.either or Kind.IF in (clause.joint, current.joint):
        frames.append(clause)
    elif clause.is_anchor and current.mentions:
        current.mentions[-1] = (current.mentions[-1][0], Mark.STRONG)  # "next to the bass | (the anchor)"
    elif clause.is_bare and clause.mentions and current.ends_in_anchor:
        current.mentions.extend((stem, Mark.STRONG) for stem, _ in clause.mentions)  # "next to the anchor | (bass)"
    elif clause.is_bare and clause.mentions and clause.joint is Kind.SPLIT and _goes_on(current, clause):
        _go_on(current, clause)
    elif clause.is_same:
        frames.append(clause)
    elif _is_unfinished(current, clause) or _ends_split_verb(current, clause):
        current.absorb(clause)
    elif clause.has_predicate or not current.has_predicate or (clause.aside and clause.targets) or clause.levels:
        frames.append(clause)
    elif clause.is_bare and clause.targets and clause.amounts and current.amounts:
        clause.solutions, clause.descriptions = set(current.solutions), set(current.descriptions)
        frames.append(clause)
    elif clause.is_bare:
        current.absorb(clause)
    else:
        current.amounts.extend(clause.amounts)


def _goes_on(current: Clause, clause: Clause) -> bool:
    """Whether the stems go on with what is compared with: "next to the bass | and the drums"."""
    return current.ends_in_reference and not (current.targets and current.amounts and clause.amounts)


def _go_on(current: Clause, clause: Clause) -> None:
    """Take in stems that go on with the last one: as more targets where that one is the target ("2 dB to the bass")."""
    is_target = current.mentions[-1][1] is Mark.WEAK and all(mark is not Mark.NONE for _, mark in current.mentions)
    if is_target:
        current.mentions = [(stem, Mark.NONE if mark is Mark.WEAK else mark) for stem, mark in current.mentions]
    current.mentions.extend((stem, Mark.NONE if is_target else Mark.STRONG) for stem, _ in clause.mentions)
    current.amounts.extend(clause.amounts)


def _is_unfinished(current: Clause, clause: Clause) -> bool:
    """Whether the clause before says nothing yet, and so waits for this one."""
    if clause.rest and current.mentions:
        return False  # "start with the drums | and bring up the others"
    return not current.has_predicate and (current.is_bare or not current.targets or not clause.targets)


def _ends_split_verb(current: Clause, clause: Clause) -> bool:
    """Whether a verb before has its end here: "bring the drums | and vocals down by 3 dB"."""
    if clause.joint not in (Kind.SPLIT, Kind.COMMA) or not clause.is_led_by_stem or current.states_amount:
        return False
    if current.has_predicate:
        return bool(clause.solutions) and clause.solutions == current.solutions and not clause.descriptions
    return current.acts and (clause.is_bare or bool(clause.solutions))


def _set_apart(frames: list[Clause], clause: Clause) -> None:
    """Take in "except the vocals": what is said of all others is not said of them, nor of the mix as a whole."""
    current = frames[-1]
    if clause.joint is Kind.SPLIT and clause.mentions and not clause.contrasts:
        if current.joint is Kind.EXCEPT and clause.is_bare and not clause.amounts:
            current.mentions.extend(clause.mentions)  # "except for the bass | and the drums, | all is fine"
            return
    is_moved = bool(current.solutions or current.descriptions)
    if current.joint is Kind.EXCEPT and clause.joint is Kind.PURPOSE and not is_moved:
        current.absorb(clause)  # "aside from the vocals, | which need 2 dB more"
    elif current.joint is Kind.EXCEPT and clause.joint is not Kind.EXCEPT and is_moved:
        current.joint, clause.rest = None, True  # "apart from the drums being too loud, | all is fine"
        frames.append(clause)
    elif current.joint is Kind.EXCEPT and clause.joint is not Kind.EXCEPT:  # "except for the drums, | all is fine"
        current.excluded.extend(stem for stem, _ in current.mentions)
        current.mentions.clear()
        current.joint = None
        current.absorb(clause)
    elif current.has_predicate and not is_moved:  # "everything is fine | except the vocals"
        current.rest = True
        frames.append(clause)
        clause.joint = None
    else:  # "everything | except the vocals is fine", "raise everything | except the drums by 3 dB"
        current.excluded.extend(stem for stem, _ in clause.mentions)
        clause.mentions.clear()
        current.absorb(clause)
