"""What the page hears of a person's files, and what it says of them, with a model that says what the test wants."""

import numpy as np
import pytest
import soundfile

from mixlab.advising.exchange import reaper_project
from mixlab.errors import MixlabError
from mixlab.language.said import Said
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

    def ask(files, rate=RATE, says="Lower the drums by 6 dB."):
        uploads = []
        for number, (name, samples) in enumerate(files.items()):
            path = tmp_path / f"{number}.wav"
            soundfile.write(path, samples, rate, subtype="FLOAT")
            uploads.append(check_audio(path, name, Limits()))
        work = Work()
        work.add(uploads, STEMS)
        for _ in advise(
            work, Advisor(DESCRIPTION, RATE, lambda asked: [Said(says)] * len(asked), True), "bass", "", None
        ):
            pass
        return work

    return ask


def test_files_that_do_not_end_together_are_refused_as_by_the_command(advised):
    with pytest.raises(MixlabError, match=r"drums\.wav is 4\.00 s long and bass\.wav 5\.00 s; export the tracks of a"):
        advised({"bass.wav": tone(80), "drums.wav": tone(400, 4.0)})
    assert advised({"bass.wav": tone(80), "drums.wav": tone(400, 4.95)}).advised is not None


def test_split_stereo_reads_like_the_stereo_file_that_it_was(advised):
    left, right = tone(400), tone(430, level=0.05)
    whole = advised({"bass.wav": tone(80), "drums.wav": np.stack([left, right], axis=1)}).advised
    split = advised({"bass.wav": tone(80), "drums.L.wav": left, "drums.R.wav": right}).advised
    assert split.above_lu == pytest.approx(whole.above_lu, abs=1e-6)
    assert split.rule == whole.rule
    assert "Heard as the left and right channel of one stereo track each: drums.L.wav, drums.R.wav." in split.notes


def test_the_picture_shows_loudness_as_it_is_played_and_not_as_the_model_hears_it(advised):
    # 10 kHz is above what the model hears; a mono bass beside stereo drums sounds from both sides.
    drums = np.stack([tone(400, rate=48_000), tone(10_000, rate=48_000)], axis=1)
    alike = np.repeat(tone(400, rate=48_000)[:, None], 2, axis=1)
    bass = tone(400, rate=48_000)
    assert advised({"bass.wav": bass, "drums.wav": alike}, 48_000).advised.above_lu["drums"] == pytest.approx(
        0, abs=0.01
    )
    played_lu = advised({"bass.wav": bass, "drums.wav": drums}, 48_000).advised.above_lu["drums"]
    # K-weighting raises the treble by 4 dB: 1 + 2.5 against 2.
    assert played_lu == pytest.approx(2.2, abs=0.4)


def test_channels_that_cancel_in_mono_are_named_and_do_not_drop_out_without_a_reason(advised):
    drums = np.stack([tone(400), -tone(400)], axis=1)
    files = {"bass.wav": tone(80), "my drums.wav": drums, "vocals.wav": tone(900)}
    work = advised(files, says="Lower the vocals by 6 dB.")
    note = next(note for note in work.advised.notes if note.startswith("my drums.wav: in mono"))
    assert "all sound is lost, since the channels cancel each other" in note
    with pytest.raises(MixlabError, match=r"in mono, which is what the model hears, the channels of drums cancel each"):
        advised({"bass.wav": tone(80), "drums.wav": drums})


def test_the_project_for_reaper_puts_sides_where_they_belong(advised):
    work = advised({"bass.wav": tone(80), "drums.L.wav": tone(400), "drums.R.wav": tone(430)})
    lines = [line.split() for line in reaper_project(work.gains(0.0)).splitlines() if "VOLPAN" in line]
    assert [line[2] for line in lines] == ["0", "-1", "1"]


def test_an_offset_changes_no_figure_of_the_page(advised):
    rest = np.concatenate([tone(900, 3.0), np.zeros(2 * RATE, dtype=np.float32)])
    files = {"bass.wav": tone(80), "drums.wav": tone(400), "vocals.wav": rest, "other.wav": np.zeros(5 * RATE)}
    before = advised(files).advised
    after = advised({name: (samples + 0.1).astype(np.float32) for name, samples in files.items()}).advised
    assert after.above_lu == pytest.approx(before.above_lu, abs=0.02)
    assert after.summary.gains_db == before.summary.gains_db
    assert after.summary.unheard == before.summary.unheard == ("other",)
    assert [stem.direction for stem in after.rule.stems] == [stem.direction for stem in before.rule.stems]
    assert sum("a constant offset (DC) is left out" in note for note in after.notes) == 4
