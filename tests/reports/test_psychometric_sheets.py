"""The curve of small errors stands in tables, figures and metrics.json, beside that of the rivals."""

from __future__ import annotations

import pytest

from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import Chance
from mixlab.baselines.oracle import Oracle
from mixlab.reports.figures import psychometric_figure, tolerance_figure
from mixlab.reports.psychometric import psychometric_sheets
from mixlab.reports.run_sheets import run_sheets
from mixlab.scoring import closed_loop, score
from mixlab.scoring.psychometric import psychometric_curves
from mixlab.scoring.results import Row, SplitResult
from tests.conftest import train_settings


@pytest.fixture(scope="module")
def result(draw_by, balance_db):
    """The oracle and chance on errors of 0.5 to 12 dB."""
    error = train_settings("error=psychometric").error
    items, methods = draw_by(error, "bass", 100, seed=3), {}
    for baseline in (Oracle(balance_db, 1.5, error, rounding_db=0.5), Chance(rounding_db=0.5)):
        baseline.fit(items)
        methods[baseline.name] = predictions_of(items, baseline.advise(items))
    kinds = dict(zip(methods, ("model", "baseline"), strict=True))
    rows = [Row(name, kinds[name], score(found, 10), closed_loop(found, 10)) for name, found in methods.items()]
    curves = {name: psychometric_curves(found, 20) for name, found in methods.items()}
    return SplitResult("test", rows, methods, psychometric=curves)


def test_a_threshold_stands_beside_that_of_the_rivals(result):
    threshold, d_prime = psychometric_sheets(result.psychometric)
    texts = {line.label: dict(zip(threshold.columns, threshold.texts(line), strict=True)) for line in threshold.lines}
    assert 1.0 < float(texts["oracle, all stems"]["threshold_db"][0]) < 5.0
    assert texts["chance, all stems"]["threshold_db"][0].startswith("above")
    assert set(d_prime.columns) == {"0.5-1", "1-2", "2-4", "4-8", "8-16"}
    assert {sheet.name for sheet in run_sheets(result)} >= {"psychometric", "psychometric_d_prime", "tolerance"}


def test_its_figures_are_in_metrics_json(result):
    flat = result.metrics()
    low, value, high = (flat[f"psychometric/stem=vocals/threshold_db{end}"] for end in ("_low", "", "_high"))
    assert low <= value <= high
    assert "baselines/chance/psychometric/stem=vocals/threshold_db" not in flat
    rise = [flat[f"psychometric/stem=all/size_db={size}/d_prime"] for size in ("0.5-1", "2-4", "8-16")]
    assert rise == sorted(rise)
    within = [flat[f"test/within_{size_db}_db"] for size_db in (1, 2, 3, 6)]
    assert within == sorted(within)
    assert flat["baselines/chance/within_2_db"] < within[1]


def test_the_curves_are_drawn_a_panel_a_stem_and_nothing_without_small_errors(result):
    drawn = psychometric_figure(result.psychometric)
    for words in ("all stems", "drums", "other", "vocals", "oracle", "share found"):
        assert words in drawn
    assert "right within tolerance" in tolerance_figure(result.rows)
    assert psychometric_figure({}) == ""
    assert psychometric_sheets({}) == []
