"""Who beats whom: pairs of methods on the same items, as tables and through the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import MostCommon
from mixlab.baselines.oracle import Oracle
from mixlab.errors import ConfigError, InputFileError
from mixlab.language.advice import Claim, State
from mixlab.reports.compare_command import CompareSettings, main
from mixlab.reports.comparison import matrix_sheets, write_comparisons
from mixlab.scoring import Prediction, write_predictions
from mixlab.scoring.comparison import compare_methods
from mixlab.settings import parse
from tests.conftest import composed


@pytest.fixture(scope="module")
def items(draw):
    return draw(60, seed=2)


@pytest.fixture(scope="module")
def methods(draw, items, balance_db, error):
    common = MostCommon()
    common.fit(draw(20, seed=1))
    oracle = predictions_of(items, Oracle(balance_db, 1.5, error).advise(items))
    mute = [Prediction(item.problem, "La.", None) for item in items]
    return {"oracle": oracle, "common": predictions_of(items, common.advise(items)), "mute": mute}


def one_seed(methods):
    return {name: [predictions] for name, predictions in methods.items()}


def test_the_better_one_is_named_whichever_way_the_metric_points(methods):
    found = compare_methods(one_seed(methods), ["joint_accuracy", "gain_mae_db"], resamples=200, permutations=500)
    better = {(entry.metric, entry.a, entry.b): entry.better for entry in found}
    assert better["joint_accuracy", "oracle", "common"] == better["gain_mae_db", "oracle", "common"] == "oracle"
    assert better["joint_accuracy", "common", "mute"] == "common"
    # Saying nothing readable and calling all balanced leave the same error.
    assert better["gain_mae_db", "common", "mute"] == ""
    errors = [entry.difference.items for entry in found if entry.metric == "gain_mae_db"]
    assert set(errors) == {sum(bool(p.problem.errors) for p in methods["oracle"])}


def test_the_matrix_has_a_row_and_a_column_for_each_and_opposite_signs(methods):
    (sheet,) = matrix_sheets(compare_methods(one_seed(methods), ["joint_accuracy"], 200, 500))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in sheet.markdown().splitlines()]
    assert lines[0] == ["row minus column", "mean", "oracle", "common", "mute"]
    assert lines[2][2] == ""
    assert lines[2][3].startswith("**+")
    assert lines[3][2] == lines[2][3].replace("+", "\N{MINUS SIGN}")
    assert "240 items of 60 songs" in sheet.caption
    _, rows = sheet.records()
    assert rows[0][1] - rows[1][1] == pytest.approx(rows[0][3])


def test_there_is_a_matrix_for_each_metric_and_bold_stands_for_better_only(methods):
    found = compare_methods(one_seed(methods), ["joint_accuracy", "gain_mae_db"], 200, 500)
    joint, error = matrix_sheets(found)
    assert (joint.name, error.name) == ("against_joint_accuracy", "against_gain_mae_db")
    common, mute = error.lines[1:]
    # Neither saying nothing readable nor calling all balanced is better than the other in dB.
    assert list(common.marked) == ["oracle/difference_db"] == list(mute.marked)
    assert error.texts(common)[3] == ("+0.00", "") == error.texts(mute)[2]


def test_tables_hold_all_pairs_with_intervals_and_p_values(methods, tmp_path):
    write_comparisons(tmp_path, compare_methods(one_seed(methods), ["joint_accuracy"], 200, 500), as_json=True)
    rows = list(csv.DictReader((tmp_path / "comparisons.csv").open()))
    assert [(row["a"], row["b"]) for row in rows] == [("oracle", "common"), ("oracle", "mute"), ("common", "mute")]
    assert all(float(row["low"]) <= float(row["difference"]) <= float(row["high"]) for row in rows)
    assert all(float(row["p"]) <= float(row["p_holm"]) for row in rows)
    assert json.loads((tmp_path / "comparisons.json").read_text())[0]["better"] == "oracle"
    assert "240 items of 60 songs" in (tmp_path / "comparisons.md").read_text()


def test_a_metric_whose_items_hang_on_the_answers_cannot_be_paired(methods):
    with pytest.raises(ValueError, match="cannot compare 'gain_mae_located_db'"):
        compare_methods(one_seed(methods), ["gain_mae_located_db"])


@pytest.fixture
def compare(methods, tmp_path, capsys):
    """Predictions of each method in three run folders, and the command on them; returns what it prints."""
    for name, predictions in methods.items():
        for run in (name, f"{name}-1", f"{name}-2"):
            write_predictions(tmp_path / run / "predictions.jsonl", predictions)

    def run(runs, **changed):
        values = {"metrics": ["joint_accuracy"], "resamples": 100, "permutations": 200, "out": str(tmp_path / "out")}
        paths = [
            [str(tmp_path / part) for part in run] if isinstance(run, list) else str(tmp_path / run) for run in runs
        ]
        main(parse(composed("runs=[]", name="compare") | values | changed | {"runs": paths}, CompareSettings))
        return capsys.readouterr().out

    return run


def test_runs_are_compared_by_folder_and_by_file_as_trained_models(compare, tmp_path):
    text = compare(["oracle", "mute/predictions.jsonl"], names=["trained", "untrained"])
    assert "| trained |" in text
    assert "say nothing of settings" in text
    (row,) = csv.DictReader((tmp_path / "out" / "comparisons.csv").open())
    assert (row["a"], row["b"], row["better"], row["of_settings"]) == ("trained", "untrained", "trained", "False")
    assert "Who beats whom: balanced right" in compare(["oracle", "mute"], metrics=["balanced_accuracy"])


def test_several_seeds_are_compared_as_settings(compare, tmp_path):
    runs = [[name, f"{name}-1", f"{name}-2"] for name in ("oracle", "mute", "common")]
    text = compare(runs, names=["a", "b", "c"])
    assert "Settings are compared, over their runs" in text
    assert "Of the 3 pairs 2 share the runs of a" in text
    rows = list(csv.DictReader((tmp_path / "out" / "comparisons.csv").open()))
    assert [(row["better"], row["runs_a"]) for row in rows] == [("a", "3"), ("a", "3"), ("c", "3")]


def test_with_too_few_seeds_tables_say_that_nothing_can_be_said(compare, tmp_path):
    text = compare([["oracle", "oracle-1"], "mute"], names=["trained", "untrained"])
    assert "With 1 run of a setting nothing can be said about settings; run at least 3 seeds." in text
    assert "With 2 runs of a setting" in text
    assert "**" not in text
    (row,) = json.loads((tmp_path / "out" / "comparisons.json").read_text())
    assert (row["p"], row["p_holm"], row["low"], row["better"]) == (None, None, None, "")
    (row,) = csv.DictReader((tmp_path / "out" / "comparisons.csv").open())
    assert row["p"] == ""


def test_runs_of_other_items_are_refused_by_name(compare, methods, tmp_path):
    fewer = [replace(p, problem=replace(p.problem, item_id=p.problem.item_id + "x")) for p in methods["mute"]]
    write_predictions(tmp_path / "other" / "predictions.jsonl", fewer)
    with pytest.raises(InputFileError, match=r"oracle and .*other cannot be compared: they answered different items"):
        compare(["oracle", "mute", "other"])
    claiming = [replace(p, problem=replace(p.problem, anchor="drums")) for p in methods["mute"]]
    write_predictions(tmp_path / "anchor" / "predictions.jsonl", claiming)
    with pytest.raises(InputFileError, match="another anchor, claim or level"):
        compare(["oracle", "anchor"])


@pytest.mark.parametrize(
    ("runs", "changed", "kind", "words"),
    [
        (["oracle", "nowhere"], {}, InputFileError, "nowhere"),
        (["oracle", "mute"], {"split": "shifted"}, InputFileError, "predictions-shifted.jsonl"),
        (["oracle", "oracle"], {}, ConfigError, "the same run twice"),
        ([["oracle", "oracle/predictions.jsonl"], "mute"], {}, ConfigError, "the same run twice"),
        (["oracle", "mute"], {"metrics": ["charm"]}, ConfigError, "no metric 'charm'"),
        (["oracle", "mute"], {"metrics": ["set_recall"]}, ConfigError, "cannot compare 'set_recall'"),
        (["oracle", "mute"], {"names": ["one"]}, ConfigError, "give each run a name of its own"),
        (["oracle"], {}, ConfigError, "runs"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(compare, runs, changed, kind, words):
    with pytest.raises(kind, match=words):
        compare(runs, **changed)


def test_claims_of_other_items_are_noticed(methods):
    changed = [replace(p, problem=replace(p.problem, claim=Claim(State.BALANCED))) for p in methods["mute"]]
    with pytest.raises(ValueError, match="another anchor, claim or level"):
        compare_methods({"a": [methods["mute"]], "b": [changed]}, ["joint_accuracy"])
