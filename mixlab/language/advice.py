"""Room language: the meaning of a response (`Advice`) and of what a user says about a mix (`Claim`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mixlab.language.degree import Degree


class Direction(StrEnum):
    """What to do with a stem's fader; direction has three values, and leaving is one of them."""

    RAISE = "raise"
    LOWER = "lower"
    LEAVE = "leave"

    @classmethod
    def of(cls, gain_db: float) -> Direction:
        """The direction of a gain in dB: positive raises, negative lowers, zero leaves."""
        if gain_db == 0:
            return cls.LEAVE
        return cls.RAISE if gain_db > 0 else cls.LOWER


class Verdict(StrEnum):
    """What a response makes of the user's claim."""

    CONFIRMED = "confirmed"
    CORRECTED = "corrected"

    @classmethod
    def of(cls, holds: bool) -> Verdict:
        """What a claim deserves that holds, or does not."""
        return cls.CONFIRMED if holds else cls.CORRECTED


class State(StrEnum):
    """What a user claims about a stem, or about the balance as a whole."""

    TOO_LOUD = "too_loud"
    TOO_QUIET = "too_quiet"
    BALANCED = "balanced"


@dataclass(frozen=True, order=True)
class Move:
    """Turn one stem by a gain between `low_db` and `high_db` (equal for a single value); negative lowers.

    Raises:
        ValueError: if the range is inverted, holds zero or changes sign.
    """

    stem: str
    low_db: float
    high_db: float

    def __post_init__(self) -> None:
        if self.low_db > self.high_db or self.low_db * self.high_db <= 0:
            raise ValueError(f"a move needs low_db <= high_db of one sign, got {self.low_db} and {self.high_db}")

    @classmethod
    def of(cls, stem: str, gain_db: float) -> Move:
        """A move by a single value in dB."""
        return cls(stem, gain_db, gain_db)

    @property
    def gain_db(self) -> float:
        """The advised gain: the value, or the midpoint of the range."""
        return (self.low_db + self.high_db) / 2.0

    @property
    def direction(self) -> Direction:
        return Direction.of(self.gain_db)

    def to_json(self) -> dict[str, str | float]:
        """The move as JSON values; `stem`, `low_db` and `high_db` say all."""
        return {
            "stem": self.stem,
            "direction": str(self.direction),
            "gain_db": self.gain_db,
            "low_db": self.low_db,
            "high_db": self.high_db,
        }


@dataclass(frozen=True)
class Advice:
    """What a response says: the moves (none means that the balance is right) and the verdict on a claim, if any."""

    moves: tuple[Move, ...] = ()
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", tuple(sorted(self.moves)))
        if len({move.stem for move in self.moves}) != len(self.moves):
            raise ValueError(f"advice names a stem twice: {self.moves}")

    @property
    def is_balanced(self) -> bool:
        return not self.moves

    @property
    def gains_db(self) -> dict[str, float]:
        """The advised gain of each stem that it names."""
        return {move.stem: move.gain_db for move in self.moves}

    def gain_db(self, stem: str) -> float:
        """The advised gain of `stem` in dB, 0 where the advice does not name it."""
        return next((move.gain_db for move in self.moves if move.stem == stem), 0.0)


@dataclass(frozen=True)
class Claim:
    """What the user says: a stem is too loud or too quiet, or (without a stem) that the balance is right.

    The degree is how far off they say that it is, "clear" where they say nothing of it; the same is claimed with each.
    """

    state: State
    stem: str | None = None
    degree: Degree = field(default=Degree.CLEAR, compare=False)

    def __post_init__(self) -> None:
        if (self.stem is None) != (self.state is State.BALANCED):
            raise ValueError(f"a claim names a stem unless it says 'balanced', got {self.stem!r} and {self.state}")

    @property
    def direction(self) -> Direction:
        """The direction that the claim would have the stem turned."""
        return {
            State.TOO_LOUD: Direction.LOWER,
            State.TOO_QUIET: Direction.RAISE,
            State.BALANCED: Direction.LEAVE,
        }[self.state]

    def holds(self, gains_db: Mapping[str, float]) -> bool:
        """Whether the claim is true of a mix that needs these gains in dB, by stem; "balanced" where it needs none."""
        if self.stem is None:
            return not gains_db
        return Direction.of(gains_db.get(self.stem, 0.0)) is self.direction
