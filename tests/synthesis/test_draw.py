"""The draws: which stem is at fault, by how much, what the user claims; an anchor never has an error."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.advice import Claim, Direction, State, Verdict
from mixlab.language.degree import Degree
from mixlab.multitrack.song import STEMS
from mixlab.multitrack.statistics import Spread, UsualBalance
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import Problem, PromptCategory
from mixlab.synthesis.protocol import ErrorCategory, LevelProtocol, PromptProtocol
from mixlab.synthesis.seeds import generator

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def active_stems(draw):
    """An anchor and the stems active in a segment: the anchor and one or more others."""
    anchor = draw(st.sampled_from(STEMS))
    others = [stem for stem in STEMS if stem != anchor]
    return anchor, tuple(sorted([anchor, *draw(st.sets(st.sampled_from(others), min_size=1))]))


def drawn(segment, protocol, count: int, category: PromptCategory | None = None) -> list[Problem]:
    return [draw_problem(segment, protocol, generator(7, index), str(index), category) for index in range(count)]


def agrees_with(counts: Counter, shares: dict) -> bool:
    """Whether counts could come from the shares (chi-square; the draws are seeded, so a pass stays a pass)."""
    total = sum(counts.values())
    assert set(counts) <= set(shares)
    return (
        scipy.stats.chisquare([counts[key] for key in shares], [total * share for share in shares.values()])[1] > 1e-3
    )


def right_claim(problem: Problem) -> Claim:
    if not problem.errors:
        return Claim(State.BALANCED)
    (error,) = problem.errors
    return Claim(State.TOO_LOUD if error.error_db > 0 else State.TOO_QUIET, error.stem)


@given(SEEDS, active_stems())
def test_errors_lie_on_an_active_stem_that_is_not_the_anchor_and_in_their_category(segment, protocol, seed, stems):
    anchor, active = stems
    protocol = replace(protocol, anchor=anchor)
    problem = draw_problem(segment(*active), protocol, generator(seed), "item")
    category = protocol.error.categories[problem.error_category]
    assert problem.stems[0] == anchor
    assert sorted(problem.stems) == list(active)
    assert problem.error_db(anchor) == 0.0
    assert len(problem.errors) == (0 if category.is_balanced else 1)
    for error in problem.errors:
        assert error.stem in problem.candidates
        assert category.low_db <= error.error_db <= category.high_db


@given(SEEDS, active_stems())
def test_claims_are_right_or_wrong_as_their_category_says(segment, protocol, seed, stems):
    anchor, active = stems
    problem = draw_problem(segment(*active), replace(protocol, anchor=anchor), generator(seed), "item")
    if problem.prompt_category is PromptCategory.CORRECT_DESCRIPTION:
        assert problem.claim == right_claim(problem)
    elif problem.prompt_category is PromptCategory.INCORRECT_DESCRIPTION:
        assert problem.claim is not None
        assert problem.claim != right_claim(problem)
        assert problem.claim.stem is None or problem.claim.stem in problem.candidates
    else:
        assert problem.claim is None


@given(SEEDS)
def test_the_same_seed_draws_the_same_problem(segment, protocol, seed):
    first, second = (draw_problem(segment(), protocol, generator(seed, "train", 1), "item") for _ in range(2))
    assert first == second


@given(SEEDS, st.sampled_from(PromptCategory), st.sampled_from(PromptCategory))
def test_a_given_prompt_category_changes_the_claim_and_nothing_else(segment, protocol, seed, first, second):
    problems = [draw_problem(segment(), protocol, generator(seed), "item", category) for category in (first, second)]
    assert [problem.prompt_category for problem in problems] == [first, second]
    free = draw_problem(segment(), protocol, generator(seed), "item")
    blank = [replace(problem, prompt_category=first, claim=None) for problem in (*problems, free)]
    assert blank[0] == blank[1] == blank[2]


def test_categories_stems_signs_and_prompts_occur_as_often_as_the_protocol_says(segment, protocol):
    categories = dict(zip(protocol.error.categories, (0.1, 0.2, 0.3, 0.35, 0.05), strict=True))
    weights = dict(zip(PromptCategory, (0.4, 0.3, 0.2, 0.1), strict=True))
    error = protocol.error.but(
        categories={name: protocol.error.categories[name].but(probability=p) for name, p in categories.items()}
    )
    problems = drawn(segment(), replace(protocol, error=error, prompt=PromptProtocol(weights=weights)), 4000)
    assert agrees_with(Counter(problem.error_category for problem in problems), categories)
    assert agrees_with(Counter(problem.prompt_category for problem in problems), weights)
    at_fault = Counter(error.stem for problem in problems for error in problem.errors)
    assert agrees_with(at_fault, dict.fromkeys(("drums", "other", "vocals"), 1 / 3))


def test_a_category_without_weight_never_occurs(segment, protocol):
    off = ErrorCategory(probability=0.0, low_db=3, high_db=6)
    only = protocol.error.but(categories={"off": off, "on": ErrorCategory(probability=1.0, low_db=-6, high_db=-3)})
    weights = {"audio_only": 0.0, "advice_seeking": 1.0, "correct_description": 0.0}
    problems = drawn(segment(), replace(protocol, error=only, prompt=PromptProtocol(weights=weights)), 300)
    assert {(problem.error_category, str(problem.prompt_category)) for problem in problems} == {
        ("on", "advice_seeking")
    }


def test_error_gains_are_uniform_within_their_category(segment, protocol):
    gains = [error.error_db for problem in drawn(segment(), protocol, 3000) for error in problem.errors]
    loudest = [gain for gain in gains if gain > 6]
    assert scipy.stats.kstest(loudest, "uniform", args=(6, 6)).pvalue > 1e-3
    assert min(gains) < -11.9
    assert max(gains) > 11.9


def test_a_right_claim_says_how_far_off_the_stem_is_or_nothing_of_it(segment, protocol):
    problems = drawn(segment(), protocol, 1500, PromptCategory.CORRECT_DESCRIPTION)
    sizes = [(p.claim.degree, abs(p.needed_gains_db[p.claim.stem])) for p in problems if p.claim.stem is not None]
    assert all(size_db >= 8 for degree, size_db in sizes if degree is Degree.FAR)
    far = [degree for degree, size_db in sizes if size_db >= 8]
    assert agrees_with(Counter(far), {Degree.FAR: 0.5, Degree.CLEAR: 0.5})
    silent = replace(protocol, prompt=protocol.prompt.but(degree_share=0.0))
    said = [p.claim.degree for p in drawn(segment(), silent, 300, PromptCategory.CORRECT_DESCRIPTION)]
    assert set(said) == {Degree.CLEAR}


@pytest.mark.parametrize("kind", ["single", "relative", "several"])
def test_how_far_off_a_stem_is_said_to_be_does_not_tell_whether_the_claim_is_right(request, segment, protocol, kind):
    error = protocol.error if kind == "single" else request.getfixturevalue(kind)
    asked = replace(protocol, error=error, prompt=protocol.prompt.but(degree_share=1.0))
    shares = []
    for category in (PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION):
        claims = [p.claim for p in drawn(segment(), asked, 2000, category)]
        degrees = [claim.degree for claim in claims if claim.stem is not None]
        shares.append(degrees.count(Degree.FAR) / len(degrees))
    assert shares[0] == pytest.approx(shares[1], abs=0.06)


def test_where_no_error_has_the_direction_that_is_claimed_its_size_is_not_said(segment, protocol):
    loud = {"far": ErrorCategory(probability=1.0, low_db=9, high_db=12)}
    asked = replace(protocol, error=protocol.error.but(categories=loud), prompt=protocol.prompt.but(degree_share=1.0))
    problems = drawn(segment(), asked, 200, PromptCategory.INCORRECT_DESCRIPTION)
    degrees = {(p.claim.state, p.claim.degree) for p in problems if p.claim.stem is not None}
    assert degrees == {(State.TOO_QUIET, Degree.CLEAR), (State.TOO_LOUD, Degree.FAR)}


def test_a_plausible_wrong_claim_is_what_a_meter_says_next(segment, protocol):
    usual = UsualBalance({("all", "bass", stem): Spread(40, 0.0, 2.0) for stem in ("drums", "other", "vocals")})
    asked = replace(protocol, prompt=protocol.prompt.but(wrong_claims="plausible"), usual=usual)
    lufs = {"bass": -20.0, "drums": -17.0, "other": -20.5, "vocals": -21.0}
    for problem in drawn(replace(segment(), lufs=lufs), asked, 200, PromptCategory.INCORRECT_DESCRIPTION):
        assert not problem.holds(problem.claim)
        at_fault = problem.errors[0].stem if problem.errors else None
        # The drums are 1.5 deviations up by themselves; without them nothing else departs by one.
        expected = Claim(State.BALANCED) if at_fault == "drums" else Claim(State.TOO_LOUD, "drums")
        assert problem.claim == expected, problem


def test_plausible_claims_change_nothing_else_and_are_any_where_nothing_usual_is_known(segment, protocol):
    usual = UsualBalance({("all", "bass", "drums"): Spread(40, 0.0, 2.0)})
    plausible = replace(protocol, prompt=protocol.prompt.but(wrong_claims="plausible"), usual=usual)
    wrong = PromptCategory.INCORRECT_DESCRIPTION
    plain, chosen = drawn(segment(), protocol, 100, wrong), drawn(segment(), plausible, 100, wrong)
    assert [replace(p, claim=None) for p in plain] == [replace(p, claim=None) for p in chosen]
    assert [p.claim for p in plain] != [p.claim for p in chosen]
    assert drawn(segment(), replace(plausible, usual=UsualBalance({})), 100, wrong) == plain


@pytest.mark.parametrize("stems", [("bass", "drums", "other", "vocals"), ("bass", "drums")])
def test_wrong_claims_are_uniform_over_all_other_classes_balanced_among_them(segment, protocol, stems):
    problems = drawn(segment(*stems), protocol, 6000, PromptCategory.INCORRECT_DESCRIPTION)
    states = (State.TOO_LOUD, State.TOO_QUIET)
    classes = [Claim(state, stem) for stem in stems[1:] for state in states] + [Claim(State.BALANCED)]
    for truth in classes:
        claims = Counter(problem.claim for problem in problems if right_claim(problem) == truth)
        others = [claim for claim in classes if claim != truth]
        assert agrees_with(claims, dict.fromkeys(others, 1 / len(others))), truth


def test_the_master_gain_is_uniform_and_of_one_distribution_in_every_class(segment, protocol):
    problems = drawn(segment(), protocol, 4000)
    gains = {name: [] for name in protocol.error.categories}
    for problem in problems:
        gains[problem.error_category].append(problem.master_gain_db)
    range_db = protocol.level.master_range_db
    for name, values in gains.items():
        assert scipy.stats.kstest(values, "uniform", args=(-range_db, 2 * range_db)).pvalue > 1e-3, name


@given(st.floats(-25, 0), SEEDS)
def test_headroom_follows_from_the_unmodified_segment_alone(segment, protocol, mixture_dbfs, seed):
    problem = draw_problem(segment(mixture_dbfs=mixture_dbfs), protocol, generator(seed), "item")
    assert mixture_dbfs + problem.headroom_gain_db == pytest.approx(protocol.level.headroom_dbfs)


@given(SEEDS, st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from(PromptCategory))
def test_the_right_advice_undoes_the_error_to_the_rounding(segment, protocol, seed, rounding_db, category):
    error = protocol.error.but(rounding_db=rounding_db)
    problem = draw_problem(segment(), replace(protocol, error=error), generator(seed), "item", category)
    advice = problem.right_advice
    assert len(advice.moves) == len(problem.errors)
    for injected, move in zip(problem.errors, advice.moves, strict=True):
        assert move.stem == injected.stem
        assert abs(move.gain_db + injected.error_db) <= rounding_db / 2 + 1e-9
        assert move.gain_db % rounding_db == pytest.approx(0.0)
        assert move.direction is Direction.of(-injected.error_db)
    verdicts = {"correct_description": Verdict.CONFIRMED, "incorrect_description": Verdict.CORRECTED}
    assert advice.verdict == verdicts.get(str(category))


def test_an_error_smaller_than_the_rounding_is_still_advised(segment, protocol):
    tiny = protocol.error.but(categories={"hardly": ErrorCategory(probability=1.0, low_db=0.1, high_db=0.3)})
    (problem,) = drawn(segment(), replace(protocol, error=tiny), 1)
    (move,) = problem.right_advice.moves
    assert move.gain_db == -1.0


@given(SEEDS)
def test_a_range_answer_is_the_category_turned_round(segment, protocol, seed):
    error = protocol.error.but(answer="range")
    problem = draw_problem(segment(), replace(protocol, error=error), generator(seed), "item")
    category = error.categories[problem.error_category]
    for move in problem.right_advice.moves:
        assert (move.low_db, move.high_db) == (-category.high_db, -category.low_db)
        assert move.low_db <= -problem.errors[0].error_db <= move.high_db


@given(SEEDS, active_stems())
def test_a_problem_survives_json(segment, protocol, seed, stems):
    anchor, active = stems
    problem = draw_problem(segment(*active), replace(protocol, anchor=anchor), generator(seed), "item")
    record = json.loads(json.dumps(problem.to_json()))
    assert Problem.from_json({**record, "text": "a prediction has more keys"}) == problem


def test_generators_differ_by_every_part_of_their_path():
    paths = [("train", 0, 0), ("train", 0, 1), ("train", 1, 0), ("order", 0, 0), ("test", "song", 0), ("test", "song"),
             ("test", "song", 2**40)]  # fmt: skip
    firsts = [generator(seed, *path).integers(2**62) for path in paths for seed in (0, 1)]
    assert len(set(firsts)) == len(firsts)


def test_generators_are_the_same_on_every_machine():
    assert generator(0, "train", 1, 2).integers(10**9, size=3).tolist() == [467886796, 614017979, 357161774]


def test_without_a_master_range_every_example_lies_at_the_headroom_level(segment, protocol):
    still = replace(protocol, level=LevelProtocol(headroom_dbfs=-30.0, master_range_db=0.0))
    problems = drawn(segment(mixture_dbfs=-18.0), still, 20)
    assert {problem.master_gain_db for problem in problems} == {0.0}
    assert {problem.headroom_gain_db for problem in problems} == {-12.0}
