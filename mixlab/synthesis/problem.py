"""Room synthesis: a problem is everything that chance decided about one item; no audio in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from mixlab.language.advice import Claim, Direction, State


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


@dataclass(frozen=True)
class GainError:
    """A gain error injected into a stem: `gain_db` above (positive) or below its true level."""

    stem: str
    gain_db: float
    category: str = ""
    """Name of its category in the configuration, such as ``very_loud``."""


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
    flipped: tuple[str, ...] = ()
    """Stems whose polarity is flipped, sorted by name."""
    borrowed: tuple[BorrowedStem, ...] = ()
    """Stems that come from other songs; all others are the song's own."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The stems that could be at fault: all active ones but the anchor."""
        return tuple(stem for stem in self.stems if stem != self.anchor)

    def error_db(self, stem: str) -> float:
        """The error injected into `stem` in dB, 0 where there is none: what its sound has too much."""
        return next((error.gain_db for error in self.errors if error.stem == stem), 0.0)

    def relative_error_db(self, stem: str) -> float:
        """How far `stem` is from its balance with the anchor in dB; 0 for the anchor itself."""
        return self.error_db(stem) - self.error_db(self.anchor)

    @property
    def needed_gains_db(self) -> dict[str, float]:
        """The gain in dB that each stem out of balance needs, since the anchor stays where it is; empty where balanced.

        This is the truth that advice is judged by. Where the anchor has no error it is minus the injected error.
        """
        return {stem: -error_db for stem in self.candidates if (error_db := self.relative_error_db(stem)) != 0}

    def holds(self, claim: Claim) -> bool:
        """Whether a claim is true of the mix; "balanced" is false where any stem needs a move."""
        if claim.stem is None:
            return not self.needed_gains_db
        return Direction.of(self.needed_gains_db.get(claim.stem, 0.0)) is claim.direction

    def heard_gain_db(self, stem: str) -> float:
        """All gain in dB between a stem in its song and the stem as heard."""
        borrowed_db = next((loan.gain_db for loan in self.borrowed if loan.stem == stem), 0.0)
        return self.headroom_gain_db + self.master_gain_db + self.error_db(stem) + borrowed_db

    def to_json(self) -> dict[str, Any]:
        """The problem as JSON values, one key a field."""
        claim = None if self.claim is None else {"state": str(self.claim.state), "stem": self.claim.stem}
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
            "flipped": list(self.flipped),
            "borrowed": [asdict(loan) for loan in self.borrowed],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Problem:
        """The inverse of `to_json`; keys of a larger record (a prediction) that are not the problem's are ignored."""
        fields = {name: record[name] for name in cls.__dataclass_fields__}
        claim = fields["claim"]
        fields["claim"] = None if claim is None else Claim(State(claim["state"]), claim["stem"])
        fields["errors"] = tuple(GainError(**error) for error in fields["errors"])
        fields["stems"], fields["flipped"] = tuple(fields["stems"]), tuple(fields["flipped"])
        fields["borrowed"] = tuple(BorrowedStem(**loan) for loan in fields["borrowed"])
        fields["prompt_category"] = PromptCategory(fields["prompt_category"])
        return cls(**fields)
