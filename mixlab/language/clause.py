"""Room language: what one clause says of which stems."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixlab.language.advice import Direction
from mixlab.language.amounts import Amount
from mixlab.language.lexicon import Kind, Mark

_SHARED = (
    *(
        "denied",
        "balanced",
        "is_nice",
        "leave",
        "acts",
        "pronoun",
        "plural",
        "rest",
        "all",
        "whole",
        "aside",
        "process",
    ),
    *("band", "either", "is_subjunctive", "mutes", "is_same", "is_same_amount", "contrasts"),
)


@dataclass
class Clause:
    """What one clause says; directions are those in which a fader would be turned.

    Attributes:
        joint: the kind of the word or mark that the clause begins with.
        mentions: stems in the order of the text, each spoken of or (marked) only compared with.
        solutions: directions that it asks for.
        descriptions: directions that the states it describes would ask for ("too loud" asks to lower).
        forbidden: directions that it rules out ("do not raise").
        levels: in dB, at which a fader stands (False) or should stand (True).
        dismissed: directions that states would ask for which it denies.
        denied: it denies a state ("not too loud", "not balanced").
        balanced, is_nice: the balance is right; said plainly, or in words that other advice may follow.
        leave: it asks to change nothing.
        is_bare: it holds nothing but stems, amounts and small words, so it continues a list.
        is_led_by_stem: a stem stands before all that turns one, and no verb beside it, so it may end a split verb
            ("turn the drums | and vocals down").
        excluded: stems of which it does not hold, of all ("everything but the bass").
        whole: it speaks of the mix as a whole.
        aside: it speaks of sound in other terms than level; `process`: and of nothing else, `band`: of frequencies.
        either: it is one of several ways to go.
        rejects: it says that what stands before is of no use ("... would not help").
        ends_in_anchor, is_anchor: its last word, or all of it, names the anchor.
        is_subjunctive: a wish ("were", "had").
        plural: a pronoun that only stems can stand for.
        mutes: its verb takes a stem out as well as down ("drop the drums").
        told: it tells what was done; is_past: it begins with a verb in the past.
        is_statement: a stem stands before its verb ("the drums are too loud").
        tells: it says something of the stem that it begins with, and no praise.
        is_same: what was said last holds of it too ("the same goes for the drums"); is_same_amount: that amount.
        contrasts: a "but" stands before it; disowns: it makes none of the move before it.
        names_none: it says which stem it is not ("it is not the bass").
        which: of two stems named before, the first (0) or the last (-1) is meant.
        elliptic: it turns by "more" or "less" alone, and so may go on with what was spoken of before.
    """

    joint: Kind | None = None
    mentions: list[tuple[str, Mark]] = field(default_factory=list)
    solutions: set[Direction] = field(default_factory=set)
    descriptions: set[Direction] = field(default_factory=set)
    levels: list[tuple[float, bool]] = field(default_factory=list)
    forbidden: set[Direction] = field(default_factory=set)
    amounts: list[Amount] = field(default_factory=list)
    vague_db: list[float] = field(default_factory=list)
    dismissed: set[Direction] = field(default_factory=set)
    denied: bool = False
    balanced: bool = False
    is_nice: bool = False
    leave: bool = False
    acts: bool = False
    pronoun: bool = False
    rest: bool = False
    is_bare: bool = False
    is_led_by_stem: bool = False
    excluded: list[str] = field(default_factory=list)
    all: bool = False
    whole: bool = False
    aside: bool = False
    process: bool = False
    band: bool = False
    either: bool = False
    is_subjunctive: bool = False
    rejects: bool = False
    ends_in_anchor: bool = False
    is_anchor: bool = False
    plural: bool = False
    mutes: bool = False
    told: bool = False
    is_past: bool = False
    elliptic: bool = False
    is_statement: bool = False
    tells: bool = False
    is_same: bool = False
    is_same_amount: bool = False
    contrasts: bool = False
    disowns: bool = False
    names_none: bool = False
    which: int | None = None

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
    def is_unread(self) -> bool:
        """Whether it tells of a stem what the vocabulary lacks ("the hats are ripping my head off")."""
        says = self.has_predicate or self.states_amount or self.dismissed or self.acts or self.is_same
        is_other = self.aside or self.process or self.either or self.joint is Kind.IF
        return bool(self.tells and self.targets) and not (says or is_other)

    @property
    def states_amount(self) -> bool:
        return bool(self.amounts or self.vague_db or self.levels)

    @property
    def ends_in_reference(self) -> bool:
        return bool(self.mentions) and self.mentions[-1][1] is not Mark.NONE

    def absorb(self, other: Clause) -> None:
        """Take over all that another clause says."""
        for name in ("mentions", "amounts", "vague_db", "excluded", "levels"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("solutions", "descriptions", "forbidden", "dismissed"):
            getattr(self, name).update(getattr(other, name))
        for name in _SHARED:
            setattr(self, name, getattr(self, name) or getattr(other, name))
        self.is_bare = self.is_bare and other.is_bare

    def void(self) -> None:
        """Take away all that it says of levels; stems that it names can still be meant by a pronoun."""
        for said in (self.solutions, self.descriptions, self.forbidden, self.dismissed):
            said.clear()
        for stated in (self.amounts, self.vague_db, self.levels):
            stated.clear()
        self.denied = self.balanced = self.is_nice = self.leave = self.acts = False
        self.process = True
