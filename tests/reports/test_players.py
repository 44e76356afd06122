"""Players get the source's own sound: its rate and channels, levels as they are, one trim for all three mixes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.levels import rms_dbfs
from mixlab.language.advice import Advice, Move
from mixlab.multitrack.song import LoadedSong, SongEntry
from mixlab.reports.players import PEAK_DBFS, SongPlayer, common_trim_db, mix
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import BorrowedStem, GainError, Problem, PromptCategory

RATE = 44100
FRAMES = 12 * RATE


class OneSong:
    """A source of one song: a mono bass and stereo vocals that are silent on the right."""

    roles = ("bass", "vocals")

    def __init__(self, amplitude):
        time_s = np.arange(FRAMES) / RATE
        bass = amplitude * np.sin(2 * np.pi * 110 * time_s)
        vocals = amplitude * np.sin(2 * np.pi * 440 * time_s)
        stems = {"bass": bass[None], "vocals": np.stack([vocals, 0 * vocals])}
        self.song = LoadedSong({name: samples.astype(np.float32) for name, samples in stems.items()}, RATE)

    def entries(self):
        return [SongEntry("song", "test", "rock", "CC-BY-4.0")]

    def load(self, entry):
        return self.song

    def files(self, entry) -> list[Path]:
        return []

    def identity(self, entry):
        return {}


def problem(*errors, song_id="song", borrowed=()):
    return Problem(
        "song-0", song_id, "test", "rock", 1.0, 10.0, "bass", ("bass", "vocals"),
        tuple(GainError(stem, gain_db) for stem, gain_db in errors), "loud", PromptCategory.AUDIO_ONLY, None, -40.0,
        12.0, 0, borrowed=borrowed,
    )  # fmt: skip


def decoded(uri):
    assert uri.startswith("data:audio/ogg;base64,")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])), always_2d=True)
    return samples.T, rate


def heard(source, *errors, advice=None):
    return SongPlayer(source).heard(Prediction(problem(*errors), "", advice))


def test_the_three_mixes_differ_by_the_error_and_by_nothing_else():
    found = heard(OneSong(0.1), ("vocals", 6.0), advice=Advice((Move.of("vocals", -6.0),)))
    mixes = {name: decoded(uri) for name, uri in found.clips.items()}
    assert list(mixes) == ["with the error", "after the advice", "as it was made"]
    assert all(rate == RATE and samples.shape == (2, 10 * RATE) for samples, rate in mixes.values())
    made, after, faulty = (mixes[name][0] for name in ("as it was made", "after the advice", "with the error"))
    assert np.max(np.abs(made - after)) < 1e-3
    # On the left bass and vocals have one power; on the right is the mono bass alone.
    assert rms_dbfs(faulty[0]) - rms_dbfs(made[0]) == pytest.approx(10 * np.log10((1 + 10**0.6) / 2), abs=0.1)
    assert rms_dbfs(faulty[1]) == pytest.approx(rms_dbfs(made[1]), abs=0.1)
    assert (found.trim_db, found.sample_rate, found.channels) == (0.0, RATE, 2)


def test_what_would_clip_is_trimmed_by_one_gain_for_all_three():
    found = heard(OneSong(0.5), ("vocals", 9.0))
    mixes = [decoded(uri)[0] for uri in found.clips.values()]
    assert found.trim_db < 0
    assert max(np.max(np.abs(samples)) for samples in mixes) < 1.0
    assert rms_dbfs(mixes[2][1]) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)) + found.trim_db, abs=0.1)
    assert f"all three lowered by {-found.trim_db:.1f} dB" in found.caption


def test_the_common_trim_goes_down_to_a_tenth_of_a_db():
    assert common_trim_db([np.full((1, 4), 0.5, dtype=np.float32)]) == 0.0
    assert common_trim_db([np.full((1, 4), 2.0, dtype=np.float32)]) == pytest.approx(PEAK_DBFS - 6.1)


def test_the_reference_of_an_anchor_that_is_off_stands_at_its_level():
    source = OneSong(0.1)
    found = heard(source, ("bass", 6.0), advice=Advice((Move.of("vocals", 6.0),)))
    after, made = (decoded(found.clips[name])[0] for name in ("after the advice", "as it was made"))
    assert np.max(np.abs(made - after)) < 1e-3


def test_a_mix_is_the_sum_of_the_stems_at_the_start_of_the_segment():
    source = OneSong(0.1)
    samples = mix(source.song, problem())
    expected = source.song.stems["vocals"][:, RATE : 11 * RATE] + source.song.stems["bass"][:, RATE : 11 * RATE]
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_songs_that_are_not_there_and_stems_of_other_songs_have_no_players():
    player = SongPlayer(OneSong(0.1))
    assert player.heard(Prediction(problem(song_id="another"), "", None)) is None
    borrowed = (BorrowedStem("vocals", "another", 0.0, 0.0),)
    assert player.heard(Prediction(problem(borrowed=borrowed), "", None)) is None


def test_a_caption_names_the_licence_or_warns():
    found = heard(OneSong(0.1))
    assert "44.1 kHz, stereo" in found.caption
    assert "licence CC-BY-4.0" in found.caption
    assert next(iter(found.clips)) == "as it was given"
