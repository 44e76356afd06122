"""Tables that are measured after training join the run that was logged in training."""

from __future__ import annotations

import subprocess
import sys

from omegaconf import OmegaConf

from mixlab.evaluation.sheets import Line, Sheet, write_sheets
from mixlab.loggers import log_tables, wandb_id


def logger(wandb):
    return OmegaConf.create({"logger": {"wandb": wandb}})


def test_tables_are_logged_to_the_run_of_their_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))
    line = Line("jazz", {"joint_accuracy": (0.5, 0.4, 0.6), "note": "so"})
    sheet = Sheet("genre", "By genre", {"joint_accuracy": "joint", "note": "note"}, [line], "genre")
    write_sheets(tmp_path / "tables", [sheet])
    log_tables(logger({"project": "mixlab", "tags": []}), tmp_path)
    (run,) = tmp_path.glob("wandb/offline-run-*")
    assert run.name.endswith(wandb_id(tmp_path))
    code = "from wandb.cli.cli import cli; cli()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "leet", "inspect", "--summary", str(run)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "tables/genre" in shown.stdout


def test_without_wandb_nothing_is_logged(tmp_path):
    log_tables(logger(None), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_run_folder_has_an_id_of_its_own(tmp_path):
    assert wandb_id(tmp_path) == wandb_id(tmp_path / "x" / "..")
    assert wandb_id(tmp_path) != wandb_id(tmp_path / "controls")
