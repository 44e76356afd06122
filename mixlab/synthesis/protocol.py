"""Room synthesis: how problems are drawn: the groups `error`, `prompt` and `level`, and the anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from mixlab.errors import ConfigError
from mixlab.language.banks import Banks
from mixlab.language.own_banks import read_banks
from mixlab.multitrack.statistics import UsualBalance
from mixlab.settings import GainDb, LevelDbfs, Many, Positive, Settings, Share, Spelled, sum_to_one
from mixlab.synthesis.problem import AnswerForm, PromptCategory


class ErrorKind(StrEnum):
    """What a gain error is relative to."""

    ABSOLUTE = "absolute"
    """One stem or several, never the anchor, are off by the error drawn."""
    RELATIVE = "relative"
    """Every stem draws a category, the anchor too; what counts is each stem's gain minus the anchor's."""


class WrongClaims(StrEnum):
    """Which claims a user makes who is wrong."""

    UNIFORM = "uniform"
    """Any that does not hold."""
    PLAUSIBLE = "plausible"
    """What a loudness meter would say next after the right one; any where fewer than five training songs tell what is
    usual."""


class ErrorCategory(Settings):
    """A range of gain errors in dB and how often it occurs.

    A range that holds 0 is of balanced mixes: of 0 to 0 they have no error, of -1.5 to 1.5 one that nobody has to undo.
    """

    probability: Share
    low_db: GainDb
    high_db: GainDb

    @property
    def is_balanced(self) -> bool:
        return bool(self.low_db <= 0.0 <= self.high_db)

    @property
    def range_db(self) -> tuple[float, float]:
        return float(self.low_db), float(self.high_db)

    @model_validator(mode="after")
    def _is_a_range(self) -> ErrorCategory:
        if self.low_db > self.high_db:
            raise ValueError(f"the range is inverted ({self.low_db:g} to {self.high_db:g} dB); swap low_db and high_db")
        if self.low_db * self.high_db == 0 and self.low_db != self.high_db:
            raise ValueError(
                f"the range {self.low_db:g} to {self.high_db:g} dB touches or crosses 0; split it by sign, or let it "
                "hold 0 inside, as -1.5 to 1.5 dB, for errors that count as none"
            )
        return self


class ErrorProtocol(Settings):
    """Which gain errors are injected, and how the needed gain is put into words: the group `error`.

    Attributes:
        categories: name to category; probabilities sum to one.
        rounding_db: the advised gain is rounded to multiples of this.
        answer: ``value`` ("6 dB") or ``range`` (the error category's range, "6 to 12 dB").
        faulty_stems: the probability that 1, 2, ... stems are at fault where any is, never the anchor; each draws a
            category of its own. A segment with fewer candidates has that many at most. Of absolute errors alone.
        tolerance_db: the least gap between two categories of relative errors, whose stems share their category's gain:
            a stem is either exactly right or as far off as the categories are apart.
        targets: the only stems that may be at fault, or be the anchor where a rule finds it; None for all.
    """

    kind: Spelled[ErrorKind]
    categories: dict[Annotated[str, Field(pattern=r"^\w+$")], ErrorCategory] = Field(min_length=1)
    rounding_db: Positive
    answer: Spelled[AnswerForm]
    faulty_stems: Many[Share] | None = None
    tolerance_db: Positive | None = None
    targets: Annotated[Many[str], Field(min_length=2)] | None = None

    @property
    def relative(self) -> bool:
        return self.kind is ErrorKind.RELATIVE

    @property
    def most_faults(self) -> int | None:
        """How many stems may be at fault at once; None where as many as there are."""
        return None if self.relative else len(self.faulty_stems or ())

    @property
    def words(self) -> str:
        """What sets it apart from protocols of another kind."""
        if self.relative:
            return "relative errors"
        return "several errors at once" if len(self.faulty_stems or ()) > 1 else "single errors"

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of each category."""
        return {name: category.probability for name, category in self.categories.items()}

    @property
    def fault_probabilities(self) -> dict[str, float]:
        """The probability of each category among those of faults, which sum to one."""
        faults = {name: entry.probability for name, entry in self.categories.items() if not entry.is_balanced}
        total = sum(faults.values())
        return {name: probability / total for name, probability in faults.items() if total > 0}

    @property
    def deadband_db(self) -> tuple[float, float]:
        """The range of errors that count as none; 0 to 0 where every error counts."""
        return next((entry.range_db for entry in self.categories.values() if entry.is_balanced), (0.0, 0.0))

    @property
    def ranges_db(self) -> dict[str, tuple[float, float]]:
        """The range of errors of each category."""
        return {name: category.range_db for name, category in self.categories.items()}

    def faultable(self, stems: Sequence[str]) -> tuple[str, ...]:
        """Those of `stems` that may be at fault, in their order."""
        return tuple(stem for stem in stems if self.targets is None or stem in self.targets)

    @model_validator(mode="after")
    def _probabilities_sum_to_one(self) -> ErrorProtocol:
        sum_to_one(self.probabilities, "probabilities")
        return self

    @model_validator(mode="after")
    def _has_the_keys_of_its_kind(self) -> ErrorProtocol:
        needed, unused = ("tolerance_db", "faulty_stems") if self.relative else ("faulty_stems", "tolerance_db")
        if getattr(self, needed) is None:
            raise ValueError(f"kind is {self.kind}, which needs {needed}; set it as conf/error/ does")
        if getattr(self, unused) is not None:
            raise ValueError(f"kind is {self.kind}, which has no use for {unused}; leave it out")
        if self.relative and self.targets is not None:
            raise ValueError("kind is relative, where every stem may be at fault; leave targets out")
        if self.faulty_stems is not None:
            shares = {str(number): share for number, share in enumerate(self.faulty_stems, start=1)}
            sum_to_one(shares, "probabilities of faulty_stems")
        return self

    @model_validator(mode="after")
    def _no_fault_lies_in_the_deadband(self) -> ErrorProtocol:
        wide = {name: entry for name, entry in self.categories.items() if entry.is_balanced and any(entry.range_db)}
        for name, band in wide.items():
            words = f"'{name}' ({band.low_db:g} to {band.high_db:g} dB)"
            if self.relative:
                raise ValueError(f"kind is relative, whose balanced stems are exactly right; give {words} 0 to 0 dB")
            for other, entry in self.categories.items():
                if other != name and entry.is_balanced:
                    raise ValueError(f"{words} touches or crosses 0; split it by sign, since '{other}' holds 0 already")
                if other != name and entry.high_db > band.low_db and entry.low_db < band.high_db:
                    raise ValueError(
                        f"'{other}' ({entry.low_db:g} to {entry.high_db:g} dB) reaches into {words}, where errors "
                        "count as none; move the ranges apart"
                    )
        return self

    @model_validator(mode="after")
    def _differences_can_be_heard(self) -> ErrorProtocol:
        ranges = sorted((*category.range_db, name) for name, category in self.categories.items())
        for (_, end_db, lower), (start_db, _, upper) in pairwise(ranges):
            if self.tolerance_db is not None and start_db - end_db < self.tolerance_db:
                raise ValueError(
                    f"'{lower}' and '{upper}' are {start_db - end_db:g} dB apart, less than tolerance_db "
                    f"({self.tolerance_db:g}), so that nobody could tell which is right; move the ranges apart"
                )
        return self


class PromptProtocol(Settings):
    """What users say, and the words of the responses: the group `prompt`.

    Attributes:
        weights: how often each prompt category occurs; they sum to one.
        wrong_claims: which ones they are.
        degree_share: of the claims about a stem, how many say how far off it is.
        reasons: whether responses say what was measured, where that speaks for a move.
        prompts, responses: files with banks of templates, of the form of those in ``mixlab/language/data``; None for
            the banks that come with the package.
    """

    weights: dict[Spelled[PromptCategory], Share]
    wrong_claims: Spelled[WrongClaims] = WrongClaims.UNIFORM
    degree_share: Share = 0.0
    reasons: bool = False
    prompts: str | None = None
    responses: str | None = None

    @property
    def banks(self) -> Banks:
        """The banks of templates.

        Raises:
            ConfigError: naming the file, and the template that the parser cannot read back; if there are to be reasons,
                and the file has none.
        """
        banks = read_banks(self.prompts, self.responses)
        if self.reasons and not banks.responses.reasons:
            raise ConfigError(
                f"prompt.reasons is true, but {self.responses} has no part 'reasons'; add one like that in "
                "mixlab/language/data/responses.yaml, or set it to false."
            )
        return banks

    @property
    def shares(self) -> dict[PromptCategory, float]:
        """The weights of the categories that occur at all."""
        return {category: weight for category, weight in self.weights.items() if weight > 0}

    @property
    def words(self) -> tuple[object, ...]:
        """What is said, whichever files and keys say so: equal where prompts are drawn alike."""
        return self.shares, self.wrong_claims, self.degree_share, self.banks

    @property
    def right_claim_share(self) -> float:
        """The share of right claims among all claims; a half where nobody claims anything."""
        right = self.weights.get(PromptCategory.CORRECT_DESCRIPTION, 0.0)
        total = right + self.weights.get(PromptCategory.INCORRECT_DESCRIPTION, 0.0)
        return right / total if total > 0 else 0.5

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> PromptProtocol:
        sum_to_one({str(category): weight for category, weight in self.weights.items()}, "weights")
        return self


class LevelProtocol(Settings):
    """Common gains of an example: the group `level`.

    Attributes:
        headroom_dbfs: level that the unmodified segment's mixture is brought to, by one gain for all clips.
        master_range_db: half width of the uniform random gain on all clips, which hides the overall level.
    """

    headroom_dbfs: LevelDbfs
    master_range_db: Annotated[float, Field(ge=0.0, le=30.0)]


@dataclass(frozen=True)
class ProblemProtocol:
    """All that decides how problems are drawn from segments.

    Attributes:
        anchor: a stem, or the name of an `AnchorRule`.
        usual: the balance of the training songs, by which plausible claims go; None where nobody asks for them.
    """

    anchor: str
    error: ErrorProtocol
    prompt: PromptProtocol
    level: LevelProtocol
    usual: UsualBalance | None = None
