"""`python -m mixlab.prepare`, as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

CHECKOUT = Path(__file__).parent.parent
SMALL = ("dataset=demo_small", "data.prepare_workers=1")


def prepare(folder, *overrides):
    environment = os.environ | {"MIXLAB_CACHE": str(folder / "cache"), "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, "-m", "mixlab.prepare", *overrides],
        cwd=folder, env=environment, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    done = prepare(folder, *SMALL)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "outputs" / "prepare").iterdir()
    return done, run


def test_what_is_promised_is_on_disk(prepared):
    done, run = prepared
    assert str(run.relative_to(run.parents[2])) in done.stdout
    table = pq.read_table(run / "segments.parquet")
    assert {"song_id", "start_s", "bass_lufs", "bass_lufs_source", "bass_level_dbfs", "bass_active_ratio"} <= set(
        table.schema.names
    )
    found = json.loads((run / "statistics.json").read_text())
    assert found["songs"] == {"shifted": 7, "test": 12, "train": 12, "validation": 6}
    assert sum(found["segments"].values()) == table.num_rows


def test_the_page_needs_nothing_beside_itself_and_shows_the_gates(prepared):
    page = (prepared[1] / "statistics.html").read_text()
    assert page.count("<svg") == 2
    assert "What the gates drop" in page
    assert "src=" not in page
    assert "http-equiv" not in page


def test_help_names_the_groups_without_any_work(tmp_path):
    done = prepare(tmp_path, "--help")
    assert done.returncode == 0
    assert "dataset: " in done.stdout
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["dataset=folder", "dataset.root=nowhere"], "nowhere does not exist"),
        (["dataset=folder"], "The key 'dataset.root' has no value"),
        (["sample_rate=10"], "The key 'sample_rate' is 10"),
        (["data.gates.stem_dbfs=3"], "The key 'data.gates.stem_dbfs' is 3"),
        ([*SMALL, "paths.cache=/proc/nowhere"], "/proc/nowhere/songs cannot be written to"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(tmp_path, overrides, sentence):
    done = prepare(tmp_path, *overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
