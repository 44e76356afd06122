"""Learning curves stand in the place of verdicts at one step count, and say what they hold for."""

from __future__ import annotations

import pytest

from mixlab.reports.learning_curves import learning_curves, learning_sheet, said
from mixlab.reports.sweep_figures import learning_figure
from mixlab.reports.sweep_table import Setting, SweptRun
from mixlab.runs.folder import RunFolder

COSTS = "cost/examples,cost/s,"


@pytest.fixture
def setting(tmp_path):
    """A function that makes a setting of runs with such scores after every 100 steps of 8 examples and 2 seconds."""

    def make(value, *runs, with_costs=True):
        made = []
        for seed, scores in enumerate(runs):
            folder = RunFolder(tmp_path / f"{value}-{seed}")
            folder.training_log.parent.mkdir(parents=True)
            lines = [f"step,{COSTS if with_costs else ''}train/loss,val/joint_accuracy", "49,,,0.5,"]
            for number, score in enumerate(scores, start=1):
                costs = f"{800 * number},{200 * number}," if with_costs else ""
                lines.append(f"{100 * number - 1},{costs},{score}")
            folder.training_log.write_text("\n".join(lines) + "\n")
            made.append(SweptRun(folder, {"optim.lr": value}))
        return Setting({"optim.lr": value}, made)

    return make


def test_a_curve_has_the_mean_over_seeds_their_spread_and_what_it_took(setting):
    (curve,) = learning_curves([setting("1", (0.1, 0.3), (0.3, 0.5))])
    assert curve.scores == [pytest.approx((0.2, 0.1, 0.3)), pytest.approx((0.4, 0.3, 0.5))]
    assert curve.costs["step_count"] == [100, 200]
    assert curve.costs["example_count"] == [800, 1600]
    assert curve.costs["minutes"] == pytest.approx([200 / 60, 400 / 60])


def test_validations_that_some_seed_does_not_have_are_in_no_curve(setting):
    stopped_early = setting("1", (0.1, 0.3, 0.4), (0.3, 0.5))
    assert learning_curves([stopped_early])[0].costs["step_count"] == [100, 200]
    assert learning_curves([setting("2", (0.1, 0.3), ())]) == []
    assert said([]) == ""


def test_at_one_step_count_a_verdict_holds_there_alone_and_rising_curves_are_named(setting):
    flat, rising = setting("1", (0.1, 0.5, 0.5), (0.1, 0.4, 0.6)), setting("2", (0.1, 0.3, 0.4), (0.1, 0.2, 0.5))
    text = said(learning_curves([flat, rising]))
    assert "All runs ended after 300 steps: what is said of the settings holds at that count alone." in text
    assert "still rose in all runs of optim.lr=2 (+0.200)." in text
    assert "in all runs of no setting" in said(learning_curves([flat]))


def test_runs_of_different_length_are_compared_at_equal_cost(setting):
    text = said(learning_curves([setting("1", (0.1, 0.3)), setting("2", (0.1, 0.3, 0.4))]))
    assert "Runs ended after 200 to 300 steps: compare settings at equal steps, examples or time" in text


def test_curves_are_drawn_against_what_the_logs_of_all_hold(setting):
    known, older = setting("1", (0.1, 0.3)), setting("2", (0.2, 0.3), with_costs=False)
    drawn = learning_figure(learning_curves([known]))
    assert all(heading in drawn for heading in (">steps<", ">examples<", ">minutes<"))
    both = learning_curves([known, older])
    assert ">examples<" not in learning_figure(both)
    sheet = learning_sheet(both)
    assert [line.cells.get("example_count", (None,))[0] for line in sheet.lines] == [800, 1600, None, None]
    assert sheet.texts(sheet.lines[0])[0] == ("100", "")
