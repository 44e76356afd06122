"""Room language: one clause, and what it says of which stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mixlab.language.advice import Direction
from mixlab.language.items import Amount, Item
from mixlab.language.lexicon import Kind, Mark, word_set

RAISE, LOWER = Direction.RAISE, Direction.LOWER
_STRONG = {Kind.RAISE: RAISE, Kind.LOWER: LOWER}
_WEAK = {Kind.WEAK_RAISE: RAISE, Kind.WEAK_LOWER: LOWER}
_COMPARED = {Kind.LOUDER: RAISE, Kind.QUIETER: LOWER}
_STATES = {Kind.LOUD: LOWER, Kind.QUIET: RAISE}
_OPPOSITE = {RAISE: LOWER, LOWER: RAISE}
_BARE = (Kind.STEM, Kind.AMOUNT, Kind.VAGUE, Kind.REFERENCE, Kind.ANCHOR)


@dataclass
class Clause:
    """What one clause says; directions are those in which a fader would be turned.

    Attributes:
        joint: the kind of the word or mark that the clause begins with.
        mentions: stems in the order of the text, each spoken of or (marked) only compared with.
        solutions: directions that it asks for.
        descriptions: directions that the states it describes would ask for ("too loud" asks to lower).
        forbidden: directions that it rules out ("do not raise").
        denied: it denies a state ("not too loud", "not balanced").
        balanced, is_nice: the balance is right; said plainly, or in words that other advice may follow.
        leave: it asks to change nothing.
        is_bare: it holds nothing but stems, amounts and small words, so it continues a list.
    """

    joint: Kind | None = None
    mentions: list[tuple[str, Mark]] = field(default_factory=list)
    solutions: set[Direction] = field(default_factory=set)
    descriptions: set[Direction] = field(default_factory=set)
    forbidden: set[Direction] = field(default_factory=set)
    amounts: list[Amount] = field(default_factory=list)
    vague_db: list[float] = field(default_factory=list)
    denied: bool = False
    balanced: bool = False
    is_nice: bool = False
    leave: bool = False
    acts: bool = False
    pronoun: bool = False
    rest: bool = False
    is_bare: bool = False

    @property
    def targets(self) -> list[str]:
        """The stems spoken of: all without a mark, or else the first that is weakly marked."""
        plain = [stem for stem, mark in self.mentions if mark is Mark.NONE]
        weak = [stem for stem, mark in self.mentions if mark is Mark.WEAK]
        return list(dict.fromkeys(plain or weak[:1]))

    @property
    def has_predicate(self) -> bool:
        """Whether it says anything of a stem or of the mix, beside naming it."""
        says = self.solutions or self.descriptions or self.forbidden or self.denied
        return bool(says or self.balanced or self.is_nice or self.leave or self.signed_direction)

    @property
    def signed_direction(self) -> Direction | None:
        """The direction of an amount that was written with a sign, or None."""
        signs = {amount.sign for amount in self.amounts} - {0}
        return Direction.of(signs.pop()) if len(signs) == 1 else None

    @property
    def states_amount(self) -> bool:
        return bool(self.amounts or self.vague_db)

    @property
    def ends_in_reference(self) -> bool:
        return bool(self.mentions) and self.mentions[-1][1] is not Mark.NONE

    def absorb(self, other: Clause) -> None:
        """Take over all that another clause says."""
        for name in ("mentions", "amounts", "vague_db"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("solutions", "descriptions", "forbidden"):
            getattr(self, name).update(getattr(other, name))
        for name in ("denied", "balanced", "is_nice", "leave", "acts", "pronoun", "rest"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        self.is_bare = self.is_bare and other.is_bare


@dataclass
class _Seen:
    """Directions met in a clause, by strength, while it is read from left to right."""

    strong: set[Direction] = field(default_factory=set)
    weak: set[Direction] = field(default_factory=set)
    compared: set[Direction] = field(default_factory=set)
    negated: set[Direction] = field(default_factory=set)
    denied_state: bool = False
    denied_act: bool = False
    copula: bool = False
    modal: bool = False
    will: bool = False
    than: bool = False
    is_description: bool = False
    after_copula: bool = False
    subject: bool = False
    nothing: bool = False
    any: bool = False
    hedge: bool = False
    mark: bool = False


def read_clause(items: Sequence[Item], joint: Kind | None) -> Clause:
    """What the items of one clause say; `joint` is the kind of the word or mark before them."""
    clause = Clause(joint)
    seen = _Seen()
    negated = joint is Kind.SPLIT_NOT or any(item.has(Kind.NEITHER) for item in items)
    pending = Mark.NONE
    for index, item in enumerate(items):
        if item.has(Kind.CLAIM):
            break
        if item.has(Kind.STEM):
            near = [*items[max(0, index - 1) : index], *items[index + 1 : index + 2]]
            is_anchor = any(neighbour.has(Kind.ANCHOR) for neighbour in near)
            clause.mentions.append((item.entry.stem, Mark.STRONG if is_anchor else pending))
        if item.words[0] == ":":
            # "The mix is not balanced: the vocals are too loud", "the drums are: lower them".
            negated, seen.copula, seen.after_copula = False, False, False
        if item.has(Kind.NOT, Kind.NOTHING):
            negated = True
            seen.nothing = seen.nothing or item.has(Kind.NOTHING)
        _note_words(clause, seen, item)
        _note_directions(clause, seen, item, negated)
        _note_balance(clause, seen, item, negated)
        pending = _pending(pending, item)
    claim = next((index for index, item in enumerate(items) if item.has(Kind.CLAIM)), len(items))
    clause.mentions.extend((item.entry.stem, Mark.NONE) for item in items[claim:] if item.has(Kind.STEM))
    clause.is_bare = all(item.has(*_BARE) or item.words[0] in word_set("coordination") for item in items)
    if negated and all(item.has(*_BARE, Kind.NOT) or item.words[0] in word_set("coordination") for item in items):
        clause.mentions.clear()  # "the drums, not the vocals, should come down"
    _conclude(clause, seen)
    return clause


def _pending(pending: Mark, item: Item) -> Mark:
    """The mark on the next stem: it holds across an article."""
    if item.entry.mark is not Mark.NONE:
        return item.entry.mark
    return pending if item.words[0] in word_set("determiners") or item.has(Kind.ANCHOR) else Mark.NONE


def _note_words(clause: Clause, seen: _Seen, item: Item) -> None:
    if item.amount is not None:
        clause.amounts.append(item.amount)
    if item.has(Kind.VAGUE):
        clause.vague_db.append(item.entry.value_db)
    clause.pronoun = clause.pronoun or item.has(Kind.PRONOUN)
    clause.rest = clause.rest or item.has(Kind.REST)
    seen.copula = seen.copula or item.has(Kind.COPULA)
    seen.modal = seen.modal or item.has(Kind.MODAL)
    seen.will = seen.will or item.has(Kind.WILL)
    seen.any = seen.any or item.has(Kind.ANY)
    seen.hedge = seen.hedge or item.has(Kind.HEDGE)
    seen.subject = seen.subject or not word_set("subjects").isdisjoint(item.words)
    seen.than = seen.than or item.has(Kind.THAN)


def _note_directions(clause: Clause, seen: _Seen, item: Item, negated: bool) -> None:
    for kind, direction in _STATES.items():
        if item.has(kind):
            seen.denied_state = seen.denied_state or negated
            if not negated:
                clause.descriptions.add(direction)
    for kinds, found in ((_STRONG, seen.strong), (_WEAK, seen.weak), (_COMPARED, seen.compared)):
        for kind, direction in kinds.items():
            if item.has(kind):
                (seen.negated if negated else found).add(direction)
                if kinds is _COMPARED and seen.copula and not seen.modal:
                    seen.is_description = True
    if item.has(Kind.ACT):
        clause.acts = clause.acts or not negated
        seen.denied_act = seen.denied_act or negated


def _note_balance(clause: Clause, seen: _Seen, item: Item, negated: bool) -> None:
    is_said_of_mix = seen.after_copula and (seen.subject or bool(clause.mentions))
    is_right = item.has(Kind.BALANCED) or (item.has(Kind.GOOD) and is_said_of_mix)
    if negated:
        clause.denied = clause.denied or is_right
        clause.leave = clause.leave or item.has(Kind.CHANGE)
    else:
        clause.balanced = clause.balanced or is_right
        clause.is_nice = clause.is_nice or (item.has(Kind.NICE) and is_said_of_mix)
        clause.leave = clause.leave or item.has(Kind.LEAVE)
        seen.mark = seen.mark or item.has(Kind.LEAVE_MARK)
    is_between = item.has(Kind.NOT, Kind.HEDGE, Kind.VAGUE) or item.words[0] in word_set("adverbs")
    seen.after_copula = item.has(Kind.COPULA) or (seen.after_copula and is_between)


def _conclude(clause: Clause, seen: _Seen) -> None:
    """Weigh what was met: verbs before comparatives before small words, and what a negation makes of them."""
    described = seen.is_description or (seen.than and not seen.modal and not seen.strong and not clause.acts)
    if described:
        clause.descriptions |= {_OPPOSITE[direction] for direction in seen.compared or seen.weak}
        clause.solutions |= seen.strong
    else:
        clause.solutions |= (seen.strong | seen.compared) or seen.weak
    has_target = bool(clause.mentions) or clause.pronoun
    if seen.negated and has_target and not described:
        clause.forbidden |= seen.negated
    elif seen.negated and has_target:
        clause.denied = True
    elif (seen.negated or seen.denied_act) and (seen.any or (seen.nothing and seen.negated)):
        clause.leave = True
    if seen.denied_state:
        if seen.nothing and not has_target:
            clause.balanced = True
        else:
            clause.denied = True
    if clause.solutions or seen.will:
        clause.balanced = clause.is_nice = False
    if clause.balanced and seen.hedge:
        clause.balanced, clause.is_nice = False, True
    if seen.mark and not clause.solutions and not clause.descriptions:
        clause.leave = True
