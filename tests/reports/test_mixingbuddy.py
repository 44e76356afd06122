"""The predecessor's five tables: what counts in them, and the published figures beside ours."""

from __future__ import annotations

import pytest

from mixlab.baselines.base import Facts, predictions_of
from mixlab.baselines.registry import build_baselines
from mixlab.language.advice import Advice, Move
from mixlab.reports.mixingbuddy import TITLES, protocol_tables, published, tables_markdown
from mixlab.reports.results import write_results
from mixlab.runs.folder import RunFolder
from mixlab.scoring import Prediction, closed_loop, outcomes, score
from mixlab.scoring.formats import Protocol
from mixlab.scoring.results import Row, SplitResult
from mixlab.synthesis.problem import GainError, Problem, PromptCategory
from tests.conftest import train_settings


def item(name, stem, error_db, category, answer):
    """An item of the protocol with an answer; a target named with 0 dB might have been at fault."""
    problem = Problem(
        item_id=name,
        song_id="song",
        split="test",
        genre=None,
        start_s=0.0,
        duration_s=10.0,
        anchor="bass",
        stems=("bass", "drums", "vocals", "other"),
        errors=(GainError(stem, error_db, category),) if stem else (),
        error_category=category,
        prompt_category=PromptCategory.ADVICE_SEEKING,
        claim=None,
        headroom_gain_db=0.0,
        master_gain_db=0.0,
        wording_seed=0,
    )
    return Prediction(problem, "", answer)


def advice(stem, low, high):
    return Advice((Move(stem, low, high),))


@pytest.fixture
def tables():
    """The tables of six items, by name."""
    predictions = [
        item("right", "vocals", -8.0, "very_quiet", advice("vocals", 6, 12)),
        item("wrong direction", "vocals", 4.0, "loud", advice("vocals", 3, 6)),
        item("wrong stem", "drums", -4.0, "quiet", advice("vocals", 6, 12)),
        item("missed", "drums", 7.0, "very_loud", Advice()),
        item("balanced", "drums", 0.0, "no_error", Advice()),
        item("false alarm", "vocals", 0.0, "no_error", advice("vocals", 3, 6)),
    ]
    return {table.name: table for table in protocol_tables(predictions)}


def test_there_are_five_tables_with_the_papers_rows(tables):
    assert list(tables) == list(TITLES)
    for table in tables.values():
        assert [row for row in table.published if row in table.rows] == list(table.rows)
        assert all(len(values) == len(table.columns) for values in (*table.rows.values(), *table.published.values()))


def test_both_stem_and_direction_are_of_all_items_and_magnitude_of_those_with_an_error(tables):
    both, stem, direction, magnitude = tables["overall"].rows["all items"][1:]
    assert both == pytest.approx(100 * 2 / 6)
    assert stem == pytest.approx(100 * 3 / 6)
    assert direction == pytest.approx(100 * 3 / 6)
    assert magnitude == pytest.approx(100 * 2 / 4)


def test_errors_are_counted_as_the_papers_add_up(tables):
    tasks = tables["tasks"].rows
    assert tasks["error detection"] == (1, 1, pytest.approx(75.0), pytest.approx(75.0), pytest.approx(75.0))
    assert tasks["stem identification"][:2] == (1, 1)
    assert tasks["direction prediction"][:2] == (2, 1)


def test_the_published_counts_add_up_in_the_same_way():
    paper = {row: values for row, values in published()["tasks"]["rows"].items()}
    items, faulty = 25650, 20520
    for task, total in (("stem identification", faulty), ("direction prediction", items - 477)):
        wrong, missed, precision, recall, f1 = paper[task]
        right = total - wrong - missed
        assert 100 * right / (right + wrong) == pytest.approx(precision, abs=0.01)
        assert 100 * right / (right + missed) == pytest.approx(recall, abs=0.01)
        assert 100 * 2 * right / (2 * right + wrong + missed) == pytest.approx(f1, abs=0.01)


def test_a_table_breaks_down_by_category_target_and_direction_with_an_unweighted_mean(tables):
    assert tables["categories"].rows["very quiet"] == (1, 100, 100, 100, 100)
    assert tables["categories"].rows["no error"] == (2, 50, 50, 50, None)
    assert tables["directions"].rows["increase"][:2] == (2, 50)
    assert tables["directions"].rows["macro avg."][1] == pytest.approx((50 + 0 + 50) / 3)
    assert [tables["target_stems"].rows[stem][0] for stem in ("vocals", "drums")] == [3, 3]


