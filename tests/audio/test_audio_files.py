"""Files: what is written is read back, and what is broken is named with its fault."""

import os

import numpy as np
import pytest
import soundfile

from mixlab.audio.files import is_audio_file, read_audio, read_header, resample, to_mono, wav_bytes, write_audio
from mixlab.errors import InputFileError


def noise(channels: int = 2, seconds: float = 1.0, sample_rate: int = 16000) -> np.ndarray:
    shape = (channels, round(seconds * sample_rate))
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
def test_what_is_written_is_read_back_to_24_bits(tmp_path, channels, sample_rate):
    path = tmp_path / "new folder" / "Gesang ÄÖ 歌.wav"
    samples = noise(channels, 0.2, sample_rate)
    write_audio(path, samples, sample_rate)
    read, rate = read_audio(path)
    assert (rate, read.shape, read.dtype) == (sample_rate, samples.shape, np.float32)
    np.testing.assert_allclose(read, samples, atol=2**-23)
    header = read_header(path)
    assert (header.sample_rate, header.channels, header.frames) == (sample_rate, channels, samples.shape[1])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_float_wav_keeps_every_bit_and_has_the_same_bytes_at_any_time(tmp_path, channels):
    samples = np.array([[0.0, -0.0, 1e-42, 3.7, -1.0, 1 / 3]] * channels, dtype=np.float32)
    content = wav_bytes(samples, 16000, "float32")
    (tmp_path / "a.wav").write_bytes(content)
    read, rate = read_audio(tmp_path / "a.wav")
    assert rate == 16000
    assert read.tobytes() == samples.tobytes()
    assert wav_bytes(samples, 16000, "float32") == content
    assert b"PEAK" not in content, "that chunk holds the time of day"


def test_a_24_bit_wav_is_rounded_and_refuses_to_clip(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(noise(1), 8000, "pcm24"))
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav")[0], noise(1), atol=2**-23)
    with pytest.raises(ValueError, match=r"a peak of 1\.25 exceeds full scale"):
        wav_bytes(np.array([[0.5, -1.25]], dtype=np.float32), 8000, "pcm24")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.w64"])
def test_formats_of_soundfile_are_read(tmp_path, name):
    soundfile.write(tmp_path / name, noise(1).T, 16000)
    assert is_audio_file(tmp_path / name)
    samples, rate = read_audio(tmp_path / name)
    assert rate == 16000
    assert abs(samples.shape[1] - 16000) < 4096


def test_a_float_file_above_full_scale_is_not_clipped(tmp_path):
    soundfile.write(tmp_path / "loud.wav", 20 * noise(1).T, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "loud.wav")[0], 20 * noise(1))


def test_writing_what_would_clip_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"loud\.wav would clip"):
        write_audio(tmp_path / "loud.wav", 20 * noise(1), 16000)
    assert not (tmp_path / "loud.wav").exists()


@pytest.mark.parametrize("name", ["cover.jpg", "notes.txt", ".hidden.wav", "wav", "take.raw", "song.als"])
def test_other_files_are_not_taken_for_audio(tmp_path, name):
    assert not is_audio_file(tmp_path / name)


def _cut(path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def _faulty(path, fault: str) -> None:
    samples = noise(2, 5.0)
    if fault == "empty":
        path.write_bytes(b"")
    elif fault == "no samples":
        soundfile.write(path, samples[:, :0].T, 16000)
    elif fault == "not audio":
        path.write_bytes(b"<html>404</html>" * 100)
    elif fault in ("nan", "infinite"):
        samples[0, 7000] = np.nan if fault == "nan" else np.inf
        soundfile.write(path, samples.T, 16000, subtype="FLOAT")
    elif fault == "a folder":
        path.mkdir()
    elif fault == "truncated":
        soundfile.write(path, samples.T, 16000)
        _cut(path, 0.5)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("missing", "is not a file"),
        ("a folder", "is not a file"),
        ("empty", "the file is empty"),
        ("no samples", "holds no samples"),
        ("not audio", "cannot be read as audio"),
        ("truncated", "breaks off"),
        ("nan", "not finite"),
        ("infinite", "not finite"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path, fault, says):
    path = tmp_path / "vocals.wav"
    _faulty(path, fault)
    with pytest.raises(InputFileError, match=says) as raised:
        read_audio(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("fault", ["missing", "empty", "no samples", "not audio", "truncated"])
def test_most_faults_show_in_the_header_before_anything_is_read(tmp_path, fault):
    path = tmp_path / "vocals.wav"
    _faulty(path, fault)
    with pytest.raises(InputFileError, match=r"vocals\.wav"):
        read_header(path)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.aiff"])
def test_files_of_other_formats_that_break_off_are_named(tmp_path, name):
    soundfile.write(tmp_path / name, noise(2, 5.0).T, 16000)
    _cut(tmp_path / name, 0.5)
    with pytest.raises(InputFileError, match=name):
        read_audio(tmp_path / name)


def test_a_wav_from_a_pipe_that_declares_no_size_is_read(tmp_path):
    path = tmp_path / "streamed.wav"
    write_audio(path, noise(), 16000)
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    assert read_audio(path)[0].shape == (2, 16000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(tmp_path):
    write_audio(tmp_path / "a.wav", noise(), 16000)
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(InputFileError, match=r"a\.wav"):
        read_audio(tmp_path / "a.wav")


def test_mono_is_the_mean_of_the_channels():
    samples = noise(2)
    np.testing.assert_allclose(to_mono(samples), (samples[0] + samples[1]) / 2, atol=1e-7)
    assert to_mono(samples).dtype == np.float32


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (48000, 16000), (8000, 16000), (16000, 44100)])
def test_resampling_keeps_duration_level_and_pitch(from_rate, to_rate):
    def sine(rate):
        return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)).astype(np.float32)

    heard = resample(sine(from_rate)[None], from_rate, to_rate)
    assert heard.shape == (1, to_rate)
    assert heard.dtype == np.float32
    inner = slice(to_rate // 10, -to_rate // 10)
    np.testing.assert_allclose(heard[0, inner], sine(to_rate)[inner], atol=5e-3)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    high = np.sin(2 * np.pi * 12000 * np.arange(44100) / 44100).astype(np.float32)
    assert np.abs(resample(high[None], 44100, 16000)[:, 1000:-1000]).max() < 0.01


def test_the_same_rate_returns_the_same_samples():
    samples = noise()
    assert resample(samples, 16000, 16000) is samples
