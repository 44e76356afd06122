"""Which segments of a user's tracks are judged, and what the model hears of them."""

import numpy as np
import pytest

from mixlab.advising.session import Session
from mixlab.audio.levels import rms_dbfs
from mixlab.synthesis.example import LAYOUTS

from .conftest import TONES_HZ, tone

RATE = 16000


def signals(seconds, gain=1.0, silent=None, **levels):
    """One tone a role; `silent` maps a role to a span in seconds."""
    found = {}
    for role in ("bass", "drums", "vocals"):
        found[role] = tone(TONES_HZ[role], seconds, RATE, gain * levels.get(role, 0.1))[:, 0]
        for start_s, end_s in (silent or {}).get(role, []):
            found[role][round(start_s * RATE) : round(end_s * RATE)] = 0.0
    return found


def spans(segments):
    return [(segment.start_s, segment.end_s) for segment in segments]


def test_a_long_file_is_cut_into_consecutive_segments_and_a_remainder():
    segments, ignored = Session(signals(24.0), RATE, "bass").segments(10.0, -32.0)
    assert spans(segments) == [(0.0, 10.0), (10.0, 20.0), (20.0, 24.0)]
    assert not ignored


def test_a_remainder_below_three_seconds_is_counted_and_not_judged():
    segments, ignored = Session(signals(22.9), RATE, "bass").segments(10.0, -32.0)
    assert spans(segments) == [(0.0, 10.0), (10.0, 20.0)]
    assert ignored == {"too_short": 1}


@pytest.mark.parametrize("seconds", [3.0, 7.3])
def test_a_short_file_is_judged_as_it_is_without_padding(seconds):
    session = Session(signals(seconds), RATE, "bass")
    (segment,), _ = session.segments(10.0, -32.0)
    assert [clip.samples.size for clip in session.clips(segment, LAYOUTS["stems"])] == [round(seconds * RATE)] * 3


def test_segments_without_the_anchor_or_without_another_stem_are_counted():
    silent = {"bass": [(0, 10)], "drums": [(10, 20)], "vocals": [(10, 20)]}
    segments, ignored = Session(signals(30.0, silent=silent), RATE, "bass").segments(10.0, -32.0)
    assert spans(segments) == [(20.0, 30.0)]
    assert ignored == {"anchor_inactive": 1, "nothing_beside_anchor": 1}


def test_a_stem_that_is_silent_in_a_segment_has_no_clip_there():
    session = Session(signals(20.0, silent={"drums": [(0, 10)]}), RATE, "bass")
    segments, _ = session.segments(10.0, -32.0)
    assert [segment.stems for segment in segments] == [("bass", "vocals"), ("bass", "drums", "vocals")]


@pytest.mark.parametrize("gain_db", [-60, -40, 0, 10])
def test_a_quiet_bounce_is_judged_like_a_loud_one(gain_db):
    levels = {"bass": 0.1, "drums": 0.03, "vocals": 0.01}
    gain = 10 ** (gain_db / 20)
    segments, _ = Session(signals(20.0, gain=gain, **levels), RATE, "bass").segments(10.0, -32.0)
    assert [segment.stems for segment in segments] == [("bass", "drums", "vocals")] * 2


def test_a_stem_12_db_too_quiet_is_heard_and_bleed_is_not():
    session = Session(signals(10.0, drums=0.1 * 10 ** (-24 / 20), vocals=0.1 * 10 ** (-50 / 20)), RATE, "bass")
    (segment,), _ = session.segments(10.0, -32.0)
    assert segment.stems == ("bass", "drums")


def test_silence_has_no_segments():
    nothing = {role: np.zeros(10 * RATE, dtype=np.float32) for role in ("bass", "drums")}
    segments, ignored = Session(nothing, RATE, "bass").segments(10.0, -32.0)
    assert segments == []
    assert ignored == {"mixture_too_quiet": 1}


def test_one_gain_brings_the_segments_mixture_to_the_headroom_and_keeps_the_balance():
    session = Session(signals(10.0, drums=0.4), RATE, "bass")
    (segment,), _ = session.segments(10.0, -32.0)
    bass, drums, vocals = (clip.samples for clip in session.clips(segment, LAYOUTS["stems"]))
    assert rms_dbfs(bass + drums + vocals) == pytest.approx(-32.0, abs=0.01)
    assert rms_dbfs(drums) - rms_dbfs(bass) == pytest.approx(20 * np.log10(4), abs=0.01)


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        (LAYOUTS["stems"], ["Anchor, bass:", "Drums:", "Vocals:"]),
        (LAYOUTS["anchor_rest"], ["Anchor, bass:", "The rest, drums and vocals:"]),
        (LAYOUTS["mixture"], ["Mixture, anchor bass:"]),
    ],
)
def test_the_clips_are_laid_out_as_the_checkpoint_was_trained(inputs, labels):
    session = Session(signals(10.0), RATE, "bass")
    (segment,), _ = session.segments(10.0, -32.0)
    clips = session.clips(segment, inputs)
    assert [clip.label for clip in clips] == labels
    assert rms_dbfs(sum(clip.samples for clip in clips)) == pytest.approx(-32.0, abs=0.01)