def test_a_balanced_item_without_a_target_counts_for_all_that_might_have_been_it():
    predictions = [item("a", None, 0.0, "no_error", Advice()), item("b", "drums", 4.0, "loud", Advice())]
    rows = protocol_tables(predictions)[3].rows
    assert rows["drums"] == (2, pytest.approx(100 / 3), pytest.approx(100 / 3), pytest.approx(100 / 3), 0)
    assert rows["vocals"][1] == 100
    assert "bass" not in rows


def test_with_the_papers_deadband_up_to_3_db_are_no_error_and_count_for_their_target(draw_by):
    error = train_settings("error=mixingbuddy_paper").error
    items = draw_by(error, "random", 60)
    small = [item.problem for item in items if item.problem.error_category == "no_error"]
    assert {abs(problem.errors[0].error_db) < 3 for problem in small} == {True}
    tables = protocol_tables(predictions_of(items, [Advice()] * len(items)))
    rows = {table.name: table.rows for table in tables}
    assert rows["categories"]["no error"] == (len(small), 100, 100, 100, None)
    assert rows["overall"]["all items"][1] == pytest.approx(100 * len(small) / len(items))
    vocals = [item for item in items if item.problem.errors[0].stem == "vocals"]
    assert rows["target_stems"]["vocals"][0] == len(vocals)


def test_two_stems_or_no_size_of_the_range_are_no_right_magnitude():
    for said in (Advice((Move.of("vocals", 4.0), Move.of("drums", 4.0))), advice("vocals", 6, 12), None):
        (row,) = protocol_tables([item("a", "vocals", -4.0, "quiet", said)])[0].rows.values()
        assert row[-1] == 0


@pytest.mark.parametrize(("stem", "category"), [("other", "loud"), ("vocals", "deafening")])
def test_an_item_of_another_protocol_is_refused(stem, category):
    with pytest.raises(ValueError, match="none of the predecessor's protocol"):
        protocol_tables([item("a", stem, 4.0, category, Advice())])


def test_the_page_says_that_two_candidates_are_left_and_where_the_figures_are_from(tables):
    page = tables_markdown(list(tables.values()))
    assert "two stems are left for an item" in page
    assert "rp-bot/MixingBuddy-gain" in page
    assert "| *published* | *25650* | *49.9* | *56.2* | *58.4* | *76.1* |" in page
    assert tables["categories"].flat("mixingbuddy")["mixingbuddy/categories/very_quiet/both"] == 1.0


def test_chance_and_oracle_know_which_stems_are_targets(draw_by, balance_db, error):
    limited = error.but(targets=("vocals", "drums", "bass"))
    items = draw_by(limited, "random", 40)
    baselines, _ = build_baselines(["chance", "oracle"], Facts(balance_db=balance_db, sigma_db=1.5, error=limited))
    for baseline in baselines.values():
        baseline.fit(items)
        advised = baseline.advise(items)
        assert {move.stem for said in advised for move in said.moves} == {"vocals", "drums", "bass"}
    joint = outcomes(predictions_of(items, advised))["joint_accuracy"]
    assert joint.mean() > 0.75


def test_a_run_under_the_protocol_leaves_its_tables(tmp_path, draw_by, error):
    items = draw_by(error.but(targets=("vocals", "drums", "bass")), "random", 10)
    predictions = predictions_of(items, [listened.reference for listened in items])
    row = Row("model", "model", score(predictions, 10), closed_loop(predictions, 10))
    result = SplitResult("test", [row], {"model": predictions})
    run = RunFolder(tmp_path)
    told = {"title": "t", "is_demo": False, "notes": [], "config": train_settings(), "protocol": Protocol.MIXINGBUDDY}
    write_results(run, [result], **told, heard=lambda _: None, audio_examples=0)
    assert "| all items | 40 | 100.0 |" in (tmp_path / "mixingbuddy.md").read_text()
    assert run.metrics["mixingbuddy/tasks/error_detection/f1"] == 1.0
    assert "By target stem" in run.report.read_text()
