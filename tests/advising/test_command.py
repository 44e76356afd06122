"""From files and a checkpoint to a report, with a model that says what the test wants."""

import json
import struct

import numpy as np
import pytest
import soundfile

from mixlab.advising.advise_command import make_report
from mixlab.errors import CheckpointError, ConfigError, InputFileError, MixlabError

from .conftest import DESCRIPTION

LOWER = "The drums are too loud. Lower the drums by 6 dB."
LEAVE = "The mix is balanced. Leave everything as it is."


def test_a_report_is_json_with_one_entry_for_each_other_stem(settings, write_tone, says):
    files = [write_tone(name, 24.0) for name in ("bass.wav", "drums.wav", "lead vocals.wav", "vocals 2.wav")]
    report = make_report(settings(*files), says(LOWER, LOWER, LEAVE))
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["advice"] == [
        {"stem": "drums", "direction": "lower", "gain_db": -6.0, "agreement": 0.667, "segments": 3, "doubt": None},
        {"stem": "vocals", "direction": "leave", "gain_db": 0.0, "agreement": 1.0, "segments": 3, "doubt": None},
    ]
    assert [(part["start_s"], part["end_s"]) for part in data["segments"]] == [(0.0, 10.0), (10.0, 20.0), (20.0, 24.0)]
    assert data["segments"][0]["advice"] == [
        {"stem": "drums", "direction": "lower", "gain_db": -6.0},
        {"stem": "vocals", "direction": "leave", "gain_db": 0.0},
    ]
    assert data["segments"][2]["text"] == LEAVE
    assert data["anchor"] == "bass"
    assert data["files"]["vocals"] == [str(files[2]), str(files[3])]
    assert (data["verdict"], data["trim_db"], data["ignored_segments"]) == (None, None, {})


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1)])
def test_any_format_and_rate_is_heard_in_mono_and_stereo(settings, write_tone, says, extension, rate, channels):
    model = says(LOWER)
    bass = write_tone("bass.wav", 5.0, 48000)
    drums = write_tone(f"drums.{extension}", 4.0, rate, channels=channels)
    make_report(settings(bass, drums, length_tolerance_s=1.5), model)
    (question,) = model.questions
    sizes = {clip.label: clip.samples.size for clip in question.clips}
    assert sizes == {"Anchor, bass:": 5 * 16000, "Drums:": 5 * 16000}
    drums = question.clips[1].samples
    assert np.abs(drums[: 4 * 16000 - 800]).max() > 0.01
    assert np.abs(drums[4 * 16000 + 2400 :]).max() < 1e-3


def test_files_of_one_role_are_summed_for_the_model(settings, write_tone, says):
    model = says(LEAVE)
    write = [write_tone("bass.wav", 5.0), write_tone("drums top.wav", 5.0), write_tone("drums low.wav", 5.0)]
    make_report(settings(*write), model)
    bass, drums = (clip.samples for clip in model.questions[0].clips)
    assert np.abs(drums).max() / np.abs(bass).max() == pytest.approx(2.0, rel=1e-3)


def test_segments_are_asked_in_batches(settings, write_tone, says):
    model = says(LEAVE)
    make_report(settings(write_tone("bass.wav", 50.0), write_tone("drums.wav", 50.0), batch_size=2), model)
    assert model.batches == [2, 2, 1]


@pytest.mark.parametrize(("inputs", "clips"), [("anchor_rest", 2), ("mixture", 1)])
def test_a_checkpoint_hears_the_layout_that_it_was_trained_with(
    settings, save_checkpoint, write_tone, says, inputs, clips
):
    model = says(LEAVE)
    files = [write_tone(name, 5.0) for name in ("bass.wav", "drums.wav", "vocals.wav")]
    make_report(settings(*files, checkpoint=str(save_checkpoint(inputs=inputs))), model)
    assert len(model.questions[0].clips) == clips


def test_the_users_sentence_is_put_where_its_stem_is_heard(settings, write_tone, says):
    files = [
        write_tone("bass.wav", 20.0),
        write_tone("drums.wav", 20.0),
        write_tone("vocals.wav", 20.0, silent=[(0, 10)]),
    ]
    model = says(LEAVE, "You are right, the vocals are too quiet. Raise the vocals by 3 dB.")
    data = make_report(settings(*files, prompt="I think the vocals are too quiet"), model).to_json()
    assert [question.prompt for question in model.questions] == ["", "I think the vocals are too quiet"]
    assert (data["verdict"], data["verdict_agreement"]) == ("confirmed", 1.0)


def test_a_claim_about_a_track_that_is_not_there_is_left_out_and_told(settings, write_tone, says):
    model = says(LEAVE)
    files = [write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0)]
    report = make_report(settings(*files, prompt="The vocals are too loud"), model)
    assert model.questions[0].prompt == ""
    assert "speaks of 'vocals', but no track has that role" in report.to_text()


