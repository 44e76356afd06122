"""Who is left out: people who click by chance, and hardly ever people who are honest and unsure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from scipy.stats import binom

from mixlab.study.exclusions import chance_distances, exclusions, fewest_points, missed_instructed, screening
from mixlab.study.settings import Rules

from .conftest import simulated_answers, truth

EFFECTS = {
    name: {"fine_tuned": 1.0, "zero_shot": 0.0, "do_nothing": -0.5, "low_anchor": -1.5}
    for name in ("effectiveness", "actionability", "conventions")
}
RULES = Rules(instructed_most_wrong=0, repeat_chance=0.75, repeat_fewest=2)
UNSTEADY = truth(EFFECTS, view_share=0.0)


def left_out(answers, rules=RULES):
    instructed, repeats = exclusions(answers, rules).by_rule.values()
    return set(instructed), set(repeats)


def test_chance_lies_apart_as_counted_out():
    points = range(1, 6)
    for ratings in (1, 2):
        counts = Counter(
            sum(abs(a - b) for a, b in pairs) for pairs in product(product(points, repeat=2), repeat=ratings)
        )
        expected = [counts[total] / 25**ratings for total in range(4 * ratings + 1)]
        assert chance_distances(ratings) == pytest.approx(expected)


@pytest.mark.parametrize("ratings", [1, 3, 9, 12])
@pytest.mark.parametrize("share", [0.5, 0.75, 0.95, 1.0])
def test_below_the_threshold_chance_stays_as_often_as_asked_and_not_one_point_lower(ratings, share):
    chance, fewest = chance_distances(ratings), fewest_points(ratings, share)
    assert chance[:fewest].sum() >= share - 1e-9
    assert chance[: fewest - 1].sum() < share - 1e-12


def test_by_the_shipped_rules_a_clicker_goes_and_an_honest_rater_stays_however_unsteady():
    found = screening(RULES, truth(EFFECTS), repeats=3, criteria=3, instructed=2, seed=0)
    assert found.mean_points == pytest.approx(2.0)
    assert found.clicker > 0.9999
    assert found.clicker_repeats == pytest.approx(0.195, abs=0.001)
    assert found.honest < 0.001
    assert found.unsteady < 0.02


@pytest.mark.slow
def test_of_unsteady_raters_the_rules_leave_out_no_more_than_stated():
    instructed, repeats = left_out(simulated_answers(UNSTEADY, raters=200, items=12, trials=8, seed=3))
    assert not instructed
    assert len(repeats) <= binom.ppf(0.999, 200, 0.02)


def test_everybody_who_clicks_by_chance_is_left_out_by_the_instructed_items():
    answers = simulated_answers(UNSTEADY.but(careless_share=1.0), raters=60, items=12, trials=8, seed=3)
    assert left_out(answers)[0] == set(answers.participants["participant"])


def test_of_those_who_click_by_chance_the_repeats_alone_find_as_many_as_stated():
    answers = simulated_answers(UNSTEADY.but(careless_share=1.0), raters=300, items=12, trials=8, seed=3)
    low, high = binom.interval(0.999, 300, 0.195)
    assert low <= len(left_out(answers)[1]) <= high


def test_with_fewer_repeats_than_the_plan_asks_for_nobody_is_judged_by_them():
    clickers = UNSTEADY.but(careless_share=1.0)
    answers = simulated_answers(clickers, raters=40, items=12, trials=8, seed=3, repeats=1)
    assert not left_out(answers)[1]
    assert left_out(answers, RULES.but(repeat_fewest=1))[1]


def test_without_the_rule_the_instructed_items_are_left():
    answers = simulated_answers(UNSTEADY.but(careless_share=1.0), raters=20, items=12, trials=8, seed=3)
    off = RULES.but(repeat_chance=None)
    assert list(exclusions(answers, off).by_rule) == ["more than 0 instructed items missed"]
    assert screening(off, UNSTEADY, 3, 3, 2, 0).unsteady == 0.0


def test_a_miss_that_the_plan_allows_leaves_nobody_out():
    answers = simulated_answers(truth(EFFECTS), raters=3, items=12, trials=8, seed=3)
    wrong = answers.ratings["is_instructed"].eq(1) & answers.ratings["instructed_answer"].eq(2)
    wrong &= answers.ratings["participant"].eq("p000") & answers.ratings["criterion"].eq("conventions")
    answers = replace(answers, ratings=answers.ratings.assign(rating=answers.ratings["rating"].mask(wrong, 3)))
    assert missed_instructed(answers) == {"p000": 1, "p001": 0, "p002": 0}
    assert left_out(answers)[0] == {"p000"}
    assert not left_out(answers, RULES.but(instructed_most_wrong=1))[0]
