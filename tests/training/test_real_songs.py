"""The main job and the advice on real songs (``MIXLAB_MULTITRACKS``): that they run, not that the advice is right."""

import json
import os
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.commands import run

SONGS = os.environ.get("MIXLAB_MULTITRACKS")
FEW_STEPS = (
    "+experiment=bass_anchor",
    "controls=[]",
    "trainer.max_steps=4",
    "data.examples_per_epoch=64",
    "data.workers=0",
    "evaluation.tuning_items=60",
    "evaluation.resamples=50",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SONGS is None, reason="set MIXLAB_MULTITRACKS to a folder of real multitracks"),
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def trained(workplace):
    done = run(workplace, "train", *FEW_STEPS, "dataset=folder", f"dataset.root={SONGS}", "name=bass")
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (workplace / "outputs" / "bass").iterdir()
    return folder


def test_a_song_without_the_anchor_is_dropped_and_counted(trained):
    report = (trained / "report.html").read_text()
    assert "songs without anchor: 1" in report
    assert "There is no oracle" in report


def test_the_same_song_is_used_with_another_anchor(workplace):
    overrides = ("dataset=folder", f"dataset.root={SONGS}", "anchor=drums", "name=drums")
    done = run(workplace, "train", *FEW_STEPS, *overrides)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (workplace / "outputs" / "drums").iterdir()
    assert "songs without anchor" not in (folder / "report.html").read_text()


def test_a_song_with_loud_drums_gets_an_answer_from_a_barely_trained_model_or_a_sentence(workplace, trained):
    song = Path(SONGS or "") / "Software-Entwicklungskit - Potassium"
    samples, rate = soundfile.read(song / "drums.ogg")
    soundfile.write(workplace / "drums.wav", samples[: 40 * rate] * 10 ** (9 / 20), rate, subtype="FLOAT")
    tracks = f"[{workplace / 'drums.wav'},'{song / 'vocals.ogg'}','{song / 'other.ogg'}']"
    arguments = (f"checkpoint={trained}", f"anchor='{song / 'bass.ogg'}'", f"tracks={tracks}", "format=json")
    done = run(workplace, "advise", *arguments)
    if done.returncode == 0:
        assert {"text", "advice", "segments"} <= set(json.loads(done.stdout))
    else:
        assert done.returncode == 2
        assert "could not be read as advice" in done.stderr


def test_statistics_of_real_songs_count_by_gate_and_serve_a_song_without_bass_with_its_three_stems(workplace):
    done = run(workplace, "prepare", "dataset=folder", f"dataset.root={SONGS}")
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (workplace / "outputs" / "prepare").iterdir()
    table = pq.read_table(folder / "segments.parquet")
    hydrogen = table.filter(pc.match_substring(table.column("song_id"), "Hydrogen"))
    assert hydrogen.num_rows > 0
    assert hydrogen.column("bass_level_dbfs").null_count == hydrogen.num_rows
    for stem in ("drums", "vocals", "other"):
        assert hydrogen.column(f"{stem}_level_dbfs").null_count == 0
    statistics = json.loads((folder / "statistics.json").read_text())
    assert sum(gates["stems"]["bass"]["songs_without"] for gates in statistics["gates"].values()) == 1
    assert sum(gates["stems"]["drums"]["segments_as_anchor"] for gates in statistics["gates"].values()) > 100
    assert "What the gates drop" in (folder / "statistics.html").read_text()
