"""What a rendered demo song sounds like, by the numbers."""

import numpy as np
import pyloudnorm
import pytest

from mixlab.audio.levels import active_frame_ratio
from mixlab.multitrack.demo.compose import compose
from mixlab.multitrack.demo.genres import genre_names
from mixlab.multitrack.demo.render import MIXTURE_PEAK_DBFS, render
from mixlab.multitrack.demo.tones import TABLE_SIZE, midi_to_hz, wavetable
from mixlab.multitrack.demo.voices import formant_gain
from mixlab.multitrack.song import STEMS

EVERY_GENRE = genre_names() + genre_names(held_out=True)
RATE = 16000


@pytest.fixture(scope="module", params=EVERY_GENRE)
def song(request):
    composition = compose(11, request.param)
    return composition, render(composition, RATE)


def test_every_stem_stands_at_its_loudness_relative_to_the_bass(song):
    composition, loaded = song
    meter = pyloudnorm.Meter(loaded.sample_rate)
    loudness = {role: meter.integrated_loudness(stem[0] / 32768.0) for role, stem in loaded.stems.items()}
    for role in STEMS:
        assert loudness[role] - loudness["bass"] == pytest.approx(composition.target_db[role], abs=0.1)


def test_the_mixture_peaks_at_its_headroom_and_no_stem_clips(song):
    _, loaded = song
    mixture = np.sum([stem.astype(np.float64) for stem in loaded.stems.values()], axis=0) / 32768.0
    assert 20 * np.log10(np.abs(mixture).max()) == pytest.approx(MIXTURE_PEAK_DBFS, abs=0.5)
    assert max(int(np.abs(stem.astype(np.int32)).max()) for stem in loaded.stems.values()) < 32000


def test_stems_are_mono_sixteen_bit_and_of_one_length(song):
    composition, loaded = song
    assert tuple(loaded.stems) == STEMS
    for stem in loaded.stems.values():
        assert stem.dtype == np.int16
        assert stem.shape == (1, round(composition.duration_s * RATE))


def test_stems_stand_far_above_rounding_noise_and_have_no_offset(song):
    _, loaded = song
    for stem in loaded.stems.values():
        samples = stem[0].astype(np.float64)
        assert 20 * np.log10(np.sqrt(np.mean(samples**2)) * np.sqrt(12)) > 40
        assert abs(samples.mean()) < 0.02 * np.sqrt(np.mean(samples**2))


def test_all_stems_sound_in_every_ten_seconds(song):
    _, loaded = song
    for start in (0, 5 * RATE, 10 * RATE):
        for role, stem in loaded.stems.items():
            clip = stem[0, start : start + 10 * RATE].astype(np.float32) / 32768
            assert active_frame_ratio(clip, RATE) > 0.35, role


def test_a_song_renders_at_a_rate_for_listening():
    composition = compose(3, "house", duration_s=4.0)
    loaded = render(composition, 44100)
    meter = pyloudnorm.Meter(44100)
    loudness = {role: meter.integrated_loudness(stem[0] / 32768.0) for role, stem in loaded.stems.items()}
    assert loaded.stems["bass"].shape == (1, 4 * 44100)
    assert loudness["vocals"] - loudness["bass"] == pytest.approx(composition.target_db["vocals"], abs=0.1)


def test_the_bass_sounds_at_the_pitch_that_is_written():
    composition = compose(1, "ambient")
    bass = render(composition, RATE).stems["bass"][0].astype(np.float64)
    notes = composition.notes["bass"]
    longest = int(np.argmax(np.where(notes.start_s + notes.duration_s < composition.duration_s, notes.duration_s, 0)))
    start = round((notes.start_s[longest] + 0.2) * RATE)
    tone = bass[start : start + RATE] * np.hanning(RATE)
    spectrum = np.abs(np.fft.rfft(tone, 16 * RATE))
    hz = np.fft.rfftfreq(16 * RATE, 1 / RATE)
    written = midi_to_hz(notes.pitch_midi[longest])
    near = (hz > 0.9 * written) & (hz < 1.1 * written)
    found = hz[near][np.argmax(spectrum[near])]
    assert abs(1200 * np.log2(found / written)) < 20


def test_a_wavetable_holds_the_harmonics_it_was_given():
    spectrum = np.abs(np.fft.rfft(wavetable(np.array([1.0, 0.0, 0.5])))) / (TABLE_SIZE / 2)
    assert spectrum[1:4] == pytest.approx([1.0, 0.0, 0.5], abs=1e-5)


def test_a_longer_vocal_tract_lowers_the_formants():
    hz = np.arange(200.0, 1000.0)
    peak_hz = [hz[np.argmax(formant_gain(hz, "e", scale))] for scale in (0.9, 1.0, 1.2)]
    assert peak_hz == pytest.approx([0.9 * 530, 530, 1.2 * 530], abs=5)
