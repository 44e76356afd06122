"""Shared by all rooms: a few demo songs in a store, the default protocol and the tiny model's processor."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from copy import deepcopy
from functools import cache

import pytest
from hypothesis import settings

from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import list_segments
from mixlab.settings import parse
from mixlab.synthesis.protocol import ProblemProtocol

# Machines under load miss deadlines, and a suite that is red by chance is read by nobody.
settings.register_profile("mixlab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("mixlab")

# What runs in the background of a shell is deaf to Ctrl-C, under nohup to a hang-up, and children inherit that; tests
# send both all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish():
    """Spare collections of garbage what was imported: libraries ask for many, each over all objects of torch."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def environment_restored():
    """What a test leaves in the environment (Lightning: the address of a group of processes) ends with it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def composed(*overrides, name="train"):
    """The plain values that a command line composes."""
    return deepcopy(_composed(overrides, name))


@cache
def _composed(overrides, name):
    from mixlab.cli import run

    return run.composed(name, *overrides)


def train_settings(*overrides):
    """The settings of a training."""
    from mixlab.runs.settings import TrainSettings

    return parse(composed(*overrides), TrainSettings)


@pytest.fixture(scope="session")
def gates():
    """What segments and stems of training songs must reach."""
    return train_settings().data.gates


@pytest.fixture(scope="session")
def error_protocol():
    """The predecessor's protocol: five equally likely categories."""
    return train_settings().error


@pytest.fixture(scope="session")
def several():
    """Up to three stems at fault at once."""
    return train_settings("error=several").error


@pytest.fixture(scope="session")
def deadband():
    """The default protocol, but up to 1.5 dB count as none."""
    return train_settings("error=deadband").error


@pytest.fixture(scope="session")
def relative():
    """Gains on every stem, the anchor too."""
    return train_settings("error=relative").error


@pytest.fixture(scope="session")
def protocol(error_protocol):
    """The default protocol: anchor bass, all prompt categories alike."""
    settings = train_settings()
    return ProblemProtocol("bass", error_protocol, settings.prompt, settings.data.level)


@pytest.fixture(scope="session")
def demo_source():
    """Sixteen demo songs of 12 s."""
    return DemoSource(train_songs=8, validation_songs=2, test_songs=6, shifted_songs=0, duration_s=12.0)


@pytest.fixture(scope="session")
def demo_cache(tmp_path_factory):
    """Where the demo songs' store lies."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def demo_store(demo_source, demo_cache):
    """The demo songs as the model hears them."""
    return prepare(demo_source, demo_cache, 16000, workers=1)


@pytest.fixture(scope="session")
def demo_segments(demo_store, gates):
    """All segments of the demo songs with an active bass."""
    return list_segments(demo_store, list(demo_store.songs.values()), "bass", 10.0, 1.0, gates)[0]


@pytest.fixture(scope="session")
def chat():
    """The form of conversations of the tiny model that comes with the package."""
    from mixlab.models.backbones.tiny import Tiny

    return Tiny("listener").read_chat()


@pytest.fixture(scope="session")
def processor(chat):
    """The processor of the tiny model that comes with the package."""
    return chat.template


@pytest.fixture(scope="session")
def encoder(chat):
    """The tiny model's encoder."""
    from mixlab.chat.encoder import ChatEncoder

    return ChatEncoder(chat)


@pytest.fixture(scope="session")
def small_settings(demo_cache):
    """Settings with few items; further overrides are given as on the command line."""

    def make(*overrides):
        return train_settings(
            "dataset=demo_small", f"paths.cache={demo_cache}", "inputs=mixture", "seed=3", "data.batch_size=4",
            "data.eval_batch_size=4", "data.examples_per_epoch=12", "data.workers=0", "data.prepare_workers=1",
            "evaluation.seed=11", "evaluation.items_per_song=1", "evaluation.validation_items_per_song=1", *overrides,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def build_small(small_settings):
    """Builds banks with few items over a source of songs."""
    from mixlab.items.drawn import DrawnItems

    def build(source, *overrides):
        bank = DrawnItems(source, small_settings(*overrides), 16000)
        bank.setup()
        return bank

    return build


@pytest.fixture(scope="session")
def write_export(tmp_path_factory):
    """Exports a bank into a new folder and returns it; what differs from the default is given by name."""
    from mixlab.hub.export import Audio, ExportRequest, SampleFormat, export

    def write(bank, out=None, *, train_items=3, clips="float32", audio="free"):
        out = out or tmp_path_factory.mktemp("export") / "set"
        export(bank, ExportRequest(out, train_items, SampleFormat(clips), Audio(audio)))
        return out

    return write


@pytest.fixture(scope="session")
def exported(demo_source, build_small, write_export):
    """A small export of demo songs, one clip an item."""
    return write_export(build_small(demo_source))


@pytest.fixture(scope="session")
def serve(small_settings):
    """Serves the items of an exported folder; the overrides have to be those that it was exported with."""
    from mixlab.items.exported import ExportedItems, ExportedSet

    def build(folder, *overrides):
        bank = ExportedItems(ExportedSet(folder), small_settings(*overrides), 16000)
        bank.setup()
        return bank

    return build


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the small export that a test may spoil."""
    return shutil.copytree(exported, tmp_path / "copy")


@pytest.fixture(scope="session")
def read_back():
    """Reads the records of a W&B run's offline files back, by kind."""

    def read(folder):
        code = "from wandb.cli.cli import cli; cli()"
        shown = subprocess.run(
            [sys.executable, "-c", code, "leet", "inspect", "--json", str(folder)],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        records = [json.loads(line) for line in shown.stdout.splitlines()]
        kinds = {record["type"] for record in records}
        return {kind: [record[kind] for record in records if record["type"] == kind] for kind in kinds}

    return read
