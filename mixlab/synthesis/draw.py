"""Room synthesis: all that chance decides about an item, drawn from a generator; no audio is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.multitrack.segments import Segment
from mixlab.synthesis.anchor import choose_anchor, fixed_anchor
from mixlab.synthesis.problem import GainError, Problem, PromptCategory


@dataclass(frozen=True)
class ErrorCategory:
    """A range of gain errors in dB and how often it occurs; a range of 0 to 0 is a mix without an error."""

    probability: float
    low_db: float
    high_db: float

    @property
    def is_balanced(self) -> bool:
        return self.low_db == self.high_db == 0.0


@dataclass(frozen=True)
class ErrorProtocol:
    """Which gain errors are injected, and how the needed gain is put into words.

    Attributes:
        categories: name to category; probabilities sum to one.
        rounding_db: the advised gain is rounded to multiples of this.
        answer: ``value`` ("6 dB") or ``range`` (the error category's range, "6 to 12 dB").
        faulty_stems: the probability that 1, 2, ... stems are at fault where any is, never the anchor; each draws a
            category of its own. A segment with fewer candidates has that many at most.
        relative: every stem draws a category instead, the anchor too, and what is to be corrected is each stem's gain
            minus the anchor's. Stems of one category get the same gain, so that a stem is either exactly right or as
            far off as the categories are apart.
        targets: the only stems that may be at fault, or be the anchor where a rule finds it; empty for all.
    """

    categories: Mapping[str, ErrorCategory]
    rounding_db: float = 1.0
    answer: str = "value"
    faulty_stems: tuple[float, ...] = (1.0,)
    relative: bool = False
    targets: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What sets it apart from protocols of another kind, in words."""
        if self.relative:
            return "relative errors"
        return "several errors at once" if len(self.faulty_stems) > 1 else "single errors"

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

    def faultable(self, stems: Sequence[str]) -> tuple[str, ...]:
        """Those of `stems` that may be at fault, in their order."""
        return tuple(stem for stem in stems if not self.targets or stem in self.targets)

    def range_db(self, category: str) -> tuple[float, float]:
        """The ends of a category's range; 0 and 0 for that of a stem without an error, which has no name."""
        found = self.categories.get(category)
        return (0.0, 0.0) if found is None else (found.low_db, found.high_db)


@dataclass(frozen=True)
class PromptProtocol:
    """How often each prompt category occurs; weights sum to one."""

    weights: Mapping[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """The weights of the categories that occur at all."""
        return {name: weight for name, weight in self.weights.items() if weight > 0}


@dataclass(frozen=True)
class LevelProtocol:
    """Common gains of an example.

    Attributes:
        headroom_dbfs: level that the unmodified segment's mixture is brought to, by one gain for all clips.
        master_range_db: half width of the uniform random gain on all clips, which hides the overall level.
    """

    headroom_dbfs: float = -32.0
    master_range_db: float = 12.0


@dataclass(frozen=True)
class ProblemProtocol:
    """All that decides how problems are drawn from segments.

    `anchor` is a stem, or the name of an `AnchorRule`.
    """

    anchor: str
    error: ErrorProtocol
    prompt: PromptProtocol
    level: LevelProtocol


def draw_problem(
    segment: Segment,
    protocol: ProblemProtocol,
    rng: np.random.Generator,
    item_id: str,
    prompt_category: PromptCategory | None = None,
) -> Problem:
    """Draw a problem for a segment: its anchor, its errors or none, and what the user says.

    Args:
        prompt_category: taken as given where a test set is stratified by it, drawn by weight otherwise. The generator
            is read in the same way in both cases.
    """
    anchor = choose_anchor(segment, protocol.anchor, rng, protocol.error.faultable(segment.stems))
    candidates = [stem for stem in segment.stems if stem != anchor]
    draw_errors = _draw_relative_errors if protocol.error.relative else _draw_errors
    errors, error_category = draw_errors(anchor, protocol.error.faultable(candidates), protocol.error, rng)
    drawn = PromptCategory(_choose(rng, protocol.prompt.weights))
    problem = Problem(
        item_id=item_id,
        song_id=segment.song_id,
        split=segment.split,
        genre=segment.genre,
        start_s=segment.start_s,
        duration_s=segment.duration_s,
        anchor=anchor,
        stems=(anchor, *candidates),
        errors=errors,
        error_category=error_category,
        prompt_category=prompt_category or drawn,
        claim=None,
        headroom_gain_db=protocol.level.headroom_dbfs - segment.mixture_dbfs,
        master_gain_db=0.0,
        wording_seed=0,
    )
    claims = all_claims(candidates)
    right = [claim for claim in claims if problem.holds(claim)]
    wrong = [claim for claim in claims if not problem.holds(claim)]
    # Both are drawn, so that the prompt category changes nothing else.
    said = {
        PromptCategory.CORRECT_DESCRIPTION: right[rng.integers(len(right))],
        PromptCategory.INCORRECT_DESCRIPTION: wrong[rng.integers(len(wrong))],
    }
    return replace(
        problem,
        claim=said.get(problem.prompt_category),
        master_gain_db=float(rng.uniform(-protocol.level.master_range_db, protocol.level.master_range_db)),
        wording_seed=int(rng.integers(2**31)),
    )


def drawable(segments: Sequence[Segment], protocol: ProblemProtocol) -> list[Segment]:
    """The segments in which a stem beside the anchor may be at fault."""
    fixed = fixed_anchor(protocol.anchor)
    needed = 1 if fixed is not None else 2
    return [
        segment
        for segment in segments
        if len([stem for stem in protocol.error.faultable(segment.stems) if stem != fixed]) >= needed
    ]


def right_advice(problem: Problem, error: ErrorProtocol) -> Advice:
    """The advice that brings the problem's stems into balance, with the verdict that its claim deserves.

    Errors without the name of a category, which are what some earlier advice left, have no range: they get a value.
    """
    verdicts = {
        PromptCategory.CORRECT_DESCRIPTION: Verdict.CONFIRMED,
        PromptCategory.INCORRECT_DESCRIPTION: Verdict.CORRECTED,
    }
    categories = {injected.stem: injected.category for injected in problem.errors}
    anchor_low_db, anchor_high_db = error.range_db(categories.get(problem.anchor, ""))
    moves = []
    for stem, gain_db in problem.needed_gains_db.items():
        is_named = all(
            categories.get(name, "") in error.categories or not problem.error_db(name)
            for name in (stem, problem.anchor)
        )
        if error.answer == "range" and is_named:
            low_db, high_db = error.range_db(categories.get(stem, ""))
            moves.append(Move(stem, anchor_low_db - high_db, anchor_high_db - low_db))
        else:
            steps = max(1, round(abs(gain_db) / error.rounding_db))
            moves.append(Move.of(stem, float(np.sign(gain_db)) * steps * error.rounding_db))
    return Advice(tuple(moves), verdicts.get(problem.prompt_category))


def all_claims(candidates: Sequence[str]) -> list[Claim]:
    """All that a user may say: every (stem, state) of the candidates, never of the anchor, and 'balanced'."""
    claims = [Claim(state, stem) for stem in candidates for state in (State.TOO_LOUD, State.TOO_QUIET)]
    return [*claims, Claim(State.BALANCED)]


def _draw_errors(
    anchor: str, candidates: Sequence[str], protocol: ErrorProtocol, rng: np.random.Generator
) -> tuple[tuple[GainError, ...], str]:
    """Errors on stems beside the anchor, and the name of what is wrong."""
    category = _choose(rng, protocol.probabilities)
    stem = candidates[int(rng.integers(len(candidates)))]
    errors = {stem: _draw_error(stem, category, protocol, rng)}
    if protocol.categories[category].is_balanced:
        return (), category
    for _ in range(min(_draw_number(protocol, rng), len(candidates)) - 1):
        intact = [candidate for candidate in candidates if candidate not in errors]
        stem = intact[int(rng.integers(len(intact)))]
        errors[stem] = _draw_error(stem, _choose(rng, protocol.fault_probabilities), protocol, rng)
    names = {error.category for error in errors.values()}
    return tuple(errors[stem] for stem in candidates if stem in errors), "+".join(sorted(names))


def _draw_relative_errors(
    anchor: str, candidates: Sequence[str], protocol: ErrorProtocol, rng: np.random.Generator
) -> tuple[tuple[GainError, ...], str]:
    """Errors on any stem, one gain for each category, and the name of what is wrong beside the anchor."""
    gains_db = {name: float(rng.uniform(entry.low_db, entry.high_db)) for name, entry in protocol.categories.items()}
    drawn = {stem: _choose(rng, protocol.probabilities) for stem in (anchor, *candidates)}
    errors = tuple(
        GainError(stem, gains_db[name], name)
        for stem, name in drawn.items()
        if not protocol.categories[name].is_balanced
    )
    names = {f"{drawn[stem]}_beside_{drawn[anchor]}" for stem in candidates if drawn[stem] != drawn[anchor]}
    return errors, "+".join(sorted(names)) or "balanced"


def _draw_error(stem: str, category: str, protocol: ErrorProtocol, rng: np.random.Generator) -> GainError:
    return GainError(stem, float(rng.uniform(*protocol.range_db(category))), category)


def _draw_number(protocol: ErrorProtocol, rng: np.random.Generator) -> int:
    """How many stems are at fault; nothing is read where it is always one."""
    if len(protocol.faulty_stems) == 1:
        return 1
    return int(_choose(rng, {str(number): p for number, p in enumerate(protocol.faulty_stems, start=1)}))


def _choose(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    names = list(weights)
    cumulative = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(cumulative, rng.uniform(), side="right")), len(names) - 1)]
