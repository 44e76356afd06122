"""The scripts of experiments/ do what their folders' READMEs say, on a small budget."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mixlab.baselines.loudness import LoudnessRule
from mixlab.multitrack.statistics import ALL_GENRES

CHECKOUT = Path(__file__).parent.parent
EXPERIMENTS = CHECKOUT / "experiments"
USUAL = CHECKOUT / "mixlab" / "advising" / "usual.yaml"
SHIPPED = CHECKOUT / "mixlab" / "models" / "tiny_advisor"
SONGS = os.environ.get("MIXLAB_MULTITRACKS")
PREDICTIONS = os.environ.get("MIXLAB_PREDECESSOR")


def run(workplace, script, *arguments):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, EXPERIMENTS / script, *arguments]
    done = subprocess.run(
        command, cwd=workplace, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_main_jobs_table_is_the_one_in_its_folder(tmp_path):
    (tmp_path / "metrics.json").write_bytes((EXPERIMENTS / "bass_anchor" / "results" / "metrics.json").read_bytes())
    printed = run(tmp_path, "bass_anchor/table.py", str(tmp_path))
    shown = (EXPERIMENTS / "bass_anchor" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in printed.splitlines() if line.startswith("| **model**")]
    assert rows
    assert all(row in shown for row in rows)


def test_the_table_of_ceilings_is_the_one_in_its_folder(tmp_path):
    printed = run(tmp_path, "ceilings/table.py")
    assert printed in (EXPERIMENTS / "ceilings" / "README.md").read_text(encoding="utf-8")


def test_studies_without_an_effect_are_counted_from_where_the_log_ends(tmp_path):
    arguments = ("--model", "linear", "--out", str(tmp_path))
    run(tmp_path, "study/false_positives.py", *arguments, "--studies", "2")
    first = (tmp_path / "linear_studies.csv").read_text()
    run(tmp_path, "study/false_positives.py", *arguments, "--studies", "3")
    assert (tmp_path / "linear_studies.csv").read_text().startswith(first)
    table = (tmp_path / "linear.csv").read_text().splitlines()
    assert table[0] == "test,studies,not_fitted,false_positives,low,high,verdict"
    assert all(",3,0," in line for line in table[1:])


def test_pairs_of_identical_and_of_different_settings_are_simulated(tmp_path):
    run(tmp_path, "seed_spread/simulate.py", "--trials", "1", "--out", str(tmp_path))
    table = (tmp_path / "simulated.csv").read_text().splitlines()
    assert table[0] == "songs,runs,spread,gap,over_runs,before,songs_alone"
    assert len(table) == 1 + 2 * 3 * 4 * 3


def test_the_verdicts_on_short_runs_are_those_in_their_folder(tmp_path):
    run(tmp_path, "seed_spread/short_runs.py", "--out", str(tmp_path))
    for name in ("short_runs.csv", "spreads.csv"):
        assert (tmp_path / name).read_text() == (EXPERIMENTS / "seed_spread" / "results" / name).read_text()


def test_at_equal_time_a_step_that_costs_twice_is_taken_half_as_often():
    steps_that_fit = runpy.run_path(str(EXPERIMENTS / "objectives" / "compare.py"))["steps_that_fit"]
    seconds = {"cross_entropy": 0.2, "auxiliary": 0.4, "number_aware": 0.1}
    assert steps_that_fit(600, seconds) == {"cross_entropy": 600, "auxiliary": 300, "number_aware": 1200}
    assert steps_that_fit(1, seconds)["auxiliary"] == 1


def test_what_demo_songs_usually_do_is_measured_with_the_rules_fitted_on_them(tmp_path):
    main = runpy.run_path(str(EXPERIMENTS / "bass_anchor" / "usual.py"))["main"]
    few = ("dataset=demo_small", "dataset.test_songs=1", "dataset.validation_songs=1", "dataset.shifted_songs=0")
    main([*few, f"paths.cache={tmp_path}", "evaluation.tuning_items=60"], tmp_path / "usual.yaml")
    found = yaml.safe_load((tmp_path / "usual.yaml").read_text())
    shipped = yaml.safe_load(USUAL.read_text(encoding="utf-8"))
    assert found.keys() == shipped.keys() == {"spreads", "rules"}
    assert found["rules"].keys() == shipped["rules"].keys()
    songs, mean_lu, deviation_lu = found["spreads"][f"bass/drums/{ALL_GENRES}"]
    assert songs == 12
    assert abs(mean_lu - shipped["spreads"][f"bass/drums/{ALL_GENRES}"][1]) < 3
    assert deviation_lu > 0
    assert LoudnessRule.from_json(found["rules"]["loudness_rule"]).figures()["threshold_db"] > 0


@pytest.mark.slow
def test_objectives_are_compared(tmp_path):
    printed = run(tmp_path, "objectives/compare.py", "--steps", "4", "--seeds", "0", "debug=fast")
    found = json.loads(printed.splitlines()[-1])["objectives"]
    assert set(found) == {"cross_entropy", "auxiliary", "number_aware"}
    for row in found.values():
        assert row["steps"] == 4
        assert 0 <= row["test/joint_accuracy"][0] <= 1


@pytest.mark.slow
@pytest.mark.skipif(SONGS is None, reason="set MIXLAB_MULTITRACKS to a folder of real multitracks")
def test_advice_on_real_songs_is_tabled(tmp_path):
    printed = run(tmp_path, "real_songs/advise.py", "--songs", SONGS, "--checkpoint", str(SHIPPED))
    rows = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("| Software")]
    assert sum("left out: no bass" in row[1] for row in rows) == 1
    assert sum("Potassium" in row[0] for row in rows) == 7


@pytest.mark.skipif(PREDICTIONS is None, reason="set MIXLAB_PREDECESSOR to the folder of the predecessor's predictions")
def test_the_predecessors_answers_are_scored_in_two_ways(tmp_path):
    printed = run(tmp_path, "predecessor/compare.py", PREDICTIONS)
    assert printed.strip() == (EXPERIMENTS / "predecessor" / "results" / "comparison.md").read_text().strip()
