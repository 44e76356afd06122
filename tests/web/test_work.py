"""What the page hears of a person's files, and what it says of them, with a model that says what the test wants."""

import numpy as np
import pytest
import soundfile

from mixlab.errors import MixlabError
from mixlab.models.checkpoints import Description
from mixlab.web.uploads import Limits, check_audio
from mixlab.web.work import Advisor, Work, advise

STEMS = ["bass", "drums", "vocals", "other"]
DESCRIPTION = Description(
    builder="tiny", arguments={}, feature_mean=None, feature_deviation=None, inputs="stems", anchors=["bass"],
    stems=STEMS, segment_s=10.0, headroom_dbfs=-32.0, max_new_tokens=12,
)  # fmt: skip
RATE = 16_000


def tone(hertz, seconds=5.0, rate=RATE, level=0.1):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def advised(tmp_path):
    """Puts files on the page (name -> samples of shape (frames,) or (frames, channels)), asks, and gives the work."""

    def ask(files, rate=RATE):
        uploads = []
        for number, (name, samples) in enumerate(files.items()):
            path = tmp_path / f"{number}.wav"
            soundfile.write(path, samples, rate, subtype="FLOAT")
            uploads.append(check_audio(path, name, Limits()))
        work = Work()
        work.add(uploads, STEMS)
        for _ in advise(work, Advisor(DESCRIPTION, RATE, lambda q: ["Lower the drums by 6 dB."] * len(q), True), "bass",
                        "", None):  # fmt: skip
            pass
        return work

    return ask


def test_files_that_do_not_end_together_are_refused_as_by_the_command(advised):
    with pytest.raises(MixlabError, match=r"drums\.wav is 4\.00 s long and bass\.wav 5\.00 s; export the tracks of a"):
        advised({"bass.wav": tone(80), "drums.wav": tone(400, 4.0)})
    assert advised({"bass.wav": tone(80), "drums.wav": tone(400, 4.95)}).advised is not None
