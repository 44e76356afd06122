"""Broken models answer in words, are read by the parser and score as they should: the tables give them away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from broken_models import (
    SIZE_DB,
    Item,
    answered,
    believes,
    echoes,
    listens,
    raises_the_vocals,
    says_nothing,
    worded,
)

from mixlab.language.advice import Advice, Claim, State, Verdict
from mixlab.language.banks import prompt_bank
from mixlab.language.parse import parse
from mixlab.reports.unheard import SHUFFLED, shuffled, unheard_rows
from mixlab.scoring import METRICS, Prediction, closed_loop, outcomes, score
from mixlab.scoring.closed_loop import residuals_db
from mixlab.scoring.comparison import compare_methods
from mixlab.synthesis.problem import PromptCategory

HIGHER_IS_BETTER = {
    *("joint_accuracy", "direction_accuracy", "stem_accuracy", "balanced_recall", "within_1_db", "within_2_db"),
    *("within_3_db", "within_6_db", "parse_rate", "verdict_balanced_accuracy"),
}


@pytest.fixture(scope="module")
def items(draw) -> list[Item]:
    """Items of 150 songs with every kind of prompt."""
    return worded(draw(150, 8, prompts=tuple(PromptCategory)))


def by_prompt(predictions: list[Prediction], metric: str) -> dict[str, float]:
    groups = score(predictions, resamples=0).groups["prompt_category"]
    return {category: group.values[metric] for category, group in groups.items() if metric in group.values}


def share(items: list[Item], is_so: Callable[[dict[str, float]], bool]) -> float:
    """The share of headline items whose needed gains fulfil a condition."""
    headline = [i.listened.problem for i in items if not i.listened.problem.prompt_category.has_claim]
    return float(np.mean([is_so(problem.needed_gains_db) for problem in headline]))


def test_who_listens_is_right_in_every_metric(items):
    headline = score(answered(items, listens), resamples=0).headline
    assert {headline[name] for name in HIGHER_IS_BETTER} == {1.0}
    assert headline["gain_mae_db"] <= 0.5
    assert headline["false_alarm_rate"] == headline["missed_error_rate"] == 0


def test_always_raising_the_vocals_is_right_as_often_as_that_is_needed(items):
    predictions = answered(items, raises_the_vocals)
    scores = score(predictions, resamples=0)
    headline = scores.headline
    assert headline["joint_accuracy"] == share(items, lambda gains: gains.get("vocals", 0.0) > 0)
    assert headline["stem_accuracy"] == share(items, lambda gains: "vocals" in gains)
    assert headline["direction_accuracy"] == share(items, lambda gains: any(gain > 0 for gain in gains.values()))
    assert (headline["parse_rate"], headline["false_alarm_rate"]) == (1, 1)
    assert (headline["balanced_recall"], headline["missed_error_rate"], headline["verdict_balanced_accuracy"]) == (
        0,
        0,
        0,
    )
    assert 0 < headline["gain_mae_located_db"] <= 6.0
    assert scores.groups["faulty_stem"]["drums"].values["stem_accuracy"] == 0
    loop = closed_loop(predictions, resamples=2)
    assert loop.harm_db[0] == pytest.approx(SIZE_DB / np.sqrt(3))
    assert loop.residual_db[0] > loop.do_nothing_residual_db[0]


def test_an_empty_answer_is_wrong_in_every_metric_and_leaves_everything_as_it_was(items):
    predictions = answered(items, says_nothing)
    headline = score(predictions, resamples=0).headline
    assert {headline[name] for name in HIGHER_IS_BETTER & headline.keys()} == {0.0}
    assert (headline["missed_error_rate"], headline["false_alarm_rate"]) == (1, 0)
    assert "gain_mae_located_db" not in headline
    loop = closed_loop(predictions, resamples=2)
    assert (loop.residual_db, loop.harm_db) == (loop.do_nothing_residual_db, (0, 0, 0))


def test_no_question_of_a_user_reads_as_advice():
    for template in prompt_bank().advice_seeking:
        text = template.format(anchor="bass")
        assert parse(text).advice is None, text


def test_an_echoed_prompt_is_worth_nothing_without_a_claim_and_gives_no_verdict(items):
    predictions = answered(items, echoes)
    headline = score(predictions, resamples=0).headline
    for metric in ("joint_accuracy", "direction_accuracy", "parse_rate", "balanced_recall"):
        assert headline[metric] == 0, metric
    assert headline["verdict_balanced_accuracy"] == 0
    joint = by_prompt(predictions, "joint_accuracy")
    assert joint["correct_description"] > 0.5 > 0.05 > joint["incorrect_description"]


def test_who_believes_every_claim_is_given_away_by_the_table_of_prompts(items):
    predictions = answered(items, believes)
    headline = score(predictions, resamples=0).headline
    balanced = share(items, lambda gains: not gains)
    assert headline["joint_accuracy"] == headline["direction_accuracy"] == balanced
    assert headline["balanced_recall"] == 1
    assert headline["verdict_balanced_accuracy"] == 0.5
    joint = by_prompt(predictions, "joint_accuracy")
    assert (joint["correct_description"], joint["incorrect_description"]) == (1, 0)
    assert joint["audio_only"] == pytest.approx(balanced, abs=0.05)
    verdicts = outcomes(predictions)
    assert np.nanmean(verdicts["right_claim_confirmed"]) == 1
    assert np.nanmean(verdicts["wrong_claim_corrected"]) == 0


def test_shuffled_audio_costs_a_listener_everything_and_a_reader_nothing(items):
    heard, read = answered(items, listens), answered(items, believes)
    for original in (heard, read):
        moved = shuffled(original)
        assert [p.problem for p in moved] == [p.problem for p in original]
        assert sorted(p.text for p in moved) == sorted(p.text for p in original)
    methods = {"heard": [heard], "shuffled": [shuffled(heard)]}
    (lost,) = (found.difference for found in compare_methods(methods, ["joint_accuracy"], 500, 200))
    # Two right answers drawn at random agree in 0.2 * 0.2 + 0.8 * 0.8 / 6.
    assert lost.mean_a == 1
    assert lost.mean_b == pytest.approx(0.04 + 0.64 / 6, abs=0.05)
    methods = {"read": [read], "shuffled": [shuffled(read)]}
    (kept,) = (found.difference for found in compare_methods(methods, ["joint_accuracy"], 500, 200))
    assert kept.difference == 0
    assert kept.low <= 0 <= kept.high
    assert residuals_db(shuffled(heard)).mean() > residuals_db(heard).mean() + 2.0


def test_the_rows_beside_foreign_answers_tell_a_listener_from_a_reader_in_one_look(items):
    listener, reader = ({row.method: row for row in unheard_rows(answered(items, m), 2)} for m in (listens, believes))
    joint = {name: row.scores.headline["joint_accuracy"] for name, row in listener.items()}
    assert set(joint) == {"chance", "best_constant", SHUFFLED}
    assert max(joint.values()) < 0.4
    read = score(answered(items, believes), resamples=0).headline["joint_accuracy"]
    assert reader[SHUFFLED].scores.headline["joint_accuracy"] == read
    assert reader["best_constant"].scores.headline["joint_accuracy"] == read


def test_every_metric_is_told_which_way_is_better():
    lower = {"false_alarm_rate", "missed_error_rate", "gain_mae_db", "gain_mae_located_db"}
    assert set(METRICS) >= HIGHER_IS_BETTER | lower


def test_an_item_alone_of_its_kind_keeps_its_answer(items):
    (alone,) = shuffled(answered(items[:1], listens))
    assert alone.text == items[0].response


def test_a_claim_that_the_mix_is_balanced_is_believed_in_words(items):
    claim = Claim(State.BALANCED)
    believed = [believes(item) for item in items if item.listened.problem.claim == claim]
    assert believed
    assert {parse(text).advice for text in believed} == {Advice((), Verdict.CONFIRMED)}
