"""Room synthesis: all that chance decides about an item, drawn from a generator; no audio is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from mixlab.language.advice import Claim, Direction, State
from mixlab.language.degree import Degree
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import UsualBalance
from mixlab.synthesis.anchor import choose_anchor, fixed_anchor
from mixlab.synthesis.problem import GainError, Problem, PromptCategory, Tolerance
from mixlab.synthesis.protocol import ErrorProtocol, ProblemProtocol, WrongClaims

Named = TypeVar("Named", bound=str)

_ATTEMPTS = 50


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
    errors, error_category = _draw_errors(anchor, candidates, protocol.error, rng)
    spread_db = {stem: segment.spread_db(anchor, stem) for stem in candidates}
    drawn = _choose(rng, protocol.prompt.weights)
    problem = Problem(
        item_id=item_id,
        song_id=segment.song_id,
        split=segment.split,
        genre=segment.genre,
        start_s=segment.start_s,
        duration_s=segment.duration_s,
        anchor=anchor,
        stems=(anchor, *candidates),
        errors=tuple(_beyond(error, spread_db.get(error.stem, (0.0, 0.0)), protocol.error) for error in errors),
        error_category=error_category,
        prompt_category=prompt_category or drawn,
        claim=None,
        headroom_gain_db=protocol.level.headroom_dbfs - segment.mixture_dbfs,
        master_gain_db=0.0,
        wording_seed=0,
        tolerances=_tolerances(spread_db, protocol.error),
        work=segment.work,
        answer=protocol.error.answer,
        rounding_db=float(protocol.error.rounding_db),
    )
    claims = all_claims(candidates)
    right = [claim for claim in claims if problem.holds(claim)]
    wrong = [claim for claim in claims if not problem.holds(claim)]
    # All are drawn, so that neither the prompt category nor the kind of wrong claims changes anything else.
    said = {
        PromptCategory.CORRECT_DESCRIPTION: right[rng.integers(len(right))],
        PromptCategory.INCORRECT_DESCRIPTION: wrong[rng.integers(len(wrong))],
    }
    if protocol.prompt.wrong_claims is WrongClaims.PLAUSIBLE and protocol.usual is not None:
        likeliest = _most_plausible(wrong, problem, segment, protocol.usual)
        said[PromptCategory.INCORRECT_DESCRIPTION] = likeliest or said[PromptCategory.INCORRECT_DESCRIPTION]
    problem = replace(
        problem,
        claim=said.get(problem.prompt_category),
        master_gain_db=float(rng.uniform(-protocol.level.master_range_db, protocol.level.master_range_db)),
        wording_seed=int(rng.integers(2**31)),
    )
    return replace(problem, claim=_with_degree(problem, protocol))


def drawable(segments: Sequence[Segment], protocol: ProblemProtocol) -> list[Segment]:
    """The segments in which a stem beside the anchor may be at fault."""
    fixed = fixed_anchor(protocol.anchor)
    needed = 1 if fixed is not None else 2
    return [
        segment
        for segment in segments
        if len([stem for stem in protocol.error.faultable(segment.stems) if stem != fixed]) >= needed
    ]


def all_claims(candidates: Sequence[str]) -> list[Claim]:
    """All that a user may say: every (stem, state) of the candidates, never of the anchor, and 'balanced'."""
    claims = [Claim(state, stem) for stem in candidates for state in (State.TOO_LOUD, State.TOO_QUIET)]
    return [*claims, Claim(State.BALANCED)]


def _most_plausible(claims: Sequence[Claim], problem: Problem, segment: Segment, usual: UsualBalance) -> Claim | None:
    """The claim that comes next after the right one for who goes by a meter and what is usual, as it is played.

    That is the stem whose loudness above the anchor departs most from the mean of all training songs, in standard
    deviations; a mix in which none departs by more than one sounds balanced. None where nothing usual is known.
    """
    lufs = segment.lufs_played
    departures: dict[str | None, float] = {None: 1.0}
    for stem in problem.candidates:
        spread = usual.of(None, problem.anchor, stem)
        if spread is not None:
            above_lu = lufs[stem] - lufs[problem.anchor] + problem.relative_error_db(stem)
            departures[stem] = (above_lu - spread.mean_lu) / spread.deviation_lu
    known = [claim for claim in claims if claim.stem in departures]
    if len(departures) == 1 or not known:
        return None
    return max(known, key=lambda claim: departures[claim.stem] * (-1 if claim.state is State.TOO_QUIET else 1))


def _with_degree(problem: Problem, protocol: ProblemProtocol) -> Claim | None:
    """The claim of a problem with what the user says of its size, by a generator of its own.

    A right claim fits the size. A wrong one has that of an error drawn anew, so that no size tells which it is.
    """
    claim, rng = problem.claim, np.random.default_rng([problem.wording_seed, 2])
    if claim is None or claim.stem is None or rng.uniform() >= protocol.prompt.degree_share:
        return claim
    imagined = problem
    for _ in range(_ATTEMPTS):
        for stem, gain_db in imagined.needed_gains_db.items():
            if Direction.of(gain_db) is claim.direction and (imagined is not problem or stem == claim.stem):
                return replace(claim, degree=Degree.of(abs(gain_db), abs(gain_db)))
        errors, _ = _draw_errors(problem.anchor, problem.candidates, protocol.error, rng)
        imagined = replace(problem, errors=errors)
    return claim


def _draw_errors(
    anchor: str, candidates: Sequence[str], protocol: ErrorProtocol, rng: np.random.Generator
) -> tuple[tuple[GainError, ...], str]:
    """The errors of a mix, and the name of what is wrong."""
    draw = _draw_relative_errors if protocol.relative else _draw_absolute_errors
    return draw(anchor, protocol.faultable(candidates), protocol, rng)


def _draw_absolute_errors(
    anchor: str, candidates: Sequence[str], protocol: ErrorProtocol, rng: np.random.Generator
) -> tuple[tuple[GainError, ...], str]:
    """Errors on stems beside the anchor, and the name of what is wrong."""
    category = _choose(rng, protocol.probabilities)
    stem = candidates[int(rng.integers(len(candidates)))]
    errors = {stem: _draw_error(stem, category, protocol, rng)}
    if protocol.categories[category].is_balanced:
        return tuple(error for error in errors.values() if error.error_db), category
    for _ in range(min(_draw_number(protocol, rng), len(candidates)) - 1):
        intact = [candidate for candidate in candidates if candidate not in errors]
        stem = intact[int(rng.integers(len(intact)))]
        errors[stem] = _draw_error(stem, _choose(rng, protocol.fault_probabilities), protocol, rng)
    names = {error.category for error in errors.values()}
    return tuple(errors[stem] for stem in candidates if stem in errors), "+".join(sorted(names))


def _beyond(error: GainError, spread_db: tuple[float, float], protocol: ErrorProtocol) -> GainError:
    """An error that begins where the spread of mixers ends: no nearer is anything wrong."""
    edge_db = 0.0 if protocol.categories[error.category].is_balanced else spread_db[error.error_db > 0]
    if edge_db == 0.0 or error.range_db is None:
        return error
    low_db, high_db = error.range_db
    return replace(error, error_db=error.error_db + edge_db, range_db=(low_db + edge_db, high_db + edge_db))


def _tolerances(spread_db: Mapping[str, tuple[float, float]], protocol: ErrorProtocol) -> tuple[Tolerance, ...]:
    """The range of every candidate in which nothing is wrong, where it has a width: of the deadband and of mixers."""
    low_db, high_db = protocol.deadband_db
    found = (Tolerance(stem, min(low, low_db), max(high, high_db)) for stem, (low, high) in spread_db.items())
    return tuple(entry for entry in found if entry.low_db < entry.high_db)


def _draw_relative_errors(
    anchor: str, candidates: Sequence[str], protocol: ErrorProtocol, rng: np.random.Generator
) -> tuple[tuple[GainError, ...], str]:
    """Errors on any stem, one gain for each category, and the name of what is wrong beside the anchor."""
    errors_db = {name: float(rng.uniform(*entry.range_db)) for name, entry in protocol.categories.items()}
    drawn = {stem: _choose(rng, protocol.probabilities) for stem in (anchor, *candidates)}
    errors = tuple(
        GainError(stem, errors_db[name], name, protocol.categories[name].range_db)
        for stem, name in drawn.items()
        if not protocol.categories[name].is_balanced
    )
    names = {f"{drawn[stem]}_beside_{drawn[anchor]}" for stem in candidates if drawn[stem] != drawn[anchor]}
    return errors, "+".join(sorted(names)) or "balanced"


def _draw_error(stem: str, category: str, protocol: ErrorProtocol, rng: np.random.Generator) -> GainError:
    range_db = protocol.categories[category].range_db
    return GainError(stem, float(rng.uniform(*range_db)), category, range_db)


def _draw_number(protocol: ErrorProtocol, rng: np.random.Generator) -> int:
    """How many stems are at fault; nothing is read where it is always one."""
    shares = protocol.faulty_stems or (1.0,)
    if len(shares) == 1:
        return 1
    return int(_choose(rng, {str(number): share for number, share in enumerate(shares, start=1)}))


def _choose(rng: np.random.Generator, weights: Mapping[Named, float]) -> Named:
    names = list(weights)
    cumulative = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(cumulative, rng.uniform(), side="right")), len(names) - 1)]