def test_applying_writes_what_was_advised_and_says_where(settings, tmp_path, write_tone, says):
    files = [write_tone("bass.wav", 5.0, amplitude=0.9), write_tone("drums.wav", 5.0, amplitude=0.5)]
    report = make_report(settings(*files, apply=str(tmp_path / "out")), says("Raise the drums by 3 dB."))
    data = report.to_json()
    assert [soundfile.info(path).frames for path in data["written"]] == [5 * 16000] * 3
    assert data["trim_db"] < 0
    assert f"trimmed by {data['trim_db']:g} dB" in report.to_text()


def test_what_gives_no_advice_is_counted(settings, write_tone, says):
    bass = write_tone("bass.wav", 32.0, silent=[(0, 10)])
    files = [bass, write_tone("drums.wav", 32.0), write_tone("other.wav", 32.0, silent=[(10, 32)])]
    report = make_report(settings(*files), says("loud loud", LOWER))
    data = report.to_json()
    assert data["ignored_segments"] == {"anchor_inactive": 1, "too_short": 1, "not_understood": 1}
    assert data["unheard"] == ["other"]
    assert "1 (anchor silent), 1 (shorter than 3 s), 1 (answer not understood)" in report.to_text()


def test_a_move_of_a_stem_that_is_silent_there_is_not_called_not_understood(settings, write_tone, says):
    files = [
        write_tone("bass.wav", 20.0),
        write_tone("drums.wav", 20.0),
        write_tone("vocals.wav", 20.0, silent=[(0, 10)]),
    ]
    report = make_report(settings(*files, min_segments=1), says("Raise the vocals by 3 dB."))
    assert report.to_json()["ignored_segments"] == {"stem_silent": 1}
    assert "1 (advice on a stem that is not heard there)" in report.to_text()
    assert report.summary.gains_db == {"drums": 0.0, "vocals": 3.0}


def test_what_advice_needs_can_be_set(settings, write_tone, says):
    files = [write_tone("bass.wav", 30.0), write_tone("drums.wav", 30.0)]
    for least, direction in ((0.6, "lower"), (0.7, None)):
        report = make_report(settings(*files, min_agreement=least), says(LOWER, LOWER, LEAVE))
        assert [stem["direction"] for stem in report.to_json()["advice"]] == [direction]


def test_a_sentence_in_which_no_claim_can_be_read_gets_a_note(settings, write_tone, says):
    files = [write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0)]
    report = make_report(settings(*files, prompt="Please listen."), says(LEAVE))
    assert report.to_json()["claim"] is None
    assert "no claim could be read in it" in report.to_text()


def refused(settings, match, error=InputFileError):
    def never(questions):
        raise AssertionError("the model was asked")

    with pytest.raises(error, match=match):
        make_report(settings, never)


def test_a_missing_file_is_named(settings, write_tone):
    refused(settings(write_tone("bass.wav"), "gone/drums.wav"), r"gone/drums\.wav is not a file")


def test_a_corrupt_file_is_named(settings, write_tone, tmp_path):
    (tmp_path / "drums.wav").write_bytes(b"RIFF....WAVEnothing")
    refused(settings(write_tone("bass.wav"), tmp_path / "drums.wav"), r"drums\.wav cannot be read as audio")


def test_a_file_given_twice_is_named(settings, write_tone):
    bass = write_tone("bass.wav")
    refused(settings(bass, bass), r"bass\.wav is given twice", ConfigError)


def test_files_below_three_seconds_are_refused(settings, write_tone):
    refused(settings(write_tone("bass.wav", 2.5), write_tone("drums.wav", 2.5)), r"2\.5 s long.*3 s are needed")


def test_files_that_do_not_end_together_are_named_with_the_key_that_allows_it(settings, write_tone):
    bass, drums = write_tone("bass.wav", 30.0), write_tone("drums.wav", 10.0)
    sentence = r"drums\.wav is 10\.00 s long and bass\.wav 30\.00 s; .* or raise length_tolerance_s if they start"
    refused(settings(bass, drums), sentence)


def stamped(path, seconds):
    """Put a time reference (BWF) at the end of a WAV."""
    body = bytes(338) + struct.pack("<QH", round(seconds * 16000), 1) + bytes(254)
    data = path.read_bytes() + b"bext" + struct.pack("<I", len(body)) + body
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def test_time_references_that_differ_are_named_and_those_that_agree_or_stand_alone_are_not(settings, write_tone, says):
    bass, drums = stamped(write_tone("bass.wav"), 3600.0), write_tone("drums.wav")
    make_report(settings(bass, drums), says(LOWER))
    make_report(settings(bass, stamped(drums, 3600.05)), says(LOWER))
    late = stamped(write_tone("vocals.wav"), 3610.0)
    sentence = r"bass\.wav starts at 3600\.00 s of its time reference \(BWF\) and vocals\.wav 3610\.00 s; export the"
    refused(settings(bass, late), sentence)


