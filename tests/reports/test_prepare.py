"""`mixlab prepare`, as a user calls it."""

import json

import pyarrow.parquet as pq
import pytest

from tests.commands import refused, run

SMALL = ("dataset=demo_small", "data.prepare_workers=1")


def prepare(folder, *overrides):
    return run(folder, "prepare", *overrides)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    done = prepare(folder, *SMALL)
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "outputs" / "prepare").iterdir()
    return done, found


def test_what_is_promised_is_on_disk(prepared):
    done, folder = prepared
    assert str(folder.relative_to(folder.parents[2])) in done.stdout
    table = pq.read_table(folder / "segments.parquet")
    assert {"song_id", "start_s", "bass_lufs", "bass_lufs_source", "bass_level_dbfs", "bass_active_ratio"} <= set(
        table.schema.names
    )
    found = json.loads((folder / "statistics.json").read_text())
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
    assert sentence in refused(tmp_path, "prepare", *overrides)
