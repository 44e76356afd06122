"""A sweep's report finds what was varied, takes seeds together, and compares only what was asked the same."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import yaml

from mixlab.errors import InputFileError
from mixlab.language.advice import Advice, Move
from mixlab.reports.sweep_page import write_report
from mixlab.reports.sweep_table import read_sweep
from mixlab.runs.status import Status, write_status
from mixlab.scoring import write_predictions
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import score


@pytest.fixture(scope="module")
def problems(draw):
    return [item.problem for item in draw(20, seed=3)]


@pytest.fixture
def make_run(tmp_path, problems):
    """A function that writes a run whose model is right about the first `right` items and mute about the others."""

    def make(name, right, seed=0, rank=8, validation=None, items=problems, monitor="val/joint_accuracy"):
        folder = tmp_path / "sweep" / name
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "overrides.yaml").write_text(
            yaml.safe_dump([f"adapter.r={rank}", f"seed={seed}", f"name={name}"])
        )
        config = {"adapter": {"kind": "lora", "r": rank}, "seed": seed, "dataset": {"kind": "demo"}}
        config["callbacks"] = {"monitor": monitor, "patience": 1, "save_every_steps": 1, "progress_bar": False}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        said = [
            Prediction(p, "", Advice(tuple(Move.of(s, g) for s, g in p.needed_gains_db.items())) if n < right else None)
            for n, p in enumerate(items)
        ]
        write_predictions(folder / "predictions.jsonl", said)
        (folder / "metrics.json").write_text(json.dumps(score(said, 20).flat("test")))
        if validation is not None:
            (folder / "logs").mkdir()
            (folder / "logs" / "metrics.csv").write_text(
                f"step,val/cross_entropy,val/joint_accuracy\n9,{validation},{validation}\n"
            )
        return folder

    return make


def test_what_differs_is_found_and_seeds_are_taken_together(make_run, tmp_path):
    for rank, right in ((8, 4), (32, 20)):
        for seed in (0, 1):
            make_run(f"r{rank}-{seed}", right, seed, rank)
    sweep = read_sweep([tmp_path / "sweep"])
    assert sweep.keys == ["adapter.r"]
    settings = sweep.settings()
    assert [setting.values["adapter.r"] for setting in settings] == ["8", "32"]
    assert [len(setting.runs) for setting in settings] == [2, 2]


def test_the_spread_over_seeds_goes_from_the_least_to_the_greatest(make_run, tmp_path):
    for seed, right in enumerate((4, 10, 999)):
        make_run(f"s{seed}", right, seed)
    (setting,) = read_sweep([tmp_path / "sweep"]).settings()
    mean, low, high = setting.figure("test/joint_accuracy")
    assert low < mean < high
    assert high == 1.0


def test_the_best_run_is_chosen_by_validation_and_not_by_test(make_run, tmp_path):
    make_run("tested-best", 20, rank=8, validation=0.3)
    make_run("validated-best", 10, rank=32, validation=0.6)
    assert read_sweep([tmp_path / "sweep"]).best().run.path.name == "validated-best"
    page = write_report([tmp_path / "sweep"]).read_text()
    assert "validated-best, which has" in page


def test_the_best_run_is_chosen_by_the_figure_that_chose_its_weights(make_run, tmp_path):
    make_run("lowest-entropy", 10, rank=8, validation=0.3, monitor="val/cross_entropy")
    make_run("highest-accuracy", 10, rank=32, validation=0.6, monitor="val/cross_entropy")
    assert read_sweep([tmp_path / "sweep"]).best().run.path.name == "lowest-entropy"


def test_runs_that_chose_by_different_figures_have_no_best_one(make_run, tmp_path):
    make_run("one", 10, rank=8, validation=0.3, monitor="val/cross_entropy")
    make_run("other", 10, rank=32, validation=0.6)
    assert read_sweep([tmp_path / "sweep"]).best() is None
    assert "chose their weights by different figures" in write_report([tmp_path / "sweep"]).read_text()


def test_the_page_says_that_demo_songs_are_no_music_and_lists_runs_without_figures(make_run, tmp_path):
    make_run("done", 10)
    failed = make_run("failed", 10, rank=32)
    (failed / "metrics.json").unlink()
    ended = Status("failed", "mixlab train", "", "here", 1, None, 0.0, 1.0, reason="the disk is full")
    write_status(failed, ended)
    page = write_report([tmp_path / "sweep"], tmp_path / "out")
    assert page.parent == tmp_path / "out"
    text = page.read_text()
    assert "only music can show" in text
    assert "the disk is full" in text


def test_a_run_that_failed_is_not_ranked_by_the_figures_of_its_folder(make_run, tmp_path):
    make_run("done", 10, validation=0.5)
    failed = make_run("failed", 20, rank=32, validation=0.9)
    write_status(failed, Status("failed", "mixlab train", "", "here", 1, None, 0.0, 1.0, reason="The loss is nan"))
    sweep = read_sweep([tmp_path / "sweep"])
    assert [swept.run.path.name for swept in sweep.runs] == ["done"]
    assert sweep.unfinished == {failed: "failed: The loss is nan"}


def test_settings_of_the_same_items_are_tested_in_pairs_and_those_of_others_are_not(make_run, tmp_path, problems):
    make_run("a", 4, rank=8)
    make_run("b", 20, rank=32)
    make_run("c", 5, rank=64, items=problems[:10])
    page = write_report([tmp_path / "sweep"])
    pairs = (page.parent / "tables" / "pairs.csv").read_text()
    assert "adapter.r=8" in pairs
    assert "adapter.r=64" not in pairs
    assert "asked different items" in page.read_text()


def test_settings_are_judged_over_three_seeds_and_not_over_fewer(make_run, tmp_path):
    for rank, right in ((8, 4), (32, 70)):
        for seed in range(3):
            make_run(f"r{rank}-{seed}", right + seed, seed, rank)
    (joint, _) = csv.DictReader((write_report([tmp_path / "sweep"]).parent / "tables" / "pairs.csv").open())
    assert joint["better"] == "adapter.r=32"
    # The same seed once more is no third seed.
    for seed in (1, 2):
        shutil.rmtree(tmp_path / "sweep" / f"r8-{seed}")
        make_run(f"r8-again-{seed}", 4, 0, 8)
    page = write_report([tmp_path / "sweep"])
    (joint, _) = csv.DictReader((page.parent / "tables" / "pairs.csv").open())
    assert (joint["p"], joint["better"]) == ("", "")
    assert "With 1 run of a setting nothing can be said about settings" in page.read_text()


def test_a_folder_without_a_run_that_ended_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputFileError, match=r"metrics\.json"):
        write_report([tmp_path])
    with pytest.raises(InputFileError, match="no folder"):
        write_report([tmp_path / "missing"])
