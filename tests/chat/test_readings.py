"""Readings: what a meter shows is the loudness of the clip as it is heard, told in words or as a number."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.chat.collate import Collator
from mixlab.chat.encoder import ChatEncoder, EncodedExample
from mixlab.chat.readings import Meter, ReadingForm, Readings, clip_lufs
from mixlab.errors import ConfigError
from mixlab.items.drawn import SongExamples
from mixlab.language.banks import default_banks
from mixlab.language.templates import metered_label
from mixlab.synthesis.augment import Augmentation
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import LAYOUTS, Clip
from mixlab.synthesis.seeds import generator

from ..conftest import train_settings

WORDS = {meter: Readings(meter=meter, form=ReadingForm.WORDS) for meter in Meter}
NUMBERS = {meter: Readings(meter=meter, form=ReadingForm.NUMBER) for meter in Meter}


def clips_of(*levels_lufs):
    """The anchor bass, then other stems, of the given loudness; nothing has to be measured."""
    stems = ("bass", "drums", "vocals", "other")
    labels = ("Anchor, bass:", "Drums:", "Vocals:", "Other:")
    return [Clip(label, (stem,), np.zeros(16000, dtype=np.float32), level) for label, stem, level in
            zip(labels, stems, levels_lufs, strict=False)]  # fmt: skip


def labels(readings, clips):
    return [clip.label for clip in readings.of(clips, 16000)]


@pytest.mark.parametrize(
    ("meter", "shown"),
    [
        (Meter.RELATIVE, ["Anchor, bass:", "Drums, 3.5 dB above the bass:", "Vocals, 6 dB below the bass:",
                          "Other, level with the bass:"]),
        (Meter.LUFS, ["Anchor, bass, -30 LUFS:", "Drums, -26.5 LUFS:", "Vocals, -36 LUFS:", "Other, -30 LUFS:"]),
        (Meter.NONE, ["Anchor, bass:", "Drums:", "Vocals:", "Other:"]),
    ],
)  # fmt: skip
def test_labels_say_what_the_meter_shows_in_half_decibels(meter, shown):
    assert labels(WORDS[meter], clips_of(-30.0, -26.6, -36.1, -29.8)) == shown


def test_the_anchor_as_it_is_called_stands_in_the_labels():
    assert metered_label("Vocals:", 2.0, "lead_vocals") == "Vocals, 2 dB above the lead vocals:"


def test_a_silent_clip_shows_nothing():
    clips = clips_of(-30.0, -math.inf, -33.0)
    assert labels(WORDS[Meter.RELATIVE], clips)[1] == "Drums, silent:"
    told = [clip.reading_db for clip in NUMBERS[Meter.RELATIVE].of(clips, 16000)]
    assert told[0] == 0.0
    assert math.isnan(told[1])
    assert told[2] == -3.0
    nowhere = NUMBERS[Meter.RELATIVE].of(clips_of(-math.inf, -30.0), 16000)
    assert all(math.isnan(clip.reading_db) for clip in nowhere)


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_a_gain_moves_the_reading_by_as_much_and_a_common_one_leaves_what_lies_between(gain_db, common_db):
    before, after = clips_of(-30.0, -25.0), clips_of(-30.0 + common_db, -25.0 + gain_db + common_db)
    for meter, expected_db in ((Meter.RELATIVE, gain_db), (Meter.LUFS, gain_db + common_db)):
        told = [NUMBERS[meter].of(clips, 16000)[1].reading_db for clips in (before, after)]
        assert told[1] - told[0] == pytest.approx(expected_db, abs=1e-9)


def test_a_clip_that_nobody_measured_is_measured_as_it_is_heard():
    samples = np.random.default_rng(0).standard_normal(48000).astype(np.float32) * 0.05
    (lufs,) = integrated_lufs(k_weighted_power(samples[None], 16000))[None]
    assert clip_lufs(Clip("Drums:", ("drums",), samples), 16000) == lufs


@pytest.mark.parametrize("layout", ["stems", "anchor_rest", "mixture"])
@pytest.mark.parametrize(("jitter_s", "tolerance_db"), [(0.0, 0.02), (0.5, 0.3)])  # level tracks have steps of 0.1 s
def test_the_reading_of_an_example_is_that_of_its_samples_wherever_it_starts(
    layout, jitter_s, tolerance_db, demo_store, demo_segments, protocol
):
    augmentation = Augmentation(polarity_probability=0.5, start_jitter_s=jitter_s, cross_song_probability=0.0)
    examples = SongExamples(demo_store, LAYOUTS[layout], default_banks())
    for number, segment in enumerate(demo_segments[:12]):
        problem = draw_problem(segment, protocol, generator(number), f"item-{number}")
        problem = augmentation.apply(problem, 12.0, None, generator(number, 1))
        for clip in examples.example(problem).clips:
            measured = clip_lufs(replace(clip, lufs=None), 16000)
            assert clip_lufs(clip, 16000) == pytest.approx(measured, abs=tolerance_db)


def encoded(encoder, readings, layout, demo_store, demo_segments, protocol):
    own = ChatEncoder(encoder.chat, readings)
    example = SongExamples(demo_store, LAYOUTS[layout], default_banks()).example(
        draw_problem(demo_segments[0], protocol, generator(1), "item")
    )
    return own, example, EncodedExample.of(own, example, with_response=True)


def test_numbers_travel_in_the_order_of_the_clips(encoder, demo_store, demo_segments, protocol):
    own, example, item = encoded(encoder, NUMBERS[Meter.RELATIVE], "stems", demo_store, demo_segments, protocol)
    batch = Collator(own, features=True, roles=demo_store.roles)([item, item])
    once = [clip.lufs - example.clips[0].lufs for clip in example.clips]
    np.testing.assert_allclose(batch["readings_db"], once + once, atol=1e-5)
    assert batch["clip_error_db"].shape == (2 * len(example.clips), len(demo_store.roles))
    plain = ChatEncoder(encoder.chat)
    assert "readings_db" not in Collator(plain, features=True)([EncodedExample.of(plain, example, True)])


def test_without_sound_the_words_are_all_there_is(encoder, demo_store, demo_segments, protocol):
    own, example, item = encoded(encoder, WORDS[Meter.RELATIVE], "none", demo_store, demo_segments, protocol)
    batch = Collator(own, features=True, roles=demo_store.roles)([item])
    assert "input_features" not in batch
    assert "readings_db" not in batch
    assert not (batch["input_ids"] == encoder.chat.audio_token_id).any()
    assert not batch["clip_ends"].any()
    text = own.prompt_text(own.shown(example.clips), "")
    assert "above the bass:" in text or "below the bass:" in text


def test_without_sound_a_number_has_one_token_of_its_own(encoder, demo_store, demo_segments, protocol):
    own, example, item = encoded(encoder, NUMBERS[Meter.RELATIVE], "none", demo_store, demo_segments, protocol)
    batch = Collator(own, features=True, roles=demo_store.roles)([item])
    assert "input_features" not in batch
    assert (batch["input_ids"] == encoder.chat.audio_token_id).sum() == len(example.clips) == len(batch["readings_db"])
    assert batch["clip_ends"].sum() == len(example.clips)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("readings=relative", "inputs=mixture"), "no clip of its own"),
        (("inputs=none",), "neither hears nor reads"),
        (("readings.meter=vu",), "readings.meter"),
        (("readings.form=letters",), "readings.form"),
    ],
)
def test_readings_that_there_are_not_are_refused_with_the_key(overrides, said):
    with pytest.raises(ConfigError, match=said):
        train_settings(*overrides)
