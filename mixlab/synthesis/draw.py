"""Room synthesis: all that chance decides about an item, drawn from a generator; no audio is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.multitrack.segments import Segment
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
    """

    categories: Mapping[str, ErrorCategory]
    rounding_db: float = 1.0
    answer: str = "value"


@dataclass(frozen=True)
class PromptProtocol:
    """How often each prompt category occurs; weights sum to one."""

    weights: Mapping[str, float]


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
    """All that decides how problems are drawn from segments."""

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
    """Draw a problem for a segment: one error on a stem that is not the anchor, or none.

    Args:
        prompt_category: taken as given where a test set is stratified by it, drawn by weight otherwise. The generator
            is read in the same way in both cases.
    """
    candidates = [stem for stem in segment.stems if stem != protocol.anchor]
    category_name = _choose(rng, {name: entry.probability for name, entry in protocol.error.categories.items()})
    category = protocol.error.categories[category_name]
    stem = candidates[rng.integers(len(candidates))]
    gain_db = float(rng.uniform(category.low_db, category.high_db))
    drawn = PromptCategory(_choose(rng, protocol.prompt.weights))
    prompt_category = prompt_category or drawn
    errors = () if category.is_balanced else (GainError(stem, gain_db),)
    right, wrong = _right_and_wrong_claims(errors, candidates)
    wrong_claim = wrong[rng.integers(len(wrong))]
    claim = {PromptCategory.CORRECT_DESCRIPTION: right, PromptCategory.INCORRECT_DESCRIPTION: wrong_claim}
    return Problem(
        item_id=item_id,
        song_id=segment.song_id,
        split=segment.split,
        genre=segment.genre,
        start_s=segment.start_s,
        duration_s=segment.duration_s,
        anchor=protocol.anchor,
        stems=(protocol.anchor, *candidates),
        errors=errors,
        error_category=category_name,
        prompt_category=prompt_category,
        claim=claim.get(prompt_category),
        headroom_gain_db=protocol.level.headroom_dbfs - segment.mixture_dbfs,
        master_gain_db=float(rng.uniform(-protocol.level.master_range_db, protocol.level.master_range_db)),
        wording_seed=int(rng.integers(2**31)),
    )


def right_advice(problem: Problem, error: ErrorProtocol) -> Advice:
    """The advice that undoes the problem's errors, with the verdict that its claim deserves."""
    verdicts = {
        PromptCategory.CORRECT_DESCRIPTION: Verdict.CONFIRMED,
        PromptCategory.INCORRECT_DESCRIPTION: Verdict.CORRECTED,
    }
    category = error.categories[problem.error_category]
    moves = []
    for injected in problem.errors:
        if error.answer == "range":
            moves.append(Move(injected.stem, -category.high_db, -category.low_db))
        else:
            steps = max(1, round(abs(injected.gain_db) / error.rounding_db))
            moves.append(Move.of(injected.stem, -float(np.sign(injected.gain_db)) * steps * error.rounding_db))
    return Advice(tuple(moves), verdicts.get(problem.prompt_category))


def _right_and_wrong_claims(errors: Sequence[GainError], candidates: Sequence[str]) -> tuple[Claim, list[Claim]]:
    """The claim that fits the problem, and all others: every (stem, state) of the candidates, and 'balanced'."""
    claims = [Claim(state, stem) for stem in candidates for state in (State.TOO_LOUD, State.TOO_QUIET)]
    claims.append(Claim(State.BALANCED))
    if errors:
        state = State.TOO_LOUD if Direction.of(errors[0].gain_db) is Direction.RAISE else State.TOO_QUIET
        right = Claim(state, errors[0].stem)
    else:
        right = Claim(State.BALANCED)
    return right, [claim for claim in claims if claim != right]


def _choose(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    names = list(weights)
    cumulative = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(cumulative, rng.uniform(), side="right")), len(names) - 1)]
