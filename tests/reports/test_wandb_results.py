"""What a run measured is in its W&B run, and nothing that may not be published."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mixlab.language.advice import Advice, Move
from mixlab.reports.players import SongPlayer
from mixlab.reports.sheets import Line, Sheet, write_sheets
from mixlab.reports.wandb_results import log_results, publishable, segments_csv
from mixlab.runs.wandb import finish_run, open_run, read_identity, settle_identity
from mixlab.scoring.prediction import Prediction

FIGURES = {"test/direction_accuracy": 0.75, "test/prompt_category=audio_only/gain_mae_db": 2.5}


@pytest.fixture(scope="session")
def data(demo_source, build_small):
    """The demo songs' items."""
    return build_small(demo_source)


@pytest.fixture(scope="session")
def predictions(data):
    """Advice on every test item: for the first half right, for the rest none at all."""
    problems = data.problems("test")
    right = [
        Prediction(p, "do so", Advice(tuple(Move(s, g, g) for s, g in p.needed_gains_db.items()))) for p in problems
    ]
    return [p if n < len(right) // 2 else replace(p, advice=None) for n, p in enumerate(right)]


def evaluated(folder):
    """A folder with figures, a table and an adapter."""
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "metrics.json").write_text(json.dumps(FIGURES))
    line = Line("jazz", {"joint_accuracy": (0.5, 0.4, 0.6), "note": "so"})
    write_sheets(
        folder / "tables", [Sheet("genre", "By genre", {"joint_accuracy": "joint", "note": "note"}, [line], "genre")]
    )
    return folder


def tracked(folder):
    """The same, with a W&B run that is not open any more."""
    run = open_run(evaluated(folder), settle_identity(folder, "mixlab", "sweep/1", None), name="r",
                   config={"adapter": {"r": 8}}, tags=["adapter.r=8"])  # fmt: skip
    run.log({"train/loss": 1.5})
    finish_run(run, folder)
    return folder


def offline_runs(folder):
    return sorted((folder / "wandb").glob("offline-run-*"))


def updates(records, kind):
    return {key: value for record in records.get(kind, []) for key, value in record["update"].items()}


def local_files(records):
    """Every file of every artifact: its name there, and where it lies."""
    entries = [entry for artifact in records["artifact"] for entry in artifact["manifest"]["contents"]]
    return {entry["path"]: Path(entry["local_path"]) for entry in entries}


def test_a_run_read_back_holds_config_metrics_tables_sound_plots_and_artifacts(
    offline, read_back, data, predictions, demo_source, capfd
):
    folder = tracked(offline / "run")
    log_results(folder, folder, predictions, data.segments, SongPlayer(demo_source).heard, 2)
    (training, results) = [read_back(path) for path in offline_runs(folder)]
    assert training["run"][0]["config"]["update"]["adapter"] == {"r": 8}
    assert (training["run"][0]["run_group"], training["run"][0]["tags"]) == ("sweep/1", ["adapter.r=8"])
    assert training["run"][0]["run_id"] == results["run"][0]["run_id"] == read_identity(folder).run_id
    assert any(record["item"].get("train/loss") == 1.5 for record in training["history"])
    assert training["stats"]
    found = updates(results, "summary")
    assert {key: found[key] for key in FIGURES} == FIGURES
    for table in ("tables/genre", "predictions", "examples", "confusion_table", "gains_table"):
        assert f"{table}._type" in found or table in found, sorted(found)
    assert {"_wandb.visualize.confusion", "_wandb.visualize.gains"} <= set(updates(results, "config"))
    files = local_files(results)
    assert {"adapter_model.safetensors", "segments.csv"} <= set(files)
    sounds = [path for name, path in files.items() if name.endswith(".ogg")]
    kept = list((folder / "listening").glob("*.ogg"))
    assert len(kept) == len(sounds) == 3 * 4
    assert {path.read_bytes() for path in sounds} == {path.read_bytes() for path in kept}
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.endswith(f"wandb sync {' '.join(str(path) for path in offline_runs(folder))}")


def test_sound_whose_licence_forbids_it_or_is_not_known_is_never_logged(
    offline, read_back, data, predictions, demo_source
):
    player, licences = SongPlayer(demo_source), iter(["CC BY-NC-SA 4.0", None, "CC0-1.0", "all rights reserved"])

    def heard(prediction):
        return replace(player.heard(prediction), licence=next(licences))

    folder = tracked(offline / "run")
    log_results(folder, folder, predictions, data.segments, heard, 2)
    kept = {path.read_bytes() for path in (folder / "listening").glob("*.ogg")}
    assert len(list((folder / "listening").iterdir())) == 3
    files = local_files(read_back(offline_runs(folder)[-1]))
    sounds = [path for name, path in files.items() if "audio" in name or name.endswith(".ogg")]
    assert len(sounds) == 3
    assert {path.read_bytes() for path in sounds} == kept


def test_only_a_known_and_free_licence_is_publishable(predictions, demo_source):
    heard = SongPlayer(demo_source).heard(predictions[0])
    assert publishable(heard) is heard
    assert publishable(replace(heard, licence="CC BY-NC 4.0")) is None
    assert publishable(replace(heard, licence=None)) is None
    assert publishable(None) is None


def test_another_evaluation_of_a_run_joins_it_under_the_name_of_its_folder(offline, read_back, data, predictions):
    folder, other = tracked(offline / "run"), evaluated(offline / "harder")
    log_results(folder, other, predictions, data.segments, lambda prediction: None, 0)
    results = read_back(offline_runs(folder)[-1])
    assert results["run"][0]["run_id"] == read_identity(folder).run_id
    assert updates(results, "summary")["harder/test/direction_accuracy"] == 0.75
    assert not (other / "wandb").exists()


def test_a_folder_without_a_run_logs_nothing(tmp_path, data, predictions):
    folder = evaluated(tmp_path / "run")
    log_results(folder, folder, predictions, data.segments, lambda prediction: None, 0)
    assert not (folder / "wandb").exists()


def test_the_index_of_a_data_set_names_every_segment(data):
    names, *rows = segments_csv(data.segments).splitlines()
    assert names.startswith("split,song_id")
    assert len(rows) == sum(len(found) for found in data.segments.values())
