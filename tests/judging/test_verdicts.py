"""What answers come to: missing ones count nowhere, controls and agreement are beside every score."""

from __future__ import annotations

import math

import pytest
from sklearn.metrics import cohen_kappa_score

from mixlab.judging.agreement import agreement, with_people
from mixlab.judging.annotations import Rating
from mixlab.judging.asking import Result
from mixlab.judging.forms import Preference
from mixlab.judging.missing import Missing, missing_by_subject
from mixlab.judging.questions import make_cases, preference_questions, rating_questions
from mixlab.judging.verdicts import records, sum_up

CRITERIA = ["effectiveness", "helpfulness"]


@pytest.fixture
def cases(answered):
    predictions = [answered(("vocals", -6.0), item=f"song{index}/0", text=f"Hm {index}.") for index in range(6)]
    return make_cases(predictions, ["wrong_stem", "wrong_direction"], predictions)


@pytest.fixture
def rated(cases, rubric):
    """Answers to all rating questions by a rule of subject, item and draw; None is a missing one."""

    def rate(rule, draws=2):
        answered = []
        for question in rating_questions(cases, rubric, draws):
            score = rule(question.subjects[0], int(question.item[4]), question.draw)
            value = None if score is None else question.form(reason="", effectiveness=score, helpfulness=3)
            answered.append((question, Result(value, "" if value else "no")))
        return answered

    return rate


def preferred(cases, rubric, rule, draws=1):
    questions = list(preference_questions(cases, rubric, draws))
    return [(q, Result(Preference(reason="", better=rule(q)))) for q in questions]


def summed(cases, answered, ratings=()):
    return sum_up(cases, answered, CRITERIA, list(ratings), 100, 0)


def test_a_judge_that_sees_directions_but_no_stems_is_exposed(cases, rated):
    found = summed(cases, rated(lambda subject, item, draw: 1 if subject == "wrong_direction" else 4))
    assert found.aucs["wrong_direction"]["effectiveness"].value == 1.0
    assert found.aucs["wrong_stem"]["effectiveness"].value == 0.5
    assert found.aucs["wrong_direction"]["helpfulness"].value == 0.5
    assert found.scores["wrong_direction"]["effectiveness"].value == 1.0
    assert found.flat()["auc/wrong_direction/effectiveness"] == 1.0


def test_a_missing_answer_counts_nowhere_but_among_the_missing(cases, rated):
    whole = summed(cases, rated(lambda subject, item, draw: 1 + item % 5))
    answers = rated(lambda subject, item, draw: None if (item, draw) == (0, 1) else 1 + item % 5)
    assert summed(cases, answers).scores["model"]["effectiveness"] == whole.scores["model"]["effectiveness"]
    assert missing_by_subject(cases, answers)["model"] == Missing(asked=12, unanswered=1, silent=0)
    lost = summed(cases, rated(lambda subject, item, draw: None if item == 0 else 2))
    assert lost.scores["model"]["effectiveness"].items == 5
    assert lost.scores["model"]["effectiveness"].value == 2.0
    nothing = summed(cases, rated(lambda subject, item, draw: None))
    assert nothing.flat() == {f"self_agreement/{criterion}/pairs": 0.0 for criterion in CRITERIA}


def test_draws_agree_or_do_not(cases, rated):
    same = summed(cases, rated(lambda subject, item, draw: 1 + item % 5)).self_agreement["effectiveness"]
    assert (same.kappa, same.same, same.spearman, same.pairs) == (1.0, 1.0, pytest.approx(1.0), 30)
    contrary = summed(cases, rated(lambda subject, item, draw: 1 + 4 * ((item + draw) % 2)))
    assert contrary.self_agreement["effectiveness"].kappa == pytest.approx(-1.0)
    constant = summed(cases, rated(lambda subject, item, draw: 3)).self_agreement["effectiveness"]
    assert (constant.same, math.isnan(constant.kappa)) == (1.0, True)
    assert summed(cases, rated(lambda subject, item, draw: 3, draws=1)).self_agreement["effectiveness"].pairs == 0


def test_kappa_is_that_of_sklearn_on_the_nearest_points():
    pairs = [(1.4, 2), (2.5, 3), (5, 4), (4.5, 5), (3, 1)]
    expected = cohen_kappa_score([1, 3, 5, 5, 3], [2, 3, 4, 5, 1], weights="quadratic", labels=[1, 2, 3, 4, 5])
    assert agreement(pairs).kappa == pytest.approx(expected)
    assert agreement([*pairs, (float("nan"), 3)]).pairs == 5


def test_the_judge_stands_beside_people_and_people_beside_each_other(cases, rated):
    ratings = [
        Rating(item=f"song{item}/0", rater=rater, criterion="effectiveness", score=score(item))
        for item in range(5)
        for rater, score in (("ann", lambda item: 1 + item), ("ben", lambda item: 5 - item))
    ]
    found = summed(cases, rated(lambda subject, item, draw: 1 + item % 5), ratings).people["effectiveness"]
    assert (found[0].pairs, found[0].kappa) == (10, pytest.approx(0.0))
    assert (found[1].pairs, found[1].kappa) == (5, pytest.approx(-1.0))
    one = with_people({("song0/0", "model"): 4.0}, ratings[:1], "effectiveness")
    assert (one[0].pairs, one[1].pairs) == (1, 0)


def test_a_preference_holds_where_both_orders_say_it(cases, rubric):
    better = preferred(cases, rubric, lambda q: "first" if q.subjects[0] in ("model", "right") else "second")
    found = summed(cases, better).preferences["model", "opponent"]
    assert (found.wins.value, found.ties, found.consistent, found.first_place) == (1.0, 0.0, 1.0, 0.5)


def test_a_judge_that_always_takes_the_first_prefers_nobody(cases, rubric):
    found = summed(cases, preferred(cases, rubric, lambda q: "first")).preferences["right", "wrong_stem"]
    assert (found.wins.value, found.consistent, found.first_place) == (0.5, 0.0, 1.0)
    ties = summed(cases, preferred(cases, rubric, lambda q: "tie")).preferences["model", "opponent"]
    assert (ties.wins.value, ties.ties, ties.consistent) == (0.5, 1.0, 1.0)
    assert math.isnan(ties.first_place)


def test_a_comparison_without_its_other_order_counts_nowhere(cases, rubric):
    answered = preferred(cases, rubric, lambda q: "first")
    half = [(q, Result(None, "no") if q.subjects[0] == "opponent" else result) for q, result in answered]
    found = summed(cases, half)
    assert found.preferences["model", "opponent"].wins.items == 0
    missing = missing_by_subject(cases, half)
    assert (missing["opponent"].unanswered, missing["model"].unanswered, missing["right"].unanswered) == (6, 6, 0)


def test_records_say_what_was_asked_and_answered(cases, rubric, rated):
    row, *_ = records(rated(lambda subject, item, draw: None))
    asked = row.pop("asked")
    assert row == {"item": "song0/0", "subject": "model", "draw": 0, "answer": None, "missing": "no"}
    row, *_ = records(preferred(cases, rubric, lambda q: "tie"))
    assert (row["first"], row["second"], row["answer"]["better"]) == ("model", "opponent", "tie")
    assert row["asked"] != asked
