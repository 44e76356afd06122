"""Tracks of a song summed and heard block by block."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.blocks import resample
from mixlab.audio.files import AudioHeader, read_audio, read_header, to_mono
from mixlab.audio.loudness import k_weighted_power
from mixlab.multitrack.tracks import RoleSums, Track, hear_role, heard_notes, mixed, with_sides

RATE = 16_000


def noise(seconds=2.0, rate=RATE, channels=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))).astype(np.float32)


@pytest.fixture
def track(tmp_path):
    """Writes a file and gives the track that it is."""

    def write(name, samples, rate=RATE, role="drums"):
        path = tmp_path / name
        soundfile.write(path, samples.T, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
        return Track(path, role, read_header(path))

    return write


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (16_000, 2), (44_100, 2), (192_000, 1)])
def test_a_file_is_heard_as_its_mono_at_the_models_rate_and_measured_as_it_is(track, rate, channels):
    one = track("kick.wav", noise(9.4, rate, channels), rate)
    heard = hear_role([one], RATE)
    samples, _ = read_audio(one.path)
    np.testing.assert_array_equal(heard.samples, resample(to_mono(samples), rate, RATE))
    np.testing.assert_array_equal(heard.k_power, k_weighted_power(samples, rate))
    assert heard.duration_s == pytest.approx(9.4)


def test_files_of_one_role_are_heard_as_their_sum_with_their_gain(track):
    tracks = [track("kick.wav", noise(2.0)), track("snare.wav", noise(1.0, channels=2, seed=1))]
    wanted = noise(2.0) + np.pad(noise(1.0, channels=2, seed=1), ((0, 0), (0, RATE)))
    np.testing.assert_allclose(hear_role(tracks, RATE).samples, to_mono(wanted), atol=1e-7)
    np.testing.assert_allclose(hear_role(tracks, RATE, {"drums": 6.0}).samples, to_mono(wanted) * 1.9953, atol=1e-4)


def test_every_track_is_seen_at_its_own_rate_on_its_way_into_the_sum(track):
    tracks = [track("kick.wav", noise(1.0)), track("snare.wav", noise(1.0, 8000, seed=1), 8000)]
    seen = {}
    blocks = list(mixed(tracks, RATE, watch=lambda one, block: seen.setdefault(one.name, []).append(block)))
    np.testing.assert_array_equal(np.concatenate(seen["snare.wav"], axis=1), noise(1.0, 8000, seed=1))
    wanted = noise(1.0) + resample(noise(1.0, 8000, seed=1), 8000, RATE)
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), wanted, atol=1e-6)


def test_sums_that_are_asked_for_whole_are_of_one_length(track):
    sums = RoleSums([track("kick.wav", noise(1.0)), track("bass.wav", noise(0.95), role="bass")])
    assert {role: samples.shape for role, samples in sums.items()} == {"drums": (1, RATE), "bass": (1, RATE)}
    np.testing.assert_array_equal(sums["bass"][:, 15_200:], 0.0)


def sides(*names, channels=1, role="drums"):
    tracks = [Track(Path("Song", name), role, AudioHeader(1, RATE, channels)) for name in names]
    return [track.side for track in with_sides(tracks)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("drums.L.wav", "drums.R.wav"), ("drums_L.wav", "drums_R.wav"), ("drums-l.wav", "drums-r.wav"),
        ("drums (L).wav", "drums (R).wav"), ("Drums [Left].flac", "Drums [Right].flac"), ("DrumsL.wav", "DrumsR.wav"),
        ("drumsLeft.wav", "drumsRight.wav"), ("OH L_02.wav", "OH R_02.wav"), ("L drums.wav", "R drums.wav"),
        ("Schlagzeug links.wav", "Schlagzeug rechts.wav"), ("Left L.wav", "Left R.wav"), ("a.L.wav", "A.R.WAV"),
    ],
)  # fmt: skip
def test_mono_files_named_as_sides_are_one_stereo_track_in_any_order(left, right):
    assert sides(left, right, "drums.wav") == [0, 1, None]
    assert sides(right, "drums.wav", left) == [1, None, 0]


@pytest.mark.parametrize(
    "names",
    [
        ("drums.L.wav", "drums.wav"), ("drums.L.wav", "toms.R.wav"), ("drums.L.wav", "drums.Right.wav"),
        ("drums.L.wav", "drums.R.flac"), ("Sub/drums.L.wav", "drums.R.wav"), ("L.A. bass.wav", "R&B bass.wav"),
        ("vocal.wav", "vocar.wav"), ("kick 1.wav", "kick 2.wav"), ("toml.wav", "tomr.wav"),
        ("drums.L.wav", "drums_L.wav", "drums.R.wav", "drums_R 2.wav", "drums.l.wav"),
    ],
)  # fmt: skip
def test_other_files_are_no_sides(names):
    assert set(sides(*names)) == {None}


def test_stereo_files_and_files_of_two_roles_are_no_sides():
    assert sides("drums.L.wav", "drums.R.wav", channels=2) == [None, None]
    header = AudioHeader(1, RATE, 1)
    tracks = [Track(Path("a.L.wav"), "drums", header), Track(Path("a.R.wav"), "other", header)]
    assert [track.side for track in with_sides(tracks)] == [None, None]


def test_split_stereo_is_heard_and_measured_as_the_stereo_file_that_it_was(track):
    stereo = noise(9.0, 44_100, 2)
    whole = hear_role([track("drums.wav", stereo, 44_100)], RATE)
    pair = with_sides([track("drums.R.wav", stereo[1:], 44_100), track("drums.L.wav", stereo[:1], 44_100)])
    split = hear_role(pair, RATE)
    np.testing.assert_array_equal(split.samples, whole.samples)
    np.testing.assert_array_equal(split.k_power, whole.k_power)
    np.testing.assert_array_equal(np.concatenate(list(mixed(pair, 44_100)), axis=1), stereo)


@pytest.mark.parametrize(
    ("right", "loss_db"),
    [(1.0, 0.0), (0.0, 3.0), (0.5, 0.5), (-0.5, 10.0), (-1.0, np.inf)],
    ids=["alike", "left alone", "half", "inverted by half", "inverted"],
)
def test_what_mono_loses_is_measured_before_channels_are_summed(track, right, loss_db):
    left = noise(2.0)
    heard = hear_role([track("pad.wav", np.concatenate([left, right * left]).astype(np.float32))], RATE)
    assert heard.mono_loss_db == pytest.approx(loss_db, abs=0.05)
    assert bool(heard_notes("pad.wav", heard)) == (loss_db > 4.0)


def test_strangers_and_silence_are_not_taken_for_channels_that_cancel(track):
    wide = hear_role([track("pad.wav", noise(5.0, channels=2))], RATE)
    assert wide.mono_loss_db == pytest.approx(3.0, abs=0.2)
    assert heard_notes("pad.wav", wide) == []
    assert hear_role([track("rest.wav", np.zeros((2, 800), dtype=np.float32))], RATE).mono_loss_db == 0.0


def test_a_mono_stem_counts_in_a_stereo_song_as_both_of_its_channels(track):
    mono = hear_role([track("bass.wav", noise(3.0))], RATE)
    stereo = hear_role([track("bass 2.wav", np.repeat(noise(3.0), 2, axis=0))], RATE)
    np.testing.assert_allclose(mono.k_power_in(2), stereo.k_power_in(2), rtol=1e-12)
    np.testing.assert_array_equal(mono.k_power_in(1), mono.k_power)


@pytest.fixture
def silence(tmp_path):
    """Minutes of silence in 192 kHz stereo, which FLAC packs into nothing."""

    def write(name, minutes):
        with soundfile.SoundFile(tmp_path / name, "w", 192_000, 2, "PCM_16", format="FLAC") as file:
            for _ in range(round(60 * minutes)):
                file.write(np.zeros((192_000, 2), dtype=np.float32))
        return tmp_path / name

    return write


def test_a_long_file_is_heard_in_little_memory(silence):
    path = silence("drums.flac", 1.0)
    one = Track(path, "drums", read_header(path))
    whole_mb = 60 * 192_000 * 2 * 4 / 1e6
    tracemalloc.start()
    hear_role([one], RATE)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak_mb < 40 < whole_mb / 2


MEASURE = """
import resource, sys
from pathlib import Path
from mixlab.audio.files import read_header
from mixlab.advising.session import Session
from mixlab.multitrack.tracks import Track, hear_role
from mixlab.web.drawing import peaks
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = Path(sys.argv[1])
peaks(path)
tracks = [Track(path, role, read_header(path)) for role in ("bass", "drums", "vocals", "other")]
heard = {track.role: hear_role([track], 16_000) for track in tracks}
Session.of(heard, 16_000, "bass").segments(10.0, -32.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle)
"""


@pytest.mark.slow
def test_a_quarter_of_an_hour_of_192_khz_takes_less_than_half_a_gigabyte(silence):
    path = silence("drums.flac", 15.0)
    assert path.stat().st_size < 1_000_000
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500_000 * (1 if sys.platform == "linux" else 1024)
