"""Room language: clauses of a sentence that say one thing put together, and those that say nothing left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from mixlab.language.clause import Clause
from mixlab.language.lexicon import Kind, Mark


def join(clauses: Iterable[Clause]) -> list[Clause]:
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
    elif clause.balanced and current.balanced and current.targets and not (clause.mentions or clause.whole):
        current.absorb(clause)  # "the vocals are balanced | and well placed"
    elif _is_unfinished(current, clause) or _ends_split_verb(current, clause):
        current.absorb(clause)
    elif clause.has_predicate or not current.has_predicate or (clause.aside and clause.targets) or clause.levels:
        frames.append(clause)
    elif clause.is_bare and clause.targets and clause.amounts and current.amounts:
        clause.solutions, clause.descriptions = set(current.solutions), set(current.descriptions)
        frames.append(clause)
    elif clause.is_bare:
        current.absorb(clause)
    elif clause.is_unread:
        frames.append(clause)
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
    is_named = clause.is_bare and bool(clause.mentions) and not (clause.amounts or clause.contrasts)
    if current.joint is Kind.EXCEPT and clause.joint is Kind.SPLIT and is_named:
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
