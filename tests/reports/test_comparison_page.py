"""Several runs side by side, from their metrics.json alone."""

from __future__ import annotations

import json
import re

import pytest

from mixlab.errors import InputFileError
from mixlab.reports.comparison_page import comparison_sheets, write_comparison
from mixlab.runs.folder import RunFolder

NASTY = "run <b>1</b> | x"


def figures(joint):
    return {
        "test/joint_accuracy": joint, "test/joint_accuracy_low": joint - 0.1, "test/joint_accuracy_high": joint + 0.1,
        "test/items": 618.0, "test/genre=rock/joint_accuracy": joint, "test/genre=rock/items": 100.0,
        "closed_loop/residual_db": 1.1, "baselines/ridge/joint_accuracy": 0.7, "baselines/oracle/joint_accuracy": 0.9,
        "baselines/ridge/closed_loop/residual_db": 1.4, "shifted/joint_accuracy": 0.3,
        "shifted/baselines/ridge/joint_accuracy": 0.4,
    }  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    """Two evaluated runs; one has a baseline of its own."""
    found = {NASTY: figures(0.8), "second": figures(0.6) | {"baselines/my/joint_accuracy": 0.5}}
    folders = {name: RunFolder(tmp_path / str(number)) for number, name in enumerate(found)}
    for name, values in found.items():
        folders[name].write_metrics(values)
    return folders


PAIRS = [
    {"metric": "joint_accuracy", "a": NASTY, "b": "second", "difference": 0.2, "low": 0.1, "high": 0.3, "p": 0.0002,
     "p_holm": 0.0004, "better": NASTY},
    {"metric": "gain_mae_db", "a": NASTY, "b": "second", "difference": -0.5, "low": -0.9, "high": 0.1, "p": 0.2,
     "p_holm": 0.2, "better": ""},
]  # fmt: skip


@pytest.fixture
def sheet(runs):
    """Finds a sheet of the comparison by its name."""
    return lambda name, **options: next(s for s in comparison_sheets(runs, **options) if s.name == name)


def test_runs_are_lines_with_the_figures_of_their_models(sheet):
    found = sheet("runs")
    assert [line.label for line in found.lines] == [NASTY, "second"]
    assert found.lines[0].cells["joint_accuracy"] == pytest.approx((0.8, 0.7, 0.9))
    assert found.lines[0].cells["residual_db"] == (1.1, 1.1, 1.1)


def test_baselines_stand_in_the_order_of_every_table_with_unknown_ones_last(sheet):
    found = sheet("baselines")
    assert [line.label for line in found.lines] == ["model", "ridge on log-mel", "oracle", "my"]
    assert found.lines[-1].cells == {"run_1": None, "run_2": (0.5, 0.5, 0.5)}


def test_another_split_has_its_own_figures(sheet):
    assert sheet("runs", split="shifted").lines[0].cells["joint_accuracy"] == (0.3, 0.3, 0.3)
    assert [line.label for line in sheet("baselines", split="shifted").lines] == ["model", "ridge on log-mel"]


def test_pairs_are_shown_with_what_their_test_says(sheet):
    found = sheet("pairs", pairs=PAIRS)
    by_column = dict(zip(found.columns, found.texts(found.lines[0]), strict=True))
    assert by_column["difference"] == ("+0.200", "+0.100 to +0.300")
    assert by_column["p_holm"] == ("<0.001", "")
    assert by_column["better"] == (NASTY, "")
    assert (
        dict(zip(found.columns, found.texts(found.lines[1]), strict=True))["difference_db"][0] == "\N{MINUS SIGN}0.50"
    )


def test_the_page_fetches_nothing_and_takes_names_for_text(runs, tmp_path):
    page = write_comparison(runs, tmp_path, PAIRS).read_text(encoding="utf-8")
    assert "<b>1</b>" not in page
    assert "run &lt;b&gt;1&lt;/b&gt; | x" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert {"runs.csv", "pairs.csv", "genre.csv", "tables.md"} <= {p.name for p in (tmp_path / "tables").iterdir()}


def test_a_run_of_before_a_metric_was_renamed_is_shown_under_the_name_of_today(tmp_path):
    figures = {"test/balanced_accuracy": 0.5, "test/balanced_accuracy_low": 0.4}
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    (line,) = comparison_sheets({"old": RunFolder(tmp_path)})[0].lines
    assert line.cells["balanced_recall"] == (0.5, 0.4, 0.5)


@pytest.mark.parametrize("text", [None, "[1, 2]", '{"a": {}}', "no json"])
def test_what_is_no_run_is_refused_by_name(tmp_path, text):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputFileError, match=r"metrics\.json"):
        comparison_sheets({"run": RunFolder(tmp_path)})
