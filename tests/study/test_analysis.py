"""The analysis finds what was planted, leaves out whom the rules name, and says what it is made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.advice import Advice, Move
from mixlab.scoring.prediction import Prediction, write_predictions
from mixlab.study.analysis import analyse
from mixlab.study.analysis_page import summary, write_analysis
from mixlab.study.answers import ORDER, read_answers
from mixlab.study.averages import krippendorff_alpha
from mixlab.study.correlations import correlations, prediction_metrics
from mixlab.study.fits import contrasts, wald_f
from mixlab.study.ordinal import NoOrdinalModel
from mixlab.study.power import null_range, simulate
from mixlab.study.settings import Fitting, Kind, Plan

from .conftest import conf, simulated_answers, truth

EFFECTS = {
    "effectiveness": {"fine_tuned": 2.0, "loudness_rule": 0.5, "do_nothing": -0.5, "low_anchor": -2.0},
    "actionability": {"fine_tuned": 1.0, "loudness_rule": 1.0, "do_nothing": -1.0, "low_anchor": 0.5},
}
NEEDS_R = pytest.mark.skipif(
    shutil.which("Rscript") is None, reason="needs R with the package ordinal (Debian: r-cran-ordinal)"
)


def options(**plan):
    wanted = conf("plan/standard") | {"pair": ["fine_tuned", "low_anchor"], "model": "linear"} | plan
    fitting = conf("fitting/standard") | {"resamples": 200, "permutations": 400}
    return Plan.model_validate(wanted), Fitting.model_validate(fitting)


@pytest.fixture(scope="module")
def answers():
    return simulated_answers(truth(EFFECTS, careless_share=0.2), raters=24, items=12, trials=8, seed=1)


@pytest.fixture(scope="module")
def analysis(answers):
    return analyse(answers, *options())


def test_a_large_planted_difference_is_found_in_its_direction(analysis):
    found = analysis.kept.fits["effectiveness"].contrast("fine_tuned", "low_anchor")
    assert found.low > 0
    assert found.p_holm < 0.05


def test_the_fallback_calls_itself_one_everywhere(analysis, tmp_path):
    write_analysis(tmp_path, analysis)
    assert "FALLBACK" in (tmp_path / "analysis.html").read_text()
    assert "FALLBACK" in (tmp_path / "tables.md").read_text()


def test_simulated_answers_are_called_so_in_the_page_the_tables_and_the_first_line(analysis, tmp_path):
    write_analysis(tmp_path, analysis)
    assert summary(analysis).startswith("SIMULATED")
    assert "SIMULATED" in (tmp_path / "analysis.html").read_text()
    assert all(path.name.startswith("simulated_") for path in tmp_path.glob("*.csv"))


def test_careless_raters_are_left_out_and_counted_and_shown_beside_everyone(analysis, answers):
    assert 0 < len(analysis.excluded.participants) < len(answers.participants)
    assert analysis.everyone is not None
    assert len(analysis.kept.answers.participants) + len(analysis.excluded.participants) == len(answers.participants)


def test_nobody_is_left_out_for_liking_the_planted_wrong_advice(answers):
    liked = answers.ratings["system"].eq("low_anchor")
    ratings = answers.ratings.assign(rating=np.where(liked, 5, answers.ratings["rating"]))
    before, after = (analyse(a, *options()).excluded.participants for a in (answers, replace(answers, ratings=ratings)))
    assert set(after) <= set(before)


def test_a_plan_that_names_a_system_that_nobody_rated_is_refused(answers):
    with pytest.raises(ConfigError, match="human"):
        analyse(answers, *options(pair=["fine_tuned", "human"]))


@pytest.mark.parametrize("column", ["rating", "system", "is_instructed"])
def test_an_export_that_lacks_a_column_is_refused_by_name(answers, tmp_path, column):
    answers.ratings.drop(columns=column).to_csv(tmp_path / "ratings.csv", index=False)
    answers.participants.to_csv(tmp_path / "participants.csv", index=False)
    with pytest.raises(InputFileError, match=column):
        read_answers(tmp_path)


def test_the_kappa_of_the_coders_is_in_the_report(tmp_path):
    answers = simulated_answers(truth(EFFECTS), raters=6, items=8, trials=4, seed=1)
    given = {"anna": (1, 1, 0, 0), "ben": (1, 0, 0, 0)}
    codes = [
        {"participant": "p000", "trial": str(trial), "coder": coder, "code": code}
        for coder, marks in given.items()
        for trial, mark in enumerate(marks)
        for code in ["", *["vague"] * mark]
    ]
    answers.ratings.to_csv(tmp_path / "ratings.csv", index=False)
    answers.participants.to_csv(tmp_path / "participants.csv", index=False)
    pd.DataFrame(codes).to_csv(tmp_path / "codes.csv", index=False)
    coding = analyse(read_answers(tmp_path), *options()).coding
    assert coding == {"vague": (4, pytest.approx(0.5))}


def test_ratings_go_along_with_the_metrics_that_made_them(study_problems, tmp_path):
    """Raters who judge by what is left over in dB correlate with it to -1, and with the improvement upwards."""
    said = {"fine_tuned": 1.0, "loudness_rule": 0.5}
    runs = {}
    for name, share in said.items():
        moves = [{stem: share * db for stem, db in p.needed_gains_db.items()} for p in study_problems]
        runs[name] = str(tmp_path / f"{name}.jsonl")
        write_predictions(
            runs[name],
            [
                Prediction(p, "", Advice(tuple(Move.of(s, g) for s, g in m.items())))
                for p, m in zip(study_problems, moves, strict=True)
            ],
        )
    metrics = prediction_metrics(runs)
    left = metrics["left_over_db"].to_numpy()
    ratings = metrics[["item", "system"]].assign(effectiveness=-left)
    found = correlations(ratings, metrics, resamples=50, seed=0)
    assert found["left_over_db"]["effectiveness"][0] == pytest.approx(-1.0)
    assert set(metrics.loc[metrics["system"] == "fine_tuned", "left_over_db"].round(9)) == {0.0}
    assert (metrics["improvement_db"] >= 0).all()
    assert not [name for name in found if name.endswith("_db2")]


def test_the_command_line_names_runs_and_judges(answers, tmp_path):
    """Names that the shipped configuration does not know have to be accepted."""
    answers.ratings.to_csv(tmp_path / "ratings.csv", index=False)
    answers.participants.to_csv(tmp_path / "participants.csv", index=False)
    command = [sys.executable, "-m", "mixlab", "study", "analyse", f"data='{tmp_path}'", "judge={low_anchor: nowhere}",
               "plan.pair=[fine_tuned,low_anchor]", "runs={fine_tuned: nowhere.jsonl}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "nowhere.jsonl" in done.stderr


def test_a_rating_out_of_range_is_refused(answers, tmp_path):
    answers.ratings.assign(rating=7).to_csv(tmp_path / "ratings.csv", index=False)
    answers.participants.to_csv(tmp_path / "participants.csv", index=False)
    with pytest.raises(InputFileError, match="7"):
        read_answers(tmp_path)


def test_raters_who_agree_have_an_alpha_of_one_and_raters_by_chance_about_none():
    rng = np.random.default_rng(0)
    rows = [
        {"participant": f"p{p}", "item": f"i{i}", "system": "s", "criterion": "c", "agreed": 1 + i % 5,
         "chance": int(rng.integers(1, 6))}
        for p in range(20)
        for i in range(25)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    agreed, chance = (krippendorff_alpha(table.assign(rating=table[name])) for name in ("agreed", "chance"))
    assert agreed is not None
    assert agreed[0] == pytest.approx(1.0)
    assert chance is not None
    assert abs(chance[0]) < 0.1


def test_of_two_systems_the_test_of_all_at_once_is_the_test_of_their_pair():
    (pair,) = contrasts(["a", "b"], np.array([0.0, 0.8]), np.array([[0.0, 0.0], [0.0, 0.09]]), 11)
    assert wald_f(np.array([0.8]), np.array([[0.09]]), 11) == pytest.approx(pair.p)


@pytest.mark.slow
def test_of_twenty_studies_without_an_effect_as_many_are_called_one_as_chance_allows():
    nothing = truth({"effectiveness": dict.fromkeys(("a", "b", "c"), 0.0)})
    outcomes = simulate(nothing, ("a", "b"), (12, 12, 6), 20, Kind.LINEAR, 0, 60.0)
    low, high = null_range(20)
    assert low <= sum(outcome is not None and outcome.p < 0.05 for outcome in outcomes) <= high


@pytest.mark.slow
@NEEDS_R
def test_of_two_hundred_studies_without_an_effect_the_ordinal_model_calls_as_many_one_as_chance_allows():
    """Minutes; the log of such a run is experiments/study/."""
    nothing = truth({"effectiveness": dict.fromkeys(ORDER[:4] + ORDER[5:], 0.0)})
    outcomes = simulate(nothing, ("fine_tuned", "zero_shot"), (12, 12, 12), 200, Kind.CLMM, 0, 1800.0)
    low, high = null_range(200)
    assert None not in outcomes
    assert low <= sum(outcome is not None and outcome.p < 0.05 for outcome in outcomes) <= high


@pytest.mark.slow
@NEEDS_R
def test_the_ordinal_model_finds_planted_effects_within_its_intervals(answers):
    try:
        fit = analyse(answers, *options(model="clmm")).kept.fits["effectiveness"]
    except (ConfigError, NoOrdinalModel) as error:
        pytest.skip(str(error))
    planted = EFFECTS["effectiveness"]
    held = [c.low <= planted[c.a] - planted[c.b] <= c.high for c in fit.contrasts]
    assert fit.kind == "clmm"
    assert sum(held) >= len(held) - 1


def test_without_r_the_fallback_is_taken_and_the_reason_said(answers, monkeypatch):
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    fit = analyse(answers, *options(model="auto")).kept.fits["effectiveness"]
    assert fit.kind == "linear"
    assert fit.reason
