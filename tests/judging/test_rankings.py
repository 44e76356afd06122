"""All systems ranked in one prompt: shuffled, read strictly, summed up by song."""

from __future__ import annotations

import json
import math
import string
from collections import Counter

import pytest

from mixlab.errors import InputFileError
from mixlab.judging.asking import Result
from mixlab.judging.forms import FormAsked, Malformed, form_words, ranks_form, read_form, response_format
from mixlab.judging.questions import make_cases
from mixlab.judging.rankings import Ranking, rank_records, ranked_cases, ranking_questions, sum_up_rankings

CRITERIA = ["technical_accuracy", "fluency"]
RANKING = Ranking(task="Rank.", criteria={name: f"Is it of {name}?" for name in CRITERIA})
RANKS = ranks_form(CRITERIA, "ABC")
GOOD = {"reason": "So.", "technical_accuracy": ["B", "A", "C"], "fluency": ["A", "B", "C"]}


@pytest.fixture
def cases(answered):
    """Eight items of which the model and two other systems say something."""

    def answers(text):
        return [answered(("vocals", -6.0), item=f"song{index}/0", text=text) for index in range(8)]

    texts = {"rule": "Lower the drums by 3 dB.", "base": ""}
    own = make_cases(answers("Raise the vocals by 6 dB."), [], None)
    return ranked_cases(own, {name: answers(text) for name, text in texts.items()})


@pytest.fixture
def ranked(cases):
    """The answers of a judge that orders subjects by a rule of (subject, criterion); None is a missing one."""

    def rank(rule, draws=2, seed=0):
        answered = []
        for question in ranking_questions(cases, RANKING, draws, seed):
            letters = dict(zip(question.subjects, string.ascii_uppercase, strict=False))
            orders = {
                c: [letters[s] for s in sorted(question.subjects, key=lambda subject: rule(question, subject, c))]
                for c in CRITERIA
            }
            answered.append((question, Result(question.form(reason="", **orders))))
        return answered

    return rank


def summed(cases, answered):
    return sum_up_rankings(cases, answered, CRITERIA, 100, 0)


def test_every_text_is_in_the_one_prompt_under_its_letter_and_the_order_changes(cases):
    questions = list(ranking_questions(cases, RANKING, 3, 0))
    assert len(questions) == 8 * 3
    for question in questions:
        assert sorted(question.subjects) == ["base", "model", "right", "rule"]
        said = question.messages[1]["content"]
        place = question.subjects.index("model")
        assert f"Advice {'ABCD'[place]}:\n<advice>\nRaise the vocals by 6 dB.\n</advice>" in said
        assert "<advice>\n(nothing was said)\n</advice>" in said
        assert said.startswith("The truth about the mix:")
        assert "rule" not in said
    firsts = Counter(question.subjects[0] for question in questions)
    assert set(firsts) == {"base", "model", "right", "rule"}
    assert [q.subjects for q in questions] == [q.subjects for q in ranking_questions(cases, RANKING, 3, 0)]
    assert [q.subjects for q in questions] != [q.subjects for q in ranking_questions(cases, RANKING, 3, 1)]


def test_the_form_is_asked_for_in_words_and_as_a_schema():
    assert '"fluency": [<each of "A", "B", "C" once, the best first>]' in form_words(RANKS)
    schema = response_format(RANKS, FormAsked.JSON_SCHEMA)["json_schema"]["schema"]
    assert schema["properties"]["fluency"]["items"] == {"type": "string", "enum": ["A", "B", "C"]}
    assert read_form(f"Well: {json.dumps(GOOD)}", RANKS).technical_accuracy == ["B", "A", "C"]


@pytest.mark.parametrize(
    "order",
    [["A", "B"], ["A", "B", "B"], ["A", "B", "C", "A"], ["A", "B", "D"], ["a", "b", "c"], "ABC", [1, 2, 3], None],
)
def test_a_ranking_that_does_not_name_each_text_once_is_refused(order):
    with pytest.raises(Malformed, match="'fluency"):
        read_form(json.dumps(GOOD | {"fluency": order}), RANKS)


def test_mean_ranks_and_wins_follow_the_judge_criterion_by_criterion(cases, ranked):
    order = {"technical_accuracy": ["right", "model", "rule", "base"], "fluency": ["base", "rule", "model", "right"]}
    found = summed(cases, ranked(lambda question, subject, criterion: order[criterion].index(subject)))
    for criterion, subjects in order.items():
        for rank, subject in enumerate(subjects, start=1):
            assert found.ranks[subject][criterion].value == rank
            assert found.wins[subject][criterion].value == pytest.approx((4 - rank) / 3)
            assert found.ranks[subject][criterion].items == 8
    flat = found.flat()
    assert flat["rank/model/fluency"] == 3.0
    assert flat["rank_wins/right/technical_accuracy_items"] == 8
    assert {sheet.name for sheet in found.sheets()} == {"ranks", "rank_wins"}


def test_the_interval_of_a_mean_rank_draws_songs(cases, ranked):
    def by_song(question, subject, criterion):
        return (subject != "model") if question.item < "song4" else (subject == "model")

    figure = summed(cases, ranked(by_song)).ranks["model"]["fluency"]
    assert figure.value == pytest.approx(2.5)
    assert 1.0 <= figure.low < 2.0
    assert 3.0 < figure.high <= 4.0


def test_a_judge_that_ranks_by_place_is_exposed_and_tells_no_system_apart(cases, ranked):
    found = summed(cases, ranked(lambda question, subject, _: question.subjects.index(subject), draws=40))
    assert found.first_place == dict.fromkeys(CRITERIA, 1.0)
    assert found.chance == 0.25
    for subject in ("model", "right", "rule", "base"):
        assert found.ranks[subject]["fluency"].value == pytest.approx(2.5, abs=0.4)


def test_a_missing_ranking_counts_nowhere(cases, ranked):
    answered = ranked(lambda question, subject, _: subject, draws=1)
    lost = [(q, Result(None, "no") if q.item == "song0/0" else result) for q, result in answered]
    assert summed(cases, lost).ranks["model"]["fluency"].items == 7
    nothing = summed(cases, [(q, Result(None, "no")) for q, _ in answered])
    assert math.isnan(nothing.ranks["model"]["fluency"].value)
    assert nothing.flat() == {"rank_first_place/chance": 0.25}
    first, *_ = rank_records(lost, CRITERIA)
    assert (first["ranks"], first["missing"]) == (None, "no")
    assert rank_records(answered, CRITERIA)[0]["ranks"]["fluency"] == {"base": 1, "model": 2, "right": 3, "rule": 4}


def test_a_system_that_did_not_answer_the_same_items_is_refused(answered):
    own = make_cases([answered(("vocals", -6.0), item="song0/0", text="Hm.")], [], None)
    with pytest.raises(InputFileError, match="The rule has no answer to the item 'song0/0'"):
        ranked_cases(own, {"rule": [answered(item="song1/0")]})
    with pytest.raises(InputFileError, match="The rule has other errors in the item 'song0/0'"):
        ranked_cases(own, {"rule": [answered(("vocals", -5.0), item="song0/0")]})
