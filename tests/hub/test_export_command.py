"""The export through the command line as a user calls it, and training from what it wrote."""

import json
import signal
import subprocess
import time

import pytest

from mixlab.errors import ConfigError
from mixlab.hub import export_command
from mixlab.hub.export import Audio
from mixlab.items.manifest import read_manifest
from tests.commands import command, run
from tests.conftest import composed

SMALL = (
    "dataset=demo_small", "dataset.train_songs=2", "dataset.validation_songs=1", "dataset.test_songs=2",
    "dataset.shifted_songs=0", "evaluation.items_per_song=1", "inputs=mixture",
)  # fmt: skip
SMALL_ITEMS = ("train_items=4", "data.prepare_workers=1")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="module")
def written(workplace):
    """One export from the command line: what it printed, and its folder."""
    done = run(workplace, "export", "out=set", *SMALL, *SMALL_ITEMS)
    assert done.returncode == 0, done.stderr[-3000:]
    return done, workplace / "set"


def test_a_finished_command_says_what_is_there_and_leaves_nothing_else(workplace, written):
    done, folder = written
    assert f"{folder} holds 4 train, 2 validation, 2 test items." in done.stdout
    assert {path.name for path in workplace.iterdir()} == {"set", "cache"}
    manifest = read_manifest(folder)
    assert manifest.items == {"train": 4, "validation": 2, "test": 2}
    assert str(workplace) not in json.dumps(manifest.dataset) + json.dumps(manifest.settings)


@pytest.mark.slow
def test_a_run_trains_and_evaluates_on_the_exported_items(workplace, written):
    _, folder = written
    done = run(
        workplace, "train", "+experiment=bass_anchor", "debug=fast", "dataset=jsonl", f"dataset.root={folder}",
        "inputs=mixture", "evaluation.items_per_song=1", "controls=[]", "trainer.max_steps=2",
        "data.examples_per_epoch=16", "data.workers=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (run_folder,) = (workplace / "outputs" / "bass_anchor").iterdir()
    predictions = [json.loads(line) for line in (run_folder / "predictions.jsonl").read_text().splitlines()]
    items = [json.loads(line)["id"] for line in (folder / "test.jsonl").read_text().splitlines()]
    assert [prediction["item_id"] for prediction in predictions] == items
    assert "baselines/oracle/joint_accuracy" in json.loads((run_folder / "metrics.json").read_text())
    report = (run_folder / "report.html").read_text()
    assert "The items come from an export" in report
    assert "only music can" in report.lower()


@pytest.mark.slow
def test_a_killed_export_leaves_no_set_and_the_next_start_makes_a_whole_one(workplace, written):
    _, first = written
    out = workplace / "killed"
    for wait_s in (0.02, 0.15):
        process = subprocess.Popen(
            **command(workplace, "export", f"out={out}", *SMALL, *SMALL_ITEMS),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        part = workplace / ".killed.part"
        while process.poll() is None and not part.exists():
            time.sleep(0.01)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            assert not out.exists()
    done = run(workplace, "export", f"out={out}", *SMALL, *SMALL_ITEMS)
    assert done.returncode == 0, done.stderr[-3000:]
    for path in read_manifest(first).files:
        assert (out / path).read_bytes() == (first / path).read_bytes()
    assert not part.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["rebuild=nowhere"], "nowhere holds no mixlab_export.json"),
        (["out=a", "dataset=jsonl", "dataset.root=set"], "dataset is 'jsonl', which is an export already"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(workplace, written, overrides, says):
    done = run(workplace, "export", *overrides)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("error: ")
    assert says in sentence


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "set either out=..., the folder of a new data set, or rebuild=..., that of an old one"),
        (["out=a", "rebuild=b"], "set either out=..."),
        (["out=a", "clips=mp3"], "'clips' is 'mp3'"),
        (["out=a", "audio=published"], "'audio' is 'published'"),
        (["out=a", "train_items=0"], "'train_items' is 0"),
        (["out=a", "dataset=folder"], "'dataset.root' has no value"),
    ],
)
def test_a_wrong_key_is_said_before_any_song_is_looked_at(overrides, says):
    with pytest.raises(ConfigError) as raised:
        settings_of(*overrides)
    assert says in str(raised.value)


def settings_of(*overrides):
    """The settings of an export, as its command makes them of a command line."""
    return export_command.settings(composed(*overrides, name="export"), overrides)


def test_of_a_rebuilding_the_data_set_says_how_items_are_drawn(exported):
    found = settings_of(f"rebuild={exported}", "dataset=demo_small", "anchor=drums", "inputs=stems")
    manifest = read_manifest(exported)
    assert (found.anchor.stem, str(found.inputs.layout)) == ("bass", "mixture")
    assert found.seed == manifest.seed
    assert found.evaluation.seed == manifest.settings["evaluation"]["seed"]
    assert found.dataset.kind == "demo"


def test_an_export_publishes_what_is_free_unless_it_is_told_otherwise():
    assert settings_of("out=somewhere").audio is Audio.FREE