def test_split_stereo_is_heard_as_the_stereo_file_that_it_was(settings, write_tone, says, tmp_path):
    bass, drums = write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0, channels=2)
    whole, split = says(LOWER), says(LOWER)
    make_report(settings(bass, drums), whole)
    parts = [tmp_path / "drums_L.wav", tmp_path / "drums_R.wav"]
    for path, side in zip(parts, soundfile.read(drums)[0].T, strict=True):
        soundfile.write(path, side, 16000)
    report = make_report(settings(bass, *parts), split)
    np.testing.assert_array_equal(split.questions[0].clips[1].samples, whole.questions[0].clips[1].samples)
    assert report.notes == ["Heard as the left and right channel of one stereo track each: drums_L.wav, drums_R.wav."]


def test_a_silent_stem_with_an_offset_is_as_silent_as_one_without(settings, write_tone, says, tmp_path):
    bass, drums = write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0)
    asked = []
    for offset in (0.0, 0.1):
        model = says(LEAVE)
        soundfile.write(tmp_path / "vocals.wav", np.full(5 * 16000, offset), 16000)
        report = make_report(settings(bass, drums, tmp_path / "vocals.wav"), model)
        assert report.to_json()["unheard"] == ["vocals"]
        asked.append(model.questions[0].clips)
    assert report.notes[0] == "vocals.wav: a constant offset (DC) is left out of what is measured and heard."
    for with_it, without in zip(*asked, strict=True):
        np.testing.assert_allclose(with_it.samples, without.samples, atol=1e-6)


def test_an_anchor_whose_channels_cancel_is_not_called_silent(settings, write_tone, tmp_path):
    wave = soundfile.read(write_tone("mono bass.wav", 5.0))[0]
    soundfile.write(tmp_path / "bass.wav", np.stack([wave, -wave], axis=1), 16000)
    sentence = "1 .anchor silent.; in mono, which is what the model hears, the channels of bass cancel each other"
    refused(settings(tmp_path / "bass.wav", write_tone("drums.wav", 5.0)), sentence)


def test_an_mp3_without_its_encoders_delay_is_noted(settings, write_tone, says):
    bass, drums = write_tone("bass.wav"), write_tone("drums.mp3")
    soundfile.write(drums, soundfile.read(drums)[0], 16000, bitrate_mode="CONSTANT", compression_level=0.5)
    assert make_report(settings(bass, drums), says(LOWER)).notes == []
    data = drums.read_bytes()
    drums.write_bytes(data[data.index(data[:2], 200) :])
    (note,) = make_report(settings(bass, drums), says(LOWER)).notes
    assert note.startswith("drums.mp3: MP3 without its encoder's delay, so its sound may start some 25 ms late")


def test_a_silent_anchor_is_named(settings, write_tone):
    refused(settings(write_tone("bass.wav", 5.0, amplitude=0.0), write_tone("drums.wav", 5.0)), r"bass\.wav is silent")


def test_tracks_never_heard_together_are_refused(settings, write_tone):
    bass = write_tone("bass.wav", 20.0, silent=[(10, 20)])
    refused(settings(bass, write_tone("drums.wav", 20.0, silent=[(0, 10)])), r"No segment.*1 \(anchor silent\)")


def test_an_anchor_that_the_checkpoint_never_saw_is_named(settings, write_tone):
    refused(settings(write_tone("drums.wav"), write_tone("vocals.wav")), r"drums\.wav.*trained with bass", ConfigError)


def test_a_folder_without_a_checkpoint_is_named(settings, write_tone, tmp_path):
    files = (write_tone("bass.wav"), write_tone("drums.wav"))
    refused(settings(*files, checkpoint=str(tmp_path)), "neither a run folder nor an adapter folder", CheckpointError)


def test_segments_longer_than_the_models_window_are_refused(settings, save_checkpoint, write_tone):
    run = save_checkpoint(segment_s=DESCRIPTION.segment_s * 2)
    files = (write_tone("bass.wav"), write_tone("drums.wav"))
    refused(settings(*files, checkpoint=str(run)), "segments of 20 s, but its model hears only 10 s", CheckpointError)


def test_answers_that_nobody_understands_end_in_a_sentence(settings, write_tone, says):
    files = (write_tone("bass.wav", 5.0), write_tone("drums.wav", 5.0))
    with pytest.raises(MixlabError, match=r"in any of 1 segments \(the first was 'loud loud'\)"):
        make_report(settings(*files), says("loud loud"))
    with pytest.raises(MixlabError, match=r"in any of 1 segments: 1 \(advice to move the anchor\) \(the first was"):
        make_report(settings(*files), says("Raise the bass by 3 dB."))
