"""Room synthesis: a problem is everything that chance decided about one item; no audio in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.language.degree import Degree


class PromptCategory(StrEnum):
    """What the user says beside the audio, and so what the response has to do."""

    AUDIO_ONLY = "audio_only"
    """No user sentence; the response gives advice."""
    INCORRECT_DESCRIPTION = "incorrect_description"
    """A wrong claim; the response corrects it, then advises."""
    ADVICE_SEEKING = "advice_seeking"
    """A question without a claim; the response gives advice."""
    CORRECT_DESCRIPTION = "correct_description"
    """A right claim; the response confirms it, then advises."""

    @property
    def has_claim(self) -> bool:
        return self in (PromptCategory.INCORRECT_DESCRIPTION, PromptCategory.CORRECT_DESCRIPTION)


class AnswerForm(StrEnum):
    """How advice names an amount."""

    VALUE = "value"
    """A rounded number of dB."""
    RANGE = "range"
    """The range of the error's category."""


@dataclass(frozen=True)
class GainError:
    """A gain error injected into a stem: `error_db` above (positive) or below its true level.

    Attributes:
        category: its name in the configuration, such as ``very_loud``; empty for what some earlier advice left.
        range_db: the ends of the category's range; None where the error has no category.
    """

    stem: str
    error_db: float
    category: str = ""
    range_db: tuple[float, float] | None = field(default=None, compare=False)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> GainError:
        """From a row of predictions.jsonl; older ones call the error ``gain_db`` and have no range."""
        error_db = record["error_db"] if "error_db" in record else record["gain_db"]
        range_db = record.get("range_db")
        return cls(record["stem"], error_db, record["category"], None if range_db is None else tuple(range_db))


@dataclass(frozen=True)
class Tolerance:
    """The range of errors in dB beside the anchor in which a stem counts as balanced; it holds 0."""

    stem: str
    low_db: float
    high_db: float


@dataclass(frozen=True)
class NeededGain:
    """The gain in dB that a stem out of balance needs, and the range that its error's category puts it in.

    The range has no width where a category is not known.
    """

    stem: str
    gain_db: float
    low_db: float
    high_db: float


@dataclass(frozen=True)
class BorrowedStem:
    """A stem that comes from another song, with the gain in dB that brings it to its place in the mix."""

    stem: str
    song_id: str
    start_s: float
    gain_db: float


