"""Untrained checkpoints, tracks of tones as files, and a model that says what the test wants."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mixlab.advising.advise_command import AdviseSettings
from mixlab.audio.files import read_header
from mixlab.language.said import Said
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import Description, save_trained
from mixlab.multitrack.tracks import Track

DESCRIPTION = Description(
    builder="tiny",
    arguments={"base": None, "seed": 0},
    feature_mean=None,
    feature_deviation=None,
    inputs="stems",
    anchors=["bass"],
    stems=["bass", "drums", "vocals", "other"],
    segment_s=10.0,
    headroom_dbfs=-32.0,
    max_new_tokens=12,
)
TONES_HZ = {"bass": 80.0, "drums": 400.0, "vocals": 900.0, "other": 2500.0}


@pytest.fixture(scope="session")
def save_checkpoint(tmp_path_factory):
    """Saves an untrained checkpoint whose description has the given fields changed."""
    base = Tiny(base=None).build()
    model = lora(base, 2, 4, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=False)

    def save(**changes):
        folder = tmp_path_factory.mktemp("run")
        save_trained(folder / "adapter", replace(base, model=model), DESCRIPTION.but(**changes))
        return folder

    return save


@pytest.fixture(scope="session")
def checkpoint(save_checkpoint):
    """A run folder with an untrained checkpoint for the anchor bass and one clip a stem."""
    return save_checkpoint()


def tone(hz, seconds, rate=16000, amplitude=0.1, channels=1):
    """A tone of shape (frames, channels)."""
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(amplitude * np.sin(2 * np.pi * hz * time)[:, None], channels, axis=1).astype(np.float32)


@pytest.fixture
def write_tone(tmp_path):
    """Writes a tone under the test's folder; the frequency is that of the role in the name."""

    def write(name, seconds=10.0, rate=16000, amplitude=0.1, channels=1, silent=()):
        role = next((role for role in TONES_HZ if role in name), "other")
        samples = tone(TONES_HZ[role], seconds, rate, amplitude, channels)
        for start_s, end_s in silent:
            samples[round(start_s * rate) : round(end_s * rate)] = 0.0
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate)
        return path

    return write


@pytest.fixture
def settings(checkpoint):
    """Checked settings of the command."""

    def make(anchor, *tracks, **changes):
        values = {
            "checkpoint": str(checkpoint),
            "anchor": str(anchor),
            "tracks": [str(track) for track in tracks],
            "prompt": None,
            "roles": None,
            "length_tolerance_s": 0.1,
            "format": "json",
            "sections": False,
            "apply": None,
            "overwrite": False,
            "batch_size": 32,
            "constrained": False,
            "min_segments": 2,
            "min_agreement": 0.6,
            "min_probability": 0.0,
        }
        return AdviseSettings.model_validate(values | {key: value for key, value in changes.items()})

    return make


class Model:
    """Stands in for the model: says the given texts in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, *texts):
        self.texts = list(texts)
        self.questions = []
        self.batches = []
        self.probability = 0.9

    def __call__(self, questions):
        self.batches.append(len(questions))
        said = []
        for question in questions:
            said.append(Said(self.texts[min(len(self.questions), len(self.texts) - 1)], self.probability))
            self.questions.append(question)
        return said


@pytest.fixture
def says():
    """A model that says the given texts."""
    return Model


@pytest.fixture
def track_of():
    """What rendering needs to know of a track."""

    def make(path, role):
        return Track(path, role, read_header(path))

    return make
