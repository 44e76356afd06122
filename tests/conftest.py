"""Shared by all rooms: a few demo songs in a store, the default protocol and the tiny model's processor."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import settings

from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, LevelProtocol, ProblemProtocol, PromptProtocol
from mixlab.synthesis.problem import PromptCategory

# Machines under load miss deadlines, and a suite that is red by chance is read by nobody.
settings.register_profile("mixlab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("mixlab")

# A shell starts what runs in its background deaf to Ctrl-C, and children inherit that; tests press Ctrl-C all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def environment_restored():
    """What a test leaves in the environment (Lightning: the address of a group of processes) ends with it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def error_protocol():
    """The predecessor's protocol: five equally likely categories."""
    ranges = {"very_quiet": (-12, -6), "quiet": (-6, -3), "no_error": (0, 0), "loud": (3, 6), "very_loud": (6, 12)}
    return ErrorProtocol({name: ErrorCategory(0.2, float(low), float(high)) for name, (low, high) in ranges.items()})


@pytest.fixture(scope="session")
def several(error_protocol):
    """Up to three stems at fault at once."""
    return replace(error_protocol, faulty_stems=(0.5, 0.3, 0.2))


@pytest.fixture(scope="session")
def relative():
    """Gains on every stem, the anchor too."""
    ranges = {"quiet": (0.2, -6.0, -3.0), "no_error": (0.6, 0.0, 0.0), "loud": (0.2, 3.0, 6.0)}
    return ErrorProtocol({name: ErrorCategory(*numbers) for name, numbers in ranges.items()}, relative=True)


@pytest.fixture(scope="session")
def protocol(error_protocol):
    """The default protocol: anchor bass, all prompt categories alike."""
    prompt = PromptProtocol({str(category): 0.25 for category in PromptCategory})
    return ProblemProtocol("bass", error_protocol, prompt, LevelProtocol())


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
def demo_segments(demo_store):
    """All segments of the demo songs with an active bass."""
    return list_segments(demo_store, list(demo_store.songs.values()), "bass", 10.0, 1.0, Gates())[0]


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
    from mixlab.data.encoder import ChatEncoder

    return ChatEncoder(chat)


@pytest.fixture(scope="session")
def build_small(demo_cache, protocol, encoder):
    """Builds data modules with few items over a source of songs, for exports."""
    from pathlib import Path

    from mixlab.data.module import DataSettings, FrozenItems, MixDataModule
    from mixlab.synthesis.example import Inputs

    def build(source, inputs=Inputs.MIXTURE, kind=MixDataModule):
        settings = DataSettings(10.0, 1.0, 4, 4, 12, 0, 1, Gates())
        frozen = FrozenItems(11, protocol, 1, 1, 1.0, Gates())
        module = kind(source, encoder, protocol, inputs, settings, frozen, Path(demo_cache), 3, features_in_worker=True)
        module.setup()
        return module

    return build


@pytest.fixture(scope="session")
def write_export(tmp_path_factory):
    """Exports a data module into a new folder and returns it; what differs from the default is given by name."""
    from mixlab.hub.export import ExportRequest, export

    def write(module, out=None, *, train_items=3, clips="float32", audio="free"):
        out = out or tmp_path_factory.mktemp("export") / "set"
        settings = {"inputs": {"layout": str(module.inputs)}}
        export(module, ExportRequest(out, train_items, clips, audio, {"_target_": "mixlab.Songs"}, settings))
        return out

    return write


@pytest.fixture(scope="session")
def exported(demo_source, build_small, write_export):
    """A small export of demo songs, one clip an item."""
    return write_export(build_small(demo_source))


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
