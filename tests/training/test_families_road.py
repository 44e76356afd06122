"""Training, evaluation and advice with other families than the default's, through the command line, on tiny models."""

import json

import numpy as np
import pytest
import soundfile

from tests.commands import run
from tests.models.backbones.miniatures import miniature

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder for runs and the cache of songs."""
    return tmp_path_factory.mktemp("families")


@pytest.mark.parametrize("family", ["music_flamingo", "voxtral"])
def test_a_family_goes_through_training_evaluation_and_advice(workplace, family):
    miniature(family).save(workplace / family)
    model = ("model=music_flamingo", f"model.arguments.name={family}", "model.arguments.dtype=float32")
    small = ("evaluation.items_per_song=1", "evaluation.baselines=[chance]", "model.max_new_tokens=8")
    done = run(
        workplace, "train", "+experiment=bass_anchor", "debug=fast", "inputs=anchor_rest", f"name={family}",
        *model, *small,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Control runs exist for the tiny model only" in done.stdout + done.stderr
    (folder,) = (workplace / "outputs" / family).iterdir()
    description = json.loads((folder / "adapter" / "mixlab.json").read_text())
    assert description["family"] == family
    time = np.arange(10 * 16000) / 16000
    for name, hz in (("bass", 80.0), ("vocals", 900.0)):
        soundfile.write(workplace / f"{name}.wav", 0.1 * np.sin(2 * np.pi * hz * time), 16000)
    # The folder of the model was given relative to where training was started.
    (workplace / "elsewhere").mkdir(exist_ok=True)
    tracks = (f"anchor={workplace}/bass.wav", f"tracks=[{workplace}/vocals.wav]")
    advised = run(workplace / "elsewhere", "advise", f"checkpoint={folder}", *tracks)
    # Four steps teach nobody to speak, but the model has been rebuilt and has answered.
    assert "could not be read as advice" in advised.stderr or advised.returncode == 0, advised.stderr[-2000:]
