"""What counts as right: statements about metrics, and broken models that score exactly as they should."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import ConfigError
from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.scoring import METRICS, Heads, Metric, Prediction, outcomes, score
from mixlab.scoring.comparison import compare_methods
from mixlab.synthesis.problem import PromptCategory, Tolerance


def one(problem, *moves, verdict=None):
    """The outcomes of a single prediction."""
    advice = Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in moves), verdict)
    return {name: values[0] for name, values in outcomes([Prediction(problem, "", advice)]).items()}


def test_always_raising_the_vocals_by_6_db(mixed_problems, answers):
    headline = score(answers(mixed_problems, Advice((Move.of("vocals", 6.0),)))).headline
    assert headline["joint_accuracy"] == 2 / 8
    assert headline["direction_accuracy"] == 3 / 8
    assert headline["stem_accuracy"] == 3 / 8
    assert headline["balanced_recall"] == 0
    assert headline["false_alarm_rate"] == 1
    assert headline["missed_error_rate"] == 0
    assert headline["gain_mae_db"] == pytest.approx((0 + 2 + 11 + 9 + 12 + 3) / 6)
    assert headline["gain_mae_located_db"] == pytest.approx(1.0)
    assert headline["within_1_db"] == 1 / 8
    assert headline["within_2_db"] == headline["within_6_db"] == 2 / 8
    assert headline["parse_rate"] == 1


def test_empty_text_is_wrong_everywhere(mixed_problems, answers):
    headline = score(answers(mixed_problems, None)).headline
    for metric in ("joint_accuracy", "direction_accuracy", "stem_accuracy", "balanced_recall", "parse_rate"):
        assert headline[metric] == 0, metric
    assert headline["missed_error_rate"] == 1
    assert headline["gain_mae_db"] == pytest.approx((6 + 4 + 5 + 9 + 12 + 3) / 6)
    assert "gain_mae_located_db" not in headline


def test_what_was_not_read_is_told_apart_and_the_shares_add_up(mixed_problems):
    said = ["Add some reverb to the vocals.", "I cannot hear the audio.", "Cut the guitars at 300 Hz by 3 dB.", ""]
    advice = Advice((Move.of("vocals", 3.0),))
    predictions = [Prediction(problem, text, None) for problem, text in zip(mixed_problems, said, strict=False)]
    predictions += [Prediction(problem, "Raise the vocals by 3 dB.", advice) for problem in mixed_problems[4:]]
    headline = score(predictions).headline
    assert headline["read"] == headline["parse_rate"] == 4 / 8
    assert (headline["not_about_level"], headline["not_readable"]) == (2 / 8, 2 / 8)


def test_calling_everything_balanced(mixed_problems, answers):
    headline = score(answers(mixed_problems, Advice())).headline
    for metric in ("joint_accuracy", "direction_accuracy", "stem_accuracy"):
        assert headline[metric] == 2 / 8, metric
    assert headline["balanced_recall"] == 1
    assert headline["false_alarm_rate"] == 0
    assert headline["missed_error_rate"] == 1
    assert headline["gain_mae_db"] == pytest.approx((6 + 4 + 5 + 9 + 12 + 3) / 6)


def test_the_right_advice_scores_one(mixed_problems):
    right = [
        Prediction(p, "", Advice(tuple(Move.of(error.stem, -error.error_db) for error in p.errors)))
        for p in mixed_problems
    ]
    headline = score(right).headline
    assert all(headline[metric] == 1 for metric in ("joint_accuracy", "direction_accuracy", "stem_accuracy"))
    assert headline["gain_mae_db"] == headline["gain_mae_located_db"] == 0


def test_a_gain_is_measured_against_the_exact_error(problem):
    assert one(problem(("vocals", -6.4)), ("vocals", 6.0))["gain_mae_db"] == pytest.approx(0.4)


def test_a_gain_on_another_stem_counts_as_nothing_done(problem):
    row = one(problem(("vocals", -6.4)), ("drums", 6.0))
    assert row["gain_mae_db"] == pytest.approx(6.4)
    assert math.isnan(row["gain_mae_located_db"])


def test_naming_a_second_stem_is_not_jointly_right_but_its_gain_on_the_faulty_stem_counts(problem):
    row = one(problem(("vocals", -6.0)), ("vocals", 5.0), ("drums", 3.0))
    assert row["joint_accuracy"] == row["stem_accuracy"] == 0
    assert row["direction_accuracy"] == 1
    assert row["gain_mae_db"] == pytest.approx(1.0)


def test_several_errors_need_every_stem(problem):
    both = problem(("vocals", -6.0), ("drums", 4.0))
    assert one(both, ("vocals", 6.0), ("drums", -4.0))["joint_accuracy"] == 1
    assert one(both, ("vocals", 6.0))["joint_accuracy"] == 0
    assert one(both, ("vocals", 6.0))["gain_mae_db"] == pytest.approx(2.0)


def test_an_anchor_that_is_off_is_put_right_by_moving_the_others(problem):
    off = problem(("bass", -5.0), ("drums", -5.0), ("vocals", 4.0))
    found = one(off, ("vocals", -9.0), ("other", -5.0))
    assert found["joint_accuracy"] == 1
    assert found["gain_mae_db"] == 0
    undone = one(off, ("bass", 5.0), ("drums", 5.0), ("vocals", -4.0))
    assert undone["joint_accuracy"] == 0


def test_a_common_gain_on_every_stem_is_balance(problem):
    louder = problem(*((stem, 4.0) for stem in ("bass", "drums", "vocals", "other")))
    assert one(louder)["balanced_recall"] == 1
    assert one(louder, ("vocals", -4.0))["false_alarm_rate"] == 1


def test_an_item_with_two_errors_counts_in_the_group_of_each(problem):
    both = replace(problem(("drums", 8.0), ("vocals", -4.0)), error_category="quiet+very_loud")
    groups = score([Prediction(both, "", Advice())], resamples=0).groups
    assert set(groups["error_category"]) == {"quiet", "very_loud"}
    assert set(groups["faulty_stem"]) == {"drums", "vocals"}
    assert set(groups["size_db"]) == {"6-9"}


def test_a_range_counts_by_its_middle(problem):
    said = Advice((Move("vocals", 4.0, 7.0),))
    assert outcomes([Prediction(problem(("vocals", -6.0)), "", said)])["gain_mae_db"][0] == pytest.approx(0.5)


def test_within_a_tolerance_every_gain_counts_and_only_where_the_answer_is_right(problem):
    both = problem(("vocals", -6.0), ("drums", 8.0))
    within = [name for name in METRICS if name.startswith("within_")]
    row = one(both, ("vocals", 7.0), ("drums", -5.0))
    assert [row[name] for name in within] == [0, 0, 1, 1]
    assert not any(one(both, ("vocals", 6.0))[name] for name in within)
    assert not any(one(problem(("vocals", -0.5)))[name] for name in within)  # missed, though by 0.5 dB
    assert all(one(problem())[name] for name in within)
    assert not any(one(problem(), ("vocals", 1.0))[name] for name in within)


def test_within_a_tolerance_what_lies_in_the_deadband_is_no_distance(problem):
    tolerant = replace(problem(("vocals", -5.0)), tolerances=(Tolerance("vocals", -1.5, 1.5),))
    for gain_db, within_1, within_2 in ((6.5, 1, 1), (8.0, 0, 1), (2.5, 1, 1), (1.0, 0, 0)):
        row = one(tolerant, ("vocals", gain_db))
        assert (row["within_1_db"], row["within_2_db"]) == (within_1, within_2), gain_db


@pytest.mark.parametrize(("distance_db", "within_1", "within_3"), [(1.0, 1, 1), (1.1, 0, 1), (3.0, 0, 1), (3.2, 0, 0)])
def test_within_includes_its_edge(problem, distance_db, within_1, within_3):
    row = one(problem(("vocals", -6.2)), ("vocals", 6.2 + distance_db))
    assert (row["within_1_db"], row["within_3_db"]) == (within_1, within_3)


RIGHT, WRONG = PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION
QUIET_VOCALS, QUIET_DRUMS = Claim(State.TOO_QUIET, "vocals"), Claim(State.TOO_QUIET, "drums")


def claims(problem, wrong_count):
    """One right claim and `wrong_count` wrong ones, about vocals that are too quiet."""
    right = problem(("vocals", -6.0), item="a/right", prompt=RIGHT, claim=QUIET_VOCALS)
    wrong = [
        problem(("vocals", -6.0), item=f"b/{index}", prompt=WRONG, claim=QUIET_DRUMS) for index in range(wrong_count)
    ]
    return [right, *wrong]


@pytest.mark.parametrize(
    ("verdict", "expected"), [(Verdict.CONFIRMED, 0.5), (Verdict.CORRECTED, 0.5), (None, 0.0)], ids=str
)
def test_a_verdict_that_never_changes_has_balanced_accuracy_one_half_and_none_has_zero(problem, verdict, expected):
    said = Advice((Move.of("vocals", 6.0),), verdict)
    headline = score([Prediction(p, "", said) for p in claims(problem, wrong_count=9)]).headline
    assert headline["verdict_balanced_accuracy"] == expected


def test_where_every_prompt_makes_a_claim_all_items_are_headline_items(problem):
    claimed = [Prediction(p, "", Advice((Move.of("vocals", 6.0),))) for p in claims(problem, wrong_count=2)]
    without = Prediction(problem(("vocals", -6.0), item="c/0"), "", Advice())
    assert score(claimed).overall.items == 3
    assert score(claimed).headline["joint_accuracy"] == 1
    mixed = score([*claimed, without])
    assert mixed.overall.items == 1
    assert mixed.headline["joint_accuracy"] == 0


def test_right_verdicts_score_one_and_a_claim_of_balance_can_be_right(problem):
    balanced = problem(item="c/0", prompt=RIGHT, claim=Claim(State.BALANCED))
    predictions = [
        Prediction(p, "", Advice((), Verdict.CONFIRMED if p.prompt_category is RIGHT else Verdict.CORRECTED))
        for p in [*claims(problem, 2), balanced]
    ]
    assert score(predictions).headline["verdict_balanced_accuracy"] == 1
    assert "verdict_balanced_accuracy" not in score(predictions, reads_claims=False).headline


def test_headline_figures_leave_claims_out_and_the_claims_have_their_own_rows(problem):
    said = Advice((Move.of("vocals", 6.0),))
    wrong = problem(("drums", -6.0), item="b/0", prompt=WRONG, claim=QUIET_VOCALS)
    scores = score([Prediction(problem(("vocals", -6.0), item="a/0"), "", said), Prediction(wrong, "", said)])
    assert scores.headline["joint_accuracy"] == 1
    assert scores.overall.items == 1
    flat = scores.flat("test")
    assert flat["test/prompt_category=incorrect_description/joint_accuracy"] == 0
    assert flat["test/prompt_category=audio_only/joint_accuracy"] == 1
    assert "test/error_category=quiet/joint_accuracy" in flat
    assert flat["test/faulty_stem=drums/items"] == 0


def test_metrics_are_reported_by_size_stem_and_genre(mixed_problems, answers):
    scores = score(answers(mixed_problems, Advice((Move.of("vocals", 6.0),))))
    assert {name: group.items for name, group in scores.groups["size_db"].items()} == {
        "balanced": 2, "3-6": 3, "6-9": 1, "9-12": 2,
    }  # fmt: skip
    assert {name: group.items for name, group in scores.groups["faulty_stem"].items()} == {
        "balanced": 2, "vocals": 3, "drums": 2, "other": 1,
    }  # fmt: skip
    flat = scores.flat("test")
    assert flat["test/faulty_stem=vocals/joint_accuracy"] == pytest.approx(2 / 3)
    assert flat["test/genre=rock/joint_accuracy"] == flat["test/joint_accuracy"]
    assert flat["test/joint_accuracy_low"] <= flat["test/joint_accuracy"] <= flat["test/joint_accuracy_high"]
    assert all(math.isfinite(value) for value in flat.values())


def test_a_song_without_a_genre_is_unknown(problem):
    assert list(score([Prediction(problem(genre=None), "", Advice())]).groups["genre"]) == ["unknown"]


def test_nothing_to_score_and_an_item_answered_twice_are_refused(problem):
    with pytest.raises(ValueError, match="no predictions"):
        score([])
    with pytest.raises(ValueError, match="'song/0' was answered twice"):
        score([Prediction(problem(), "", None)] * 2)


def test_comparing_needs_the_same_items(mixed_problems, answers, problem):
    def compare(a, b, metric="joint_accuracy"):
        return compare_methods({"a": [a], "b": [b]}, [metric], 200, 200)[0].difference

    a, b = answers(mixed_problems, Advice()), answers(mixed_problems, Advice((Move.of("vocals", 6.0),)))
    assert compare(a, list(reversed(b)), "balanced_recall").difference == 1
    assert compare(a, a).low == compare(a, a).high == 0
    with pytest.raises(ValueError, match="different items"):
        compare(a, b[:-1])
    changed = [Prediction(problem(("other", 9.0), item="song0/0"), "", None), *b[1:]]
    with pytest.raises(ValueError, match="other errors"):
        compare(a, changed)
    with pytest.raises(ValueError, match="cannot compare 'verdict_balanced_accuracy'"):
        compare(a, b, "verdict_balanced_accuracy")
    with pytest.raises(ValueError, match=r"no metric 'joint_acuracy' \(did you mean 'joint_accuracy'\?\)"):
        compare(a, b, "joint_acuracy")


STEMS = ["drums", "vocals", "other"]
gains = st.floats(1.0, 12.0) | st.floats(-12.0, -1.0)


@given(
    error=st.none() | st.tuples(st.sampled_from(STEMS), gains),
    said=st.none() | st.dictionaries(st.sampled_from(STEMS), gains, max_size=3),
)
def test_joint_right_means_stem_and_direction_right(problem, error, said):
    advice = None if said is None else Advice(tuple(Move.of(stem, gain) for stem, gain in said.items()))
    prediction = Prediction(problem(*([] if error is None else [error])), "", advice)
    row = {name: values[0] for name, values in outcomes([prediction]).items()}
    assert row["joint_accuracy"] <= min(row["stem_accuracy"], row["direction_accuracy"]) <= row["parse_rate"]
    if error is not None:
        assert row["within_1_db"] <= row["within_3_db"] <= row["within_6_db"] <= row["joint_accuracy"]
        needed = Direction.of(-error[1])
        right = advice is not None and [(m.stem, m.direction) for m in advice.moves] == [(error[0], needed)]
        assert row["joint_accuracy"] == right
    assert {name for metric in METRICS.values() for name in metric.outcomes} == set(row)


def test_a_figure_keeps_the_name_that_it_had_for_one_release(mixed_problems, answers):
    flat = score(answers(mixed_problems, Advice())).flat("test")
    for end in ("", "_low", "_high"):
        assert flat[f"test/balanced_accuracy{end}"] == flat[f"test/balanced_recall{end}"]


@pytest.fixture
def registered(monkeypatch):
    """Registers metrics that are forgotten after the test."""
    assert "joint_accuracy" in METRICS
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    return METRICS.add


def test_a_metric_of_ones_own_is_scored_compared_and_put_into_the_tables(registered, mixed_problems, answers):
    from mixlab.reports.comparison import matrix_sheets
    from mixlab.reports.run_sheets import group_sheets
    from mixlab.reports.table import results_sheet, results_table
    from mixlab.scoring.results import Row

    loudest = Metric("loudest_gain_db", lambda p: max((abs(m.gain_db) for m in p.advice.moves), default=0.0),
                     label="loudest dB", unit="dB", lower_is_better=True, heads=Heads.SCREEN)  # fmt: skip
    registered(loudest)
    registered(Metric("named_vocals", lambda p: "vocals" in p.advised, heads=Heads.RESULTS))
    methods = {
        "model": answers(mixed_problems, Advice((Move.of("vocals", 6.0),))),
        "mute": answers(mixed_problems, Advice()),
    }
    scores = score(methods["model"], resamples=50)
    assert scores.flat("test")["test/genre=rock/loudest_gain_db"] == 6.0
    assert scores.flat("test")["test/loudest_gain_db_low"] == 6.0
    sheet = results_sheet([Row("model", "model", scores)])
    assert (sheet.columns["loudest_gain_db"], sheet.columns["named_vocals"]) == ("loudest dB", "named vocals")
    assert "loudest_gain_db" in group_sheets(scores)[0].columns
    assert "loudest dB" in [str(column.header) for column in results_table([Row("model", "model", scores)]).columns]
    (found,) = compare_methods({name: [said] for name, said in methods.items()}, ["loudest_gain_db"], 50, 50)
    assert found.difference.difference == 6.0
    assert matrix_sheets([found])[0].title == "Who beats whom: loudest dB"


def test_two_metrics_of_one_name_and_one_in_db_whose_name_does_not_say_so_are_refused(registered):
    with pytest.raises(ConfigError, match="Two metrics are called 'parse_rate'"):
        registered(Metric("parse_rate", lambda p: 1.0))
    with pytest.raises(ValueError, match="has to end in _db"):
        Metric("loudest", lambda p: 1.0, unit="dB")
