"""Rebalanced files sound as advised, keep their rate and channels, and replace nothing."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from mixlab.advising.apply import plan_outputs, render
from mixlab.audio.levels import rms_dbfs
from mixlab.errors import ConfigError, InputFileError, StorageError
from mixlab.multitrack.tracks import with_sides


def rebalance(folder, tracks, gains_db):
    return render(plan_outputs(folder, [track.path for track in tracks], overwrite=False), tracks, gains_db)


def level_dbfs(path):
    return rms_dbfs(soundfile.read(path)[0])


def test_each_track_changes_by_its_roles_gain_and_keeps_its_rate_and_channels(tmp_path, write_tone, track_of):
    files = {
        "bass": write_tone("bass.wav", 2.0, 44100, channels=2),
        "drums": write_tone("drums.flac", 1.5, 48000),
        "vocals": write_tone("vocals.ogg", 1.0, 22050),
    }
    tracks = [track_of(path, role) for role, path in files.items()]
    result = rebalance(tmp_path / "out", tracks, {"drums": 4.5, "vocals": -6.0})
    changes = [level_dbfs(out) - level_dbfs(path) for out, path in zip(result.files, files.values(), strict=False)]
    assert changes == pytest.approx([0.0, 4.5, -6.0], abs=0.01)
    shapes = [(soundfile.info(out).samplerate, soundfile.info(out).channels) for out in result.files]
    assert shapes == [(44100, 2), (48000, 1), (22050, 1), (48000, 2)]
    assert [path.name for path in result.files] == ["bass.wav", "drums.wav", "vocals.wav", "mix.wav"]
    assert result.trim_db == 0.0


def test_the_mix_is_the_sum_and_as_long_as_the_longest_track(tmp_path, write_tone, track_of):
    tracks = [
        track_of(write_tone("bass.wav", 2.0, channels=2), "bass"),
        track_of(write_tone("drums.wav", 1.0), "drums"),
    ]
    *written, mix = rebalance(tmp_path / "out", tracks, {"drums": 3.0}).files
    bass, drums = (soundfile.read(path)[0] for path in written)
    expected = bass.copy()
    expected[: len(drums)] += drums[:, None]
    np.testing.assert_allclose(soundfile.read(mix)[0], expected, atol=1e-6)


def test_files_of_one_role_all_get_its_gain(tmp_path, write_tone, track_of):
    tracks = [track_of(write_tone(name, 1.0), "drums") for name in ("kick.wav", "snare.wav")]
    result = rebalance(tmp_path / "out", tracks, {"drums": -5.0})
    for track, written in zip(tracks, result.files, strict=False):
        assert level_dbfs(written) - level_dbfs(track.path) == pytest.approx(-5.0, abs=0.01)


def test_split_stereo_is_written_as_it_came_and_mixed_to_its_sides(tmp_path, write_tone, track_of):
    paths = [write_tone(name, 1.0) for name in ("bass.wav", "drums.L.wav", "drums.R.wav")]
    tracks = with_sides([track_of(path, path.name.split(".")[0]) for path in paths])
    bass, left, right, mix = (
        soundfile.read(path)[0] for path in rebalance(tmp_path / "out", tracks, {"drums": -6.0}).files
    )
    assert left.ndim == right.ndim == 1
    np.testing.assert_allclose(mix, np.stack([bass + left, bass + right], axis=1), atol=1e-6)


@pytest.mark.parametrize(("amplitude", "gain_db"), [(0.5, 12.0), (0.8, 0.0)], ids=["a track", "only the sum"])
def test_what_would_clip_gets_one_trim_for_all_files(tmp_path, write_tone, track_of, amplitude, gain_db):
    tracks = [
        track_of(write_tone("bass.wav", 1.0, amplitude=amplitude), "bass"),
        track_of(write_tone("drums.wav", 1.0, amplitude=amplitude), "drums"),
    ]
    result = rebalance(tmp_path / "out", tracks, {"drums": gain_db})
    assert result.trim_db < 0.0
    assert result.trim_db * 10 == pytest.approx(round(result.trim_db * 10))
    bass, drums, mix = result.files
    assert level_dbfs(bass) - level_dbfs(tracks[0].path) == pytest.approx(result.trim_db, abs=0.01)
    assert level_dbfs(drums) - level_dbfs(tracks[1].path) == pytest.approx(gain_db + result.trim_db, abs=0.01)
    peak = np.abs(soundfile.read(mix)[0]).max()
    assert 10 ** (-0.11 / 20) < peak < 1.0
    np.testing.assert_allclose(soundfile.read(mix)[0], soundfile.read(bass)[0] + soundfile.read(drums)[0], atol=1e-6)


def test_files_of_one_name_and_a_track_called_mix_get_numbers(tmp_path):
    sources = [tmp_path / name for name in ("a/vox.wav", "b/vox.wav", "b/VOX.mp3", "mix.wav")]
    plan = plan_outputs(tmp_path / "out", sources, overwrite=False)
    assert [path.name for path in plan.outputs.values()] == ["vox.wav", "vox_2.wav", "VOX_3.wav", "mix_2.wav"]


def test_a_folder_with_content_is_refused_unless_overwriting_is_asked_for(tmp_path, write_tone, track_of):
    track = track_of(write_tone("bass.wav", 1.0), "bass")
    out = tmp_path / "out"
    out.mkdir()
    (out / "bass.wav").write_text("mine")
    (out / "notes.txt").write_text("keep")
    with pytest.raises(ConfigError, match=r"out is not empty.*overwrite=true"):
        plan_outputs(out, [track.path], overwrite=False)
    assert (out / "bass.wav").read_text() == "mine"
    render(plan_outputs(out, [track.path], overwrite=True), [track], {})
    assert soundfile.info(out / "bass.wav").samplerate == 16000
    assert sorted(path.name for path in out.iterdir()) == ["bass.wav", "mix.wav", "notes.txt"]


def test_the_users_own_files_are_never_replaced(tmp_path, write_tone):
    path = write_tone("bass.wav", 1.0)
    with pytest.raises(ConfigError, match=r"bass\.wav is one of your own tracks"):
        plan_outputs(tmp_path, [path], overwrite=True)


@pytest.mark.parametrize("folder", ["bass.wav", "bass.wav/out"])
def test_a_file_is_no_folder_to_write_to(tmp_path, write_tone, folder):
    path = write_tone("bass.wav", 1.0)
    with pytest.raises(InputFileError, match="cannot be written to"):
        plan_outputs(tmp_path / folder, [path], overwrite=False)


def test_long_files_are_rendered_in_little_memory(tmp_path, track_of):
    with soundfile.SoundFile(tmp_path / "drums.flac", "w", 96_000, 2, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.full((96_000, 2), 0.9, dtype=np.float32))
    whole_mb = 60 * 96_000 * 2 * 4 / 1e6
    tracemalloc.start()
    result = rebalance(tmp_path / "out", [track_of(tmp_path / "drums.flac", "drums")], {"drums": 6.0})
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak_mb < 30 < whole_mb / 1.5
    assert result.trim_db == pytest.approx(-5.1)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, write_tone, track_of, monkeypatch):
    tracks = [track_of(write_tone(name, 2.0), name[:4]) for name in ("bass.wav", "drum.wav")]
    written = []

    def full(self, samples):
        written.append(samples)
        if len(written) == 3:
            raise AssertionError  # as soundfile does on a full disk

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(StorageError, match=r"out cannot be written to \(no space is left\)"):
        rebalance(tmp_path / "out", tracks, {})
    assert list((tmp_path / "out").iterdir()) == []
