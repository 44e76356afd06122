"""A data set with roles of its own trains, scores and reports."""

import csv
import json

import numpy as np
import pytest
import soundfile

from mixlab.evaluation import evaluate_command
from mixlab.models.checkpoints import find_trained, read_description
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.index import segment_index
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.statistics import statistics
from mixlab.reports.data_page import write_data_page
from mixlab.runs.job import Job
from mixlab.scoring.prediction import read_predictions
from mixlab.training.flow import train
from tests.conftest import composed, train_settings

ROLES = ("bass", "drums", "vocals", "guitar", "other_keys", "bowed_strings")
RATE = 16000
STEMS = "dataset.stems={" + ", ".join(f"{role}: ['{role.replace('_', ' ')}*']" for role in ROLES) + "}"
SPLITS = "dataset.splits={train: ['T*'], validation: ['V*'], test: ['X*']}"
QUICK = (
    "debug=fast", "evaluation.items_per_song=8", "evaluation.validation_items_per_song=1", "anchor=random",
    "error=several", "dataset=folder", "data.segment_s=4", "data.batch_size=4",
    "data.examples_per_epoch=8", "trainer.max_steps=2", "evaluation/error=several", "evaluation.tuning_items=40",
    # Of two faults among five stems there are so many that their ceiling takes a minute.
    "error.faulty_stems=[1.0]", "evaluation.error.faulty_stems=[1.0]",
    "evaluation.baselines=[chance,loudness_rule,ridge,conv_regressor]",
)  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Songs of noise in bands; the strings play in one test song alone, and a training song has no guitar."""
    root = tmp_path_factory.mktemp("songs")
    for number, song in enumerate(("T1", "T2", "T3", "V1", "X1", "X2")):
        rng = np.random.default_rng(number)
        for row, role in enumerate(ROLES):
            if (role == "bowed_strings" and song != "X2") or (role == "guitar" and song == "T2"):
                continue
            time_s = np.arange(6 * RATE) / RATE
            wave = sum(np.sin(2 * np.pi * (80 * (row + 1) + 7 * k) * time_s + rng.uniform(0, 6)) for k in range(5))
            (root / song).mkdir(exist_ok=True)
            wave = 0.03 * 10 ** (rng.normal(0, 1.5) / 20) * wave
            soundfile.write(root / song / f"{role.replace('_', ' ')}.wav", wave, RATE, subtype="FLOAT")
    return root


@pytest.fixture(scope="module")
def asked(songs, tmp_path_factory):
    """The command line of a short run on them."""
    place = tmp_path_factory.mktemp("place")
    return (*QUICK, f"dataset.root={songs}", STEMS, SPLITS, f"paths.cache={place}", f"paths.outputs={place}")


@pytest.fixture(scope="module")
def run(asked, tmp_path_factory):
    """The folder of a run on them."""
    folder = tmp_path_factory.mktemp("run")
    train(train_settings(*asked), Job("train", (), folder))
    return folder


def test_a_run_trains_on_and_is_scored_by_its_own_roles(run):
    assert read_description(find_trained(run)).stems == tuple(ROLES)
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("test", "baselines/loudness_rule", "baselines/ridge", "baselines/conv_regressor"):
        assert 0.0 <= metrics[f"{name}/joint_accuracy"] <= 1.0
    problems = [prediction.problem for prediction in read_predictions(run / "predictions.jsonl")]
    assert {stem for problem in problems for stem in problem.stems} == set(ROLES)
    assert "other keys" in " ".join(prediction.reference for prediction in read_predictions(run / "predictions.jsonl"))


def test_its_report_has_tables_by_its_roles(run):
    with (run / "tables" / "faulty_stem.csv").open() as handle:
        named = {row["faulty stem"] for row in csv.DictReader(handle)}
    assert "other keys" in named
    assert named <= {"balanced", *(role.replace("_", " ") for role in ROLES)}
    assert "other keys" in (run / "report.html").read_text()


@pytest.mark.slow
def test_the_run_is_evaluated_again_to_the_same_answers(run, asked, tmp_path):
    overrides = (f"checkpoint={run}", f"out={tmp_path / 'again'}", "probes.which=[]")
    settings = evaluate_command.settings(composed(*overrides, name="evaluate"), overrides)
    evaluate_command.main(settings)
    answers = [
        {item.problem.item_id: item.text for item in read_predictions(folder / "predictions.jsonl")}
        for folder in (run, tmp_path / "again")
    ]
    assert answers[0] == answers[1]


def test_the_page_on_the_data_set_shows_every_role(songs, asked, tmp_path):
    stems = {role: [f"{role.replace('_', ' ')}*"] for role in ROLES}
    source = FolderSource(str(songs), stems=stems, validation_share=0.0, test_share=0.0)
    found = statistics(segment_index(prepare(source, tmp_path, RATE, 1), 4.0, 1.0, -60.0), Gates())
    write_data_page(tmp_path / "page.html", found, "Six roles", {})
    page = (tmp_path / "page.html").read_text()
    for role in ROLES[1:]:
        assert f"{role} above bass in LU" in page
    assert "other_keys" in page
