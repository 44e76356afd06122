"""Room language: one clause read: what its items say of which stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from mixlab.language.advice import Direction
from mixlab.language.clause import Clause
from mixlab.language.items import PLAIN, Item
from mixlab.language.lexicon import Kind, Mark, word_set
from mixlab.language.soundness import turns_something_else

RAISE, LOWER = Direction.RAISE, Direction.LOWER
_STRONG = {Kind.RAISE: RAISE, Kind.LOWER: LOWER}
_WEAK = {Kind.WEAK_RAISE: RAISE, Kind.WEAK_LOWER: LOWER}
_BY_AMOUNT = {Kind.GAIN: RAISE, Kind.LOSS: LOWER}
_COMPARED = {Kind.LOUDER: RAISE, Kind.QUIETER: LOWER}
_STATES = {Kind.LOUD: LOWER, Kind.QUIET: RAISE}
_TURNING = (*_STRONG, *_WEAK, *_COMPARED)
_OPPOSITE = {RAISE: LOWER, LOWER: RAISE}
_VERBS = (Kind.ACT, Kind.COPULA, Kind.MODAL)
_BARE = (Kind.STEM, Kind.AMOUNT, Kind.VAGUE, Kind.REFERENCE, Kind.ANCHOR)


@dataclass
class _Seen:
    """Directions met in a clause, by strength, while it is read from left to right."""

    strong: set[Direction] = field(default_factory=set)
    weak: set[Direction] = field(default_factory=set)
    by_amount: set[Direction] = field(default_factory=set)
    adrift: set[Direction] = field(default_factory=set)
    compared: set[Direction] = field(default_factory=set)
    negated: set[Direction] = field(default_factory=set)
    denied_state: bool = False
    denied_act: bool = False
    copula: bool = False
    is_told: bool = False
    modal: bool = False
    will: bool = False
    than: bool = False
    due: bool = False
    act: bool = False
    is_description: bool = False
    after_copula: bool = False
    subject: bool = False
    nothing: bool = False
    any: bool = False
    hedge: bool = False
    mark: bool = False
    praise: bool = False


def read_clause(items: Sequence[Item], joint: Kind | None, contrasts: bool = False) -> Clause:
    """What the items of one clause say; `joint` is the kind of the word or mark before them, `contrasts` a "but"."""
    clause = Clause(Kind.IF if joint is Kind.WISH else joint, is_subjunctive=joint is Kind.WISH, contrasts=contrasts)
    seen = _Seen()
    negated = joint is Kind.SPLIT_NOT or any(item.has(Kind.NEITHER) for item in items)
    pending = Mark.NONE
    for index, item in enumerate(items):
        if item.has(Kind.CLAIM):
            break
        if item.has(Kind.STEM):
            start = index - 2 if index > 1 and items[index - 1].words == (":",) else max(0, index - 1)
            near = [*items[start:index], *items[index + 1 : index + 2]]
            is_anchor = any(neighbour.has(Kind.ANCHOR) for neighbour in near)
            clause.mentions.append((item.entry.stem, Mark.STRONG if is_anchor else pending))
        if item.words[0] == ":":
            # "The mix is not balanced: the vocals are too loud", "the drums are: lower them".
            negated, seen.copula, seen.is_told, seen.after_copula = False, False, False, False
        if item.has(Kind.NOT, Kind.NOTHING):
            negated = True
            seen.nothing = seen.nothing or item.has(Kind.NOTHING)
        _note_words(clause, seen, item)
        if _is_aside(items, index):
            clause.aside = clause.aside or not item.has(Kind.GAIN)
        elif item.entry is not PLAIN and not (_is_attribute(items, index) or _is_placed(items, index)):
            _note_directions(clause, seen, item, negated)
        _note_balance(clause, seen, item, negated)
        is_praise = item.has(Kind.PRAISE) and not negated
        seen.praise = seen.praise or (is_praise and not turns_something_else(items, index))  # "love this song"
        pending = _pending(pending, item, items[index - 1] if index else item)
    claim = next((index for index, item in enumerate(items) if item.has(Kind.CLAIM)), len(items))
    clause.mentions.extend((item.entry.stem, Mark.NONE) for item in items[claim:] if item.has(Kind.STEM))
    clause.is_bare = all(item.has(*_BARE) or item.words[0] in word_set("coordination") for item in items)
    if negated and all(item.has(*_BARE, Kind.NOT) or item.words[0] in word_set("coordination") for item in items):
        clause.mentions.clear()  # "the drums, not the vocals, should come down"
    _note_shape(clause, items)
    _conclude(clause, seen)
    if joint is Kind.WISH:
        clause.descriptions.clear()
    clause.names_none = negated and bool(clause.mentions) and not any(item.has(*_TURNING, *_STATES) for item in items)
    clause.told = clause.joint is not Kind.IF and _is_done(items)
    clause.is_past = bool(items) and items[0].words[-1] in word_set("past_verbs")
    if clause.process or clause.told:
        clause.void()
    elif len(items) > 1 and items[0].has(Kind.OR) and not clause.mentions:
        clause.either = clause.rest or clause.all
        return clause if clause.either else Clause(joint)  # "by 3 dB, or a bit more"
    return clause


def _note_shape(clause: Clause, items: Sequence[Item]) -> None:
    """What the order of the items says: whether a stem leads, one of several ways is meant, or no level at all."""
    stems = [index for index, item in enumerate(items) if item.has(Kind.STEM)]
    verbs = [index for index, item in enumerate(items) if item.has(*_TURNING, Kind.ACT)]
    has_verb = any(item.has(*_VERBS) for item in items)
    leads = bool(stems) and not any(item.has(*_VERBS, *_TURNING) for item in items[: stems[0]])
    clause.is_statement = leads and has_verb
    clause.is_led_by_stem = bool(stems) and (not verbs or stems[0] < verbs[0]) and not has_verb
    is_fine = any(item.has(Kind.GOOD, Kind.NICE, Kind.ANCHOR) for item in items)
    begins = clause.is_led_by_stem and all(item.words[0] in word_set("determiners") for item in items[: stems[0]])
    clause.tells = (clause.is_statement or (begins and not clause.is_bare)) and not is_fine
    ways = [index for index, item in enumerate(items) if item.has(Kind.OR)]
    is_denied = any(item.has(Kind.NOT, Kind.NOTHING) for item in items)
    if ways and stems:  # "no need to touch bass or vocals" gives no choice
        clause.either = ways[0] == 0 or (stems[0] < ways[0] < stems[-1] and not is_denied)
    clause.either = clause.either or len(items) == len(ways) == 1  # "or, if you prefer, ..."
    clause.process = any(item.has(Kind.PROCESS) for item in items)
    clause.aside = clause.aside or any(item.has(Kind.PROCESS, Kind.TONE) for item in items)
    clause.rejects = bool(items) and (items[0].has(Kind.NOT) or any(item.words == ("worse",) for item in items))
    clause.ends_in_anchor = bool(items) and items[-1].has(Kind.ANCHOR)
    clause.is_anchor = clause.ends_in_anchor and all(
        item.has(Kind.ANCHOR) or item.words[0] in word_set("determiners") for item in items
    )
    clause.disowns = any(item.has(Kind.DISOWN) for item in items)
    says_none = any(item.words[0] in ("none", "nothing") for item in items)
    is_none = says_none and all(item.has(Kind.STEM, Kind.NOTHING) or item.words == (":",) for item in items)
    clause.leave = clause.leave or (is_none and (bool(stems) or clause.joint is Kind.COMMA))
    clause.band = any(item.words[-1] in word_set("bands") for item in items)


def _is_done(items: Sequence[Item]) -> bool:
    """Whether the clause tells what was done: "the drums were turned down", "he lowered his voice"."""
    is_asked = any(item.has(Kind.MODAL, Kind.AMOUNT, Kind.VAGUE) for item in items)
    small = word_set("adverbs") | word_set("auxiliaries")
    for first, second in pairwise(item for item in items if item.words[-1] not in small):
        is_doer = first.words[-1] in word_set("persons") or (first.has(Kind.STEM) and not is_asked)
        if is_doer and second.words[-1] in word_set("past_verbs"):
            return True
    for first, second in pairwise(items):
        if first.entry is PLAIN and first.words[0].isalpha() and second.words[0] in word_set("habits"):
            return True  # "my neighbour turns the bass up"
    for index, item in enumerate(items[:-1]):
        if not item.has(Kind.PAST):
            continue
        following = next((i for i in items[index + 1 :] if i.words[0] not in word_set("adverbs")), item)
        if following.has(Kind.RAISE, Kind.LOWER, Kind.WEAK_RAISE, Kind.WEAK_LOWER, Kind.ACT):
            return True
    return False


def _is_attribute(items: Sequence[Item], index: int) -> bool:
    """Whether a word of direction only says which stem is meant, or how: "the lower vocals", "more clearly"."""
    is_between = 0 < index < len(items) - 1 and items[index + 1].has(Kind.STEM)
    if items[index].has(*_WEAK) and index + 1 < len(items) and items[index + 1].words[0].endswith("ly"):
        return True  # "more clearly"
    return is_between and items[index].has(*_TURNING) and items[index - 1].words == ("the",)


def _is_placed(items: Sequence[Item], index: int) -> bool:
    """Whether a verb of a place puts a stem, and not an amount on one: "put the drums 3 dB past where they are"."""
    if not items[index].has(Kind.GAIN) or items[index].words[0] not in word_set("placing"):
        return False
    after = items[index + 1 : index + 12]  # no more, so that long texts take no longer a word than short ones
    objects = (item for item in after if item.has(Kind.STEM, Kind.PRONOUN, Kind.AMOUNT, Kind.VAGUE))
    return any(item.has(Kind.STEM, Kind.PRONOUN) for item in islice(objects, 1))


def _is_aside(items: Sequence[Item], index: int) -> bool:
    """Whether a word of direction, or of too much and too little, speaks of something else than a level."""
    item = items[index]
    if item.entry is PLAIN:
        return False
    is_measured = item.has(*_STATES) and item.words[-1] in word_set("measures")
    return (is_measured or item.has(*_TURNING, Kind.GAIN)) and turns_something_else(items, index)


def _pending(pending: Mark, item: Item, before: Item) -> Mark:
    """The mark on the next stem: it holds across an article, unless that follows the word for the anchor."""
    if item.entry.mark is not Mark.NONE:
        return item.entry.mark
    is_article = item.words[0] in word_set("determiners") and not before.has(Kind.ANCHOR)
    if is_article and pending is Mark.WEAK and before.has(Kind.LOUD):
        return Mark.STRONG  # "drowning out the vocals", but "overpowering vocals"
    return pending if is_article or item.has(Kind.ANCHOR) else Mark.NONE


def _note_words(clause: Clause, seen: _Seen, item: Item) -> None:
    if item.amount is not None and item.amount.is_level:
        clause.levels.append((item.amount.signed_db, seen.modal or seen.act))
    elif item.amount is not None:
        clause.amounts.append(item.amount)
    if item.has(Kind.VAGUE):
        clause.vague_db.append(item.entry.value_db)
    clause.plural = clause.plural or item.words[0] in word_set("plural_pronouns")
    if not item.has(Kind.IGNORE):  # "in the mix" is a place
        clause.whole = clause.whole or not word_set("whole").isdisjoint(item.words)
        seen.subject = seen.subject or not word_set("subjects").isdisjoint(item.words)
    if item.entry is PLAIN:
        return
    clause.pronoun = clause.pronoun or item.has(Kind.PRONOUN)
    clause.rest = clause.rest or item.has(Kind.REST)
    clause.all = clause.all or item.has(Kind.ALL)
    clause.is_subjunctive = clause.is_subjunctive or item.has(Kind.SUBJUNCTIVE)
    clause.is_same = clause.is_same or item.has(Kind.SAME)
    clause.is_same_amount = clause.is_same_amount or item.has(Kind.SAME_AMOUNT)
    if item.has(Kind.FORMER, Kind.LATTER):
        clause.which = 0 if item.has(Kind.FORMER) else -1
    seen.copula = seen.copula or item.has(Kind.COPULA)
    seen.is_told = seen.is_told or (item.has(Kind.COPULA) and bool(clause.mentions))
    seen.modal = seen.modal or item.has(Kind.MODAL)
    seen.will = seen.will or item.has(Kind.WILL)
    seen.any = seen.any or item.has(Kind.ANY)
    seen.hedge = seen.hedge or item.has(Kind.HEDGE)
    seen.than = seen.than or item.has(Kind.THAN)
    seen.due = seen.due or item.has(Kind.DUE)
    clause.mutes = clause.mutes or item.words[0] in word_set("mutes")
    seen.act = seen.act or item.has(Kind.ACT, Kind.RAISE, Kind.LOWER, Kind.WEAK_RAISE, Kind.WEAK_LOWER)


def _note_directions(clause: Clause, seen: _Seen, item: Item, negated: bool) -> None:
    for kind, direction in _STATES.items():
        if item.has(kind):
            seen.denied_state = seen.denied_state or negated
            (clause.dismissed if negated else clause.descriptions).add(direction)
    for kind, direction in _BY_AMOUNT.items():
        if item.has(kind) and not negated:
            seen.by_amount.add(direction)
    is_place = item.words[-1] in word_set("particles") and not (seen.modal or clause.acts or item.has(*_COMPARED))
    weak = seen.adrift if is_place and clause.mentions else seen.weak
    for kinds, found in ((_STRONG, seen.strong), (_WEAK, weak), (_COMPARED, seen.compared)):
        for kind, direction in kinds.items():
            if item.has(kind) and not (is_place and seen.is_told):  # "the drummer is away", "the drums are up"
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
    if clause.amounts or clause.vague_db or clause.acts:
        seen.weak |= seen.adrift  # "the vocals back 2 dB", "take the vocals back", and not "the drummer's away"
    is_asked = seen.modal or seen.strong or (clause.acts and not clause.is_statement)
    is_compared = seen.than and not is_asked
    described = seen.is_description or seen.due or is_compared
    if described and not (clause.joint is Kind.IF and clause.is_subjunctive):  # "if they were 2 dB louder"
        is_related = any(mark is Mark.STRONG for _, mark in clause.mentions)
        if not (is_related and seen.than) or seen.due or seen.modal:  # "louder than the bass" is no fault by itself
            clause.descriptions |= {_OPPOSITE[direction] for direction in seen.compared or seen.weak}
        clause.solutions |= seen.strong
    else:
        clause.solutions |= (seen.strong | seen.compared) or seen.weak
        is_weak = bool(seen.weak) and not (seen.strong | seen.compared)
        clause.elliptic = is_weak and not (clause.amounts or clause.descriptions)
    says = clause.solutions or clause.descriptions or clause.signed_direction or clause.aside
    has_amount = clause.amounts or clause.vague_db or clause.is_same_amount
    if has_amount and not (says or seen.negated or seen.copula):
        clause.solutions |= seen.by_amount & {LOWER} or seen.by_amount
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
    clause.is_nice = clause.is_nice or (seen.praise and not clause.solutions)
    if clause.balanced and seen.hedge:
        clause.balanced, clause.is_nice = False, True
    if seen.mark and not clause.solutions and not clause.descriptions:
        clause.leave = True
