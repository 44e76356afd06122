"""Room language: all that a text says of each stem and of the mix, gathered from its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from mixlab.language.advice import Direction
from mixlab.language.amounts import Amount
from mixlab.language.clause import Clause
from mixlab.language.lexicon import Kind
from mixlab.language.sentences import Sentence


@dataclass
class Said:
    """All that a text says of one stem."""

    solutions: list[tuple[Direction, Clause]] = field(default_factory=list)
    descriptions: list[tuple[Direction, Clause]] = field(default_factory=list)
    acts: list[Clause] = field(default_factory=list)
    forbidden: set[Direction] = field(default_factory=set)
    dismissed: set[Direction] = field(default_factory=set)
    leave: bool = False
    nice: bool = False
    levels: set[tuple[float, bool]] = field(default_factory=set)


@dataclass
class Evidence:
    """All that a text says: of each stem, of the mix as a whole, and solutions that name no stem.

    Attributes:
        optional: it has a move that depends on a condition.
        either: it has moves of which one is to be chosen.
        aside: it speaks of sound in other terms than level.
        retracted: it takes something back, and does not say what holds in its place.
        unread: stems of which it tells what the vocabulary lacks.
    """

    stems: dict[str, Said] = field(default_factory=dict)
    balanced: bool = False
    nice: bool = False
    optional: bool = False
    either: bool = False
    aside: bool = False
    retracted: bool = False
    unread: set[str] = field(default_factory=set)
    orphans: list[tuple[Direction, Clause]] = field(default_factory=list)

    def of(self, stem: str) -> Said:
        return self.stems.setdefault(stem, Said())


def gather(sentences: Sequence[Sentence], stems: Sequence[str]) -> Evidence:
    """What the sentences say; a clause that names no stem speaks of those of its label, or of those just spoken of."""
    evidence = Evidence()
    antecedents: Sequence[str] = ()
    last: Clause | None = None
    measured: Sequence[Amount] = ()
    named: Sequence[str] = ()
    for sentence, after in zip_longest(sentences, sentences[1:]):
        if sentence.asks and after is not None and after.denies:
            for clause in sentence.clauses:
                clause.void()  # "Lower the drums? I would not."
        is_first = not sentence.is_continued
        here: list[str] = []
        retracts = sentence.retracts and any(said.solutions or said.acts for said in evidence.stems.values())
        for clause in _certain(sentence, evidence):
            evidence.aside = evidence.aside or clause.aside
            says = clause.has_predicate or clause.mentions or clause.acts or clause.aside
            if clause.contrasts:
                evidence.unread.clear()  # "the drums feel energetic, but ..."
            if clause.contrasts and evidence.balanced:
                evidence.balanced, evidence.nice = False, True
            if retracts and last is not None and clause.amounts and not says:
                last.amounts[:], retracts = clause.amounts, False
                continue
            if last is not None and clause.amounts and not says and not last.aside:
                last.amounts.extend(clause.amounts if not last.amounts else ())
                continue
            if clause.joint is Kind.EFFECT and any(said.solutions for said in evidence.stems.values()):
                continue
            _fill_in(clause, last, measured)
            measured = clause.amounts or measured
            if clause.which is None:
                targets = _targets(clause, sentence, stems, antecedents, last, is_first)
            else:  # "the former", "the latter"
                targets = named[clause.which :][:1] if len(named) == 2 else ()
                evidence.retracted = evidence.retracted or not targets
            antecedents = targets or clause.excluded or antecedents
            if retracts and targets and _turns(clause):
                retracts = False
                _take_back(evidence, targets)
            _note(evidence, clause, targets)
            last, is_first = clause, False
            here.extend(stem for stem, _ in clause.mentions if stem not in here)
            named = here or named
        evidence.retracted = evidence.retracted or retracts
    for said in evidence.stems.values():  # "loud, but not too loud"
        said.descriptions = [told for told in said.descriptions if told[0] not in said.dismissed]
        _compare_levels(said)
    return evidence


def _fill_in(clause: Clause, last: Clause | None, measured: Sequence[Amount]) -> None:
    """Give a clause what it takes over: "so is the bass", "the same goes for the drums", "by the same amount"."""
    if clause.is_same_amount and not clause.amounts:
        clause.amounts.extend(replace(amount, sign=0) for amount in measured)
    if not clause.is_same or last is None:
        return
    if clause.targets and not _turns(clause):
        clause.solutions, clause.descriptions = set(last.solutions), set(last.descriptions)
        clause.amounts.extend(() if clause.amounts else last.amounts)
        clause.vague_db.extend(() if clause.vague_db else last.vague_db)
        clause.leave = clause.leave or last.leave or last.balanced
    elif clause.rest and (last.balanced or last.leave):
        clause.rest, clause.balanced = False, True


def _take_back(evidence: Evidence, targets: Sequence[str]) -> None:
    """Forget the moves of the stems that a correction speaks of; it has to speak of all that move."""
    moved = {stem for stem, said in evidence.stems.items() if said.solutions or said.acts}
    evidence.retracted = evidence.retracted or not moved <= set(targets)
    for stem in targets:
        said = evidence.of(stem)
        said.solutions, said.descriptions, said.acts = [], [], []


def _compare_levels(said: Said) -> None:
    """Take the way from where a fader stands to where it should stand as a move, where one of each is named."""
    now = [level_db for level_db, is_due in said.levels if not is_due]
    due = [level_db for level_db, is_due in said.levels if is_due]
    if len(now) == len(due) == 1 and now != due:
        way_db = round(due[0] - now[0], 6)
        clause = Clause(amounts=[Amount(abs(way_db), abs(way_db))])
        said.solutions.append((Direction.of(way_db), clause))


def _certain(sentence: Sentence, evidence: Evidence) -> Iterator[Clause]:
    """The clauses that depend on no condition; the others are only counted."""
    is_condition = is_either = False
    has_wish = any(clause.joint is Kind.IF and clause.is_subjunctive for clause in sentence.clauses)
    for index, clause in enumerate(sentence.clauses):
        is_condition = is_condition or sentence.is_optional
        is_opening = is_condition and sentence.clauses[0].joint is Kind.IF
        is_turned = bool(clause.solutions or clause.descriptions or (clause.targets and clause.amounts))
        evidence.either = evidence.either or (is_turned and (is_either or clause.either or sentence.is_alternative))
        is_either = (is_either or clause.either) and not is_turned
        if clause.joint is Kind.IF and not has_wish:
            is_condition = True
        elif index > 0 and clause.joint is Kind.SPLIT and not (is_opening or sentence.is_optional):
            is_condition = False
        if is_condition:
            evidence.optional = evidence.optional or bool(clause.solutions)
            continue
        yield clause


def _targets(
    clause: Clause,
    sentence: Sentence,
    stems: Sequence[str],
    antecedents: Sequence[str],
    last: Clause | None,
    is_first: bool,
) -> Sequence[str]:
    """The stems that a clause speaks of."""
    if clause.excluded:
        is_moved = bool(clause.solutions or clause.descriptions)
        return [stem for stem in stems if stem not in clause.excluded] if is_moved else ()
    if clause.targets or clause.rest or clause.process:
        return clause.targets
    speaks = _turns(clause) or clause.leave or clause.balanced or clause.is_nice
    if sentence.topic and speaks and not clause.whole:
        return sentence.topic
    if last is not None and (last.aside or last.process) and not _turns(last):
        # After "compress the drums at 100 Hz" only "them" is certain to mean the drums.
        is_meant = clause.plural or (clause.pronoun and last.process and not last.band)
        return antecedents if is_meant or clause.descriptions else ()
    denies = bool(clause.dismissed) and not is_first and not clause.whole
    is_one = not clause.plural and last is not None and last.targets and not last.has_predicate
    if is_one and len(antecedents) > 1:
        return ()  # "the piano competes with the vocals, reduce it"
    is_sure = not is_first or clause.states_amount or clause.descriptions
    refers = clause.pronoun or denies or clause.levels or (_turns(clause) and is_sure)
    return antecedents if refers else ()


def _turns(clause: Clause) -> bool:
    """Whether the clause speaks of a stem even where it names none."""
    return bool(clause.solutions or clause.descriptions or clause.forbidden or clause.signed_direction)


def _note(evidence: Evidence, clause: Clause, targets: Sequence[str]) -> None:
    solutions = set(clause.solutions)
    if not solutions and not clause.descriptions and clause.signed_direction:
        solutions = {clause.signed_direction}
    evidence.unread.update(targets if clause.is_unread else ())
    is_zero = any(amount.high_db == 0 for amount in clause.amounts)
    for stem in targets:
        said = evidence.of(stem)
        said.solutions.extend((direction, clause) for direction in sorted(solutions))
        said.descriptions.extend((direction, clause) for direction in sorted(clause.descriptions))
        said.forbidden |= clause.forbidden
        said.dismissed |= clause.dismissed
        said.leave = said.leave or clause.leave or clause.balanced or (is_zero and not _turns(clause))
        said.nice = said.nice or clause.is_nice
        said.levels |= set(clause.levels)
        if clause.acts and clause.amounts and not solutions:
            said.acts.append(clause)
    if targets:
        return
    if solutions:
        evidence.orphans.extend((direction, clause) for direction in sorted(solutions))
    if not clause.rest and not clause.excluded:
        evidence.balanced = evidence.balanced or clause.balanced or clause.leave
        evidence.nice = evidence.nice or clause.is_nice
