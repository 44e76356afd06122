"""The export through the command line as a user calls it, and training from what it wrote."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mixlab import build
from mixlab.cli import config_folder, register_resolvers
from mixlab.config import ExportSchema, check
from mixlab.data.exported import ExportedSet
from mixlab.data.manifest import read_manifest
from mixlab.errors import ConfigError

CHECKOUT = Path(__file__).parent.parent
SMALL = (
    "dataset=demo_small", "dataset.train_songs=2", "dataset.validation_songs=1", "dataset.test_songs=2",
    "dataset.shifted_songs=0", "evaluation.items_per_song=1", "inputs=mixture",
)  # fmt: skip
SMALL_ITEMS = ("train_items=4", "data.prepare_workers=1")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("workplace")


def command(workplace, entry, *overrides):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MIXLAB_CACHE": str(workplace / "cache")}
    return {
        "args": [sys.executable, "-m", f"mixlab.{entry}", *overrides],
        "cwd": workplace,
        "env": environment | {"PYTHONPATH": str(CHECKOUT)},
        "text": True,
    }


def run(workplace, entry, *overrides):
    return subprocess.run(**command(workplace, entry, *overrides), capture_output=True, timeout=300, check=False)


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
    register_resolvers()
    with initialize_config_dir(config_folder(), version_base="1.3"):
        cfg = compose("export", overrides)
    with pytest.raises(ConfigError) as raised:
        check(OmegaConf.to_container(cfg, resolve=True), ExportSchema)
    assert says in str(raised.value)


@pytest.fixture
def composed(exported):
    """Composes a configuration of training on the small export, which was made with other settings than the default."""

    def compose_with(*overrides):
        with initialize_config_dir(config_folder(), version_base="1.3"):
            return compose("train", [f"dataset.root={exported}", "dataset=jsonl", *overrides])

    register_resolvers()
    return compose_with


def pretend_settings(exported_set, cfg):
    """Give an export the settings of a configuration."""
    object.__setattr__(exported_set.manifest, "settings", json.loads(json.dumps(build.item_settings(cfg))))


def test_settings_that_differ_from_the_export_are_named_as_the_overrides_to_add(exported, composed):
    exported_set = ExportedSet(exported)
    pretend_settings(exported_set, composed("inputs=mixture", "evaluation.seed=7", "+error.categories.mild.low_db=1"))
    with pytest.raises(ConfigError) as raised:
        build.check_exported(exported_set, composed())
    sentence = str(raised.value)
    added = "inputs.layout=mixture +error.categories.mild.low_db=1 evaluation.seed=7 to the command."
    assert set(added.split()) <= set(sentence.split())


def test_the_overrides_that_are_named_are_the_ones_that_help(exported, composed):
    exported_set = ExportedSet(exported)
    pretend_settings(exported_set, composed("anchor=drums", "data.gates.stem_dbfs=-50", "~error.categories.loud"))
    with pytest.raises(ConfigError) as raised:
        build.check_exported(exported_set, composed())
    overrides = str(raised.value).partition("; add ")[2].removesuffix(" to the command.").split()
    assert len(overrides) == 3
    build.check_exported(exported_set, composed(*overrides))


def test_how_items_are_served_is_the_runs_own_choice(exported, composed):
    exported_set = ExportedSet(exported)
    pretend_settings(exported_set, composed())
    changed = ["data.batch_size=3", "data.workers=0", "evaluation.resamples=9", "seed=4", "data.examples_per_epoch=7"]
    build.check_exported(exported_set, composed(*changed))


def test_the_exports_configuration_passes_its_schema():
    register_resolvers()
    with initialize_config_dir(config_folder(), version_base="1.3"):
        cfg = compose("export", ["out=somewhere"])
    check(OmegaConf.to_container(cfg, resolve=True), ExportSchema)
