"""MUSDB18 in both forms goes through prepare, train and evaluate: made songs as WAV, the real Falcon 69 as MP4."""

import json
import shutil
import subprocess
from importlib import util
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.song import as_float32
from tests import commands

RATE = 44100
TITLES = {
    "train": ("Artist A - One", "Artist B - Two", "Artist C - Três", "Actions - One Minute Smile"),
    "test": ("Artist D - Four", "Artist E - Five"),
}
"""`Actions - One Minute Smile` is one of the songs that the musdb package sets aside for validation."""

FEW_STEPS = (
    "+experiment=bass_anchor", "controls=[]", "trainer.max_steps=2", "data.examples_per_epoch=32", "data.workers=0",
    "data.prepare_workers=1", "optim.warmup_steps=1", "evaluation.tuning_items=40", "evaluation.resamples=20",
)  # fmt: skip

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg is not installed")


def run(workplace, *words):
    done = commands.run(workplace, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def hq_root(tmp_path_factory):
    """A folder shaped as MUSDB18-HQ: demo songs at 44.1 kHz in stereo."""
    root = tmp_path_factory.mktemp("hq") / "musdb18hq"
    songs = sum(map(len, TITLES.values()))
    source = DemoSource(songs, 0, 0, 0, duration_s=12.0, sample_rate=RATE)
    loaded = (source.load(entry) for entry in source.entries())
    for subset, titles in TITLES.items():
        for title in titles:
            stems = {name: as_float32(samples)[0] for name, samples in next(loaded).stems.items()}
            stems["mixture"] = np.sum(list(stems.values()), axis=0)
            (root / subset / title).mkdir(parents=True)
            for name, samples in stems.items():
                soundfile.write(root / subset / title / f"{name}.wav", np.stack([samples, samples], axis=1), RATE)
    return root


def newest(workplace, name):
    return max((workplace / "outputs" / name).iterdir(), key=lambda path: path.name)


@pytest.fixture
def hq_prepared(hq_root, tmp_path):
    """A folder in which they are prepared, and the data set's words."""
    dataset = ("dataset=musdb18hq", f"dataset.root={hq_root}")
    run(tmp_path, "prepare", *dataset, "data.prepare_workers=1")
    return tmp_path, dataset


def test_a_folder_shaped_as_musdb18_hq_is_prepared(hq_prepared):
    statistics = json.loads((newest(hq_prepared[0], "prepare") / "statistics.json").read_text())
    assert statistics["songs"] == {"test": 2, "train": 3, "validation": 1}


@pytest.mark.slow
def test_a_folder_shaped_as_musdb18_hq_is_trained_on_and_evaluated(hq_prepared):
    tmp_path, dataset = hq_prepared
    stored = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "songs").iterdir()}
    run(tmp_path, "train", *FEW_STEPS, *dataset, "name=hq")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "songs").iterdir()} == stored
    metrics = json.loads((newest(tmp_path, "hq") / "metrics.json").read_text())
    assert 0.0 <= metrics["test/joint_accuracy"] <= 1.0
    assert "baselines/loudness_rule/joint_accuracy" in metrics
    assert "baselines/oracle/joint_accuracy" not in metrics


@pytest.fixture
def falcon(tmp_path):
    """The words of a data set whose training song is the real one."""
    spec = util.find_spec("stempeg")
    assert spec is not None
    song = Path(spec.submodule_search_locations[0]) / "data" / "The Easton Ellises - Falcon 69.stem.mp4"
    train, test = (tmp_path / "musdb18" / subset for subset in ("train", "test"))
    for folder in (train, test):
        folder.mkdir(parents=True)
    shutil.copy(song, train)
    # An equal song would be left out of training; a shorter one is another.
    cut = ["ffmpeg", "-v", "error", "-i", song, "-map", "0:a", "-c", "copy", "-t", "6.0"]
    subprocess.run([*cut, test / "Nobody - Another.stem.mp4"], check=True, timeout=60)
    dataset = ("dataset=musdb18", f"dataset.root={tmp_path / 'musdb18'}", "data.segment_s=5.0")
    return (*dataset, "data.segment_step_s=0.5", "data.gates.mixture_dbfs=-60.0")


@needs_ffmpeg
def test_the_real_falcon_69_is_prepared(falcon, tmp_path):
    run(tmp_path, "prepare", *falcon)
    rows = pq.read_table(newest(tmp_path, "prepare") / "segments.parquet").to_pylist()
    assert {row["song_id"] for row in rows} == {"The Easton Ellises - Falcon 69", "Nobody - Another"}
    assert all(row[f"{stem}_lufs"] is not None for row in rows for stem in ("bass", "drums"))


@needs_ffmpeg
@pytest.mark.slow
def test_the_real_falcon_69_is_trained_on_and_evaluated(falcon, tmp_path):
    gates = ("evaluation.gates.mixture_dbfs=-60.0", "evaluation.segment_step_s=0.5")
    run(tmp_path, "train", *FEW_STEPS, *falcon, *gates, "name=falcon")
    assert 0.0 <= json.loads((newest(tmp_path, "falcon") / "metrics.json").read_text())["test/joint_accuracy"] <= 1.0