@dataclass(frozen=True)
class Problem:
    """A segment, its anchor, the injected errors, the prompt category and the user's claim."""

    item_id: str
    song_id: str
    split: str
    genre: str | None
    start_s: float
    duration_s: float
    anchor: str
    stems: tuple[str, ...]
    """The stems that are active in the segment, in the order of their clips: the anchor first."""
    errors: tuple[GainError, ...]
    """The injected errors, at most one a stem. An error of the anchor puts every other stem out of balance."""
    error_category: str
    """Names of what is wrong, joined by ``+``: categories of the configuration (``loud``, ``no_error``), or where
    errors are relative a stem's category beside the anchor's (``loud_beside_quiet``)."""
    prompt_category: PromptCategory
    claim: Claim | None
    headroom_gain_db: float
    """Common gain of all clips, from the unmodified segment alone."""
    master_gain_db: float
    """Random common gain that hides the overall level."""
    wording_seed: int
    """Seed of the choice among prompt and response templates."""
    unseen_wording: bool = False
    """Whether the user says it in a paraphrase that training never has, where the bank holds some out."""
    flipped: tuple[str, ...] = ()
    """Stems whose polarity is flipped, sorted by name."""
    borrowed: tuple[BorrowedStem, ...] = ()
    """Stems that come from other songs; all others are the song's own."""
    tolerances: tuple[Tolerance, ...] = ()
    """Of stems that may be off a little; all others are balanced where they are exactly right."""
    work: str = ""
    """What the song shares with other people's mixes of the same music; empty where there are none."""
    answer: AnswerForm = field(default=AnswerForm.VALUE, compare=False)
    """How the right advice names its amounts."""
    rounding_db: float = field(default=1.0, compare=False)
    """Its values are multiples of this."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The stems that could be at fault: all active ones but the anchor."""
        return tuple(stem for stem in self.stems if stem != self.anchor)

    @property
    def work_id(self) -> str:
        """The piece of music: items of one are not independent, whoever mixed them."""
        return self.work or self.song_id

    def error_db(self, stem: str) -> float:
        """The error injected into `stem` in dB, 0 where there is none: what its sound has too much."""
        return next((error.error_db for error in self.errors if error.stem == stem), 0.0)

    def relative_error_db(self, stem: str) -> float:
        """How far `stem` is from its balance with the anchor in dB; 0 for the anchor itself."""
        return self.error_db(stem) - self.error_db(self.anchor)

    def excess_db(self, stem: str, gain_db: float = 0.0) -> float:
        """How far `stem` is out of balance once it was turned by `gain_db`: its error beyond what is tolerated.

        It is 0 within the tolerance, and the error relative to the anchor where there is none.
        """
        error_db = self.relative_error_db(stem) + gain_db
        ranges = ((entry.low_db, entry.high_db) for entry in self.tolerances if entry.stem == stem)
        low_db, high_db = next(ranges, (0.0, 0.0))
        return error_db - min(max(error_db, low_db), high_db)

    @cached_property  # every metric of every item asks for it
    def needed(self) -> tuple[NeededGain, ...]:
        """What each stem out of balance needs, since the anchor stays where it is; empty where the mix is balanced.

        This is the truth that advice is judged by. Where the anchor has no error it is minus the injected error, which
        brings a stem to where it was made, in the middle of what is tolerated.
        """
        anchor_low_db, anchor_high_db = self._range_db(self.anchor)
        found = []
        for stem in self.candidates:
            if self.excess_db(stem) != 0:
                low_db, high_db = self._range_db(stem)
                found.append(
                    NeededGain(stem, -self.relative_error_db(stem), anchor_low_db - high_db, anchor_high_db - low_db)
                )
        return tuple(found)

    @property
    def needed_gains_db(self) -> dict[str, float]:
        """The exact gain in dB of each of `needed`, by stem."""
        return {gain.stem: gain.gain_db for gain in self.needed}

    @property
    def right_advice(self) -> Advice:
        """The advice that brings the stems into balance, in the form of the protocol, with the claim's verdict."""
        moves = []
        for gain in self.needed:
            if self.answer is AnswerForm.RANGE and self._has_category(gain.stem) and self._has_category(self.anchor):
                moves.append(Move(gain.stem, gain.low_db, gain.high_db))
            else:
                steps = max(1, round(abs(gain.gain_db) / self.rounding_db))
                moves.append(Move.of(gain.stem, float(np.sign(gain.gain_db)) * steps * self.rounding_db))
        verdict = None if self.claim is None else Verdict.of(self.holds(self.claim))
        return Advice(tuple(moves), verdict)

    def holds(self, claim: Claim) -> bool:
        """Whether a claim is true of the mix; "balanced" is false where any stem needs a move."""
        return claim.holds(self.needed_gains_db)

    def _range_db(self, stem: str) -> tuple[float, float]:
        """The ends of the range that a stem's error is known to lie in."""
        error = next((error for error in self.errors if error.stem == stem), None)
        if error is None:
            return 0.0, 0.0
        return (error.error_db, error.error_db) if error.range_db is None else error.range_db

    def _has_category(self, stem: str) -> bool:
        return all(error.range_db is not None or not error.error_db for error in self.errors if error.stem == stem)

    def heard_gain_db(self, stem: str) -> float:
        """All gain in dB between a stem in its song and the stem as heard."""
        borrowed_db = next((loan.gain_db for loan in self.borrowed if loan.stem == stem), 0.0)
        return self.headroom_gain_db + self.master_gain_db + self.error_db(stem) + borrowed_db

    def to_json(self) -> dict[str, Any]:
        """The problem as JSON values, one key a field."""
        said = self.claim
        claim = None if said is None else {"state": str(said.state), "stem": said.stem, "degree": str(said.degree)}
        return {
            "item_id": self.item_id,
            "song_id": self.song_id,
            "split": self.split,
            "genre": self.genre,
            "start_s": self.start_s,
            "duration_s": self.duration_s,
            "anchor": self.anchor,
            "stems": list(self.stems),
            "errors": [asdict(error) for error in self.errors],
            "error_category": self.error_category,
            "prompt_category": str(self.prompt_category),
            "claim": claim,
            "headroom_gain_db": self.headroom_gain_db,
            "master_gain_db": self.master_gain_db,
            "wording_seed": self.wording_seed,
            "unseen_wording": self.unseen_wording,
            "flipped": list(self.flipped),
            "borrowed": [asdict(loan) for loan in self.borrowed],
            "work": self.work,
            "tolerances": [asdict(entry) for entry in self.tolerances],
            "answer": str(self.answer),
            "rounding_db": self.rounding_db,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Problem:
        """The inverse of `to_json`; keys of a larger record (a prediction) that are not the problem's are ignored."""
        older = {"answer": AnswerForm.VALUE, "rounding_db": 1.0, "tolerances": (), "work": "", "unseen_wording": False}
        fields = {name: record.get(name, older[name]) if name in older else record[name]
                  for name in cls.__dataclass_fields__}  # fmt: skip
        claim = fields["claim"]
        if claim is not None:
            fields["claim"] = Claim(State(claim["state"]), claim["stem"], Degree(claim.get("degree", Degree.CLEAR)))
        fields["errors"] = tuple(GainError.from_json(error) for error in fields["errors"])
        fields["stems"], fields["flipped"] = tuple(fields["stems"]), tuple(fields["flipped"])
        fields["borrowed"] = tuple(BorrowedStem(**loan) for loan in fields["borrowed"])
        fields["tolerances"] = tuple(Tolerance(**entry) for entry in fields["tolerances"])
        fields["prompt_category"], fields["answer"] = (
            PromptCategory(fields["prompt_category"]),
            AnswerForm(fields["answer"]),
        )
        return cls(**fields)
