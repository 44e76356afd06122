"""Files: what is written is read back, and what is broken is named with its fault."""

import io
import os
import struct
from contextlib import suppress

import numpy as np
import pytest
import soundfile

from mixlab.audio.clocks import time_reference
from mixlab.audio.files import (
    BLOCK_FRAMES,
    is_audio_file,
    read_audio,
    read_blocks,
    read_header,
    to_mono,
    wav_bytes,
    write_audio,
)
from mixlab.errors import InputFileError


def noise(channels: int = 2, seconds: float = 1.0, sample_rate: int = 16000) -> np.ndarray:
    shape = (channels, round(seconds * sample_rate))
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
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


FORMATS = ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au", "a.w64", "a.rf64", "a.caf"]


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_other_formats_that_break_off_are_named(tmp_path, name):
    soundfile.write(tmp_path / name, noise(2, 5.0).T, 16000)
    assert read_header(tmp_path / name).channels == 2
    _cut(tmp_path / name, 0.5)
    # Ogg's last page says how long the sound is, so that what is there passes for whole.
    if name == "a.ogg":
        assert read_audio(tmp_path / name)[0].shape[1] < 60_000
        return
    with pytest.raises(InputFileError, match=name):
        read_audio(tmp_path / name)


def _streamed(path, program: str) -> None:
    """Write what a program sends down a pipe: a header from before the length was known."""
    kind = program.split()[1].upper()
    soundfile.write(path, noise().T, 16000, format=kind, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    if kind == "WAV":
        assert data[36:40] == b"data"
        size = {"ffmpeg": 0xFFFFFFFF, "sox": 0x7FFFF000, "arecord": 0x80000000}[program.split()[0]]
        data[4:8], data[40:44] = struct.pack("<I", min(size + 36, 0xFFFFFFFF)), struct.pack("<I", size)
    elif kind == "AIFF":
        assert (data[12:16], data[38:42]) == (b"COMM", b"SSND")
        size, frames = {"ffmpeg": (0, 0), "sox": (0x7F000008, 0x7F000000 // 4)}[program.split()[0]]
        data[4:8], data[22:26], data[42:46] = (struct.pack(">I", value) for value in (size + 38, frames, size))
    else:
        assert data[4] & 0x7F == 0, "STREAMINFO, whose number of samples is 36 bits from the 108th on"
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("program", ["ffmpeg wav", "sox wav", "arecord wav", "ffmpeg aiff", "sox aiff", "flac flac"])
def test_a_file_from_a_pipe_that_declares_no_length_is_read_whole(tmp_path, program):
    path = tmp_path / "streamed"
    _streamed(path, program)
    assert read_header(path).frames == 16000
    assert read_audio(path)[0].shape == (2, 16000)


@pytest.mark.parametrize("channels", [3, 6])
def test_more_than_two_channels_are_refused_since_their_level_would_hang_on_the_layout(tmp_path, channels):
    soundfile.write(tmp_path / "drums.wav", noise(channels).T, 16000)
    for read in (read_header, read_audio):
        with pytest.raises(InputFileError, match=rf"drums\.wav has {channels} channels.*fold it down to stereo"):
            read(tmp_path / "drums.wav")


@pytest.mark.parametrize("rate", [1, 4000, 2_000_000_000])
def test_a_rate_that_no_sound_has_is_named_before_anything_is_computed_from_it(tmp_path, rate):
    write_audio(tmp_path / "bass.wav", noise(), 16000)
    data = bytearray((tmp_path / "bass.wav").read_bytes())
    data[24:28] = struct.pack("<I", rate)
    (tmp_path / "bass.wav").write_bytes(data)
    with pytest.raises(InputFileError, match=rf"bass\.wav has a rate of {rate} Hz"):
        read_header(tmp_path / "bass.wav")


@pytest.mark.parametrize(("sample", "says"), [(1e30, "a sample of 1e.30, 600 dB above full"), (-1001.0, "a sample of")])
def test_a_single_absurd_sample_is_named(tmp_path, sample, says):
    samples = noise(1, 30.0)
    samples[0, 400_000] = sample
    soundfile.write(tmp_path / "bass.wav", samples.T, 16000, subtype="FLOAT")
    with pytest.raises(InputFileError, match=rf"bass\.wav holds {says}"):
        read_audio(tmp_path / "bass.wav")


def test_a_sample_beyond_the_range_of_float32_is_named(tmp_path):
    samples = noise(1).astype(np.float64)
    samples[0, 5] = 1e300
    soundfile.write(tmp_path / "bass.wav", samples.T, 16000, subtype="DOUBLE")
    with pytest.raises(InputFileError, match=r"bass\.wav holds samples that are not finite"):
        read_audio(tmp_path / "bass.wav")


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_are_what_a_whole_read_gives(tmp_path, name):
    soundfile.write(tmp_path / name, noise(2, 20.0).T, 16000)
    blocks = list(read_blocks(tmp_path / name))
    assert max(block.shape[1] for block in blocks) == BLOCK_FRAMES < 320_000
    with soundfile.SoundFile(tmp_path / name) as file:
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), file.read(dtype="float32").T)


def test_a_part_of_a_file_is_read_alone_and_ends_with_the_file(tmp_path):
    samples = noise(2, 20.0)
    soundfile.write(tmp_path / "a.wav", samples.T, 16000, subtype="FLOAT")
    part = np.concatenate(list(read_blocks(tmp_path / "a.wav", 1.0, 15.0)), axis=1)
    np.testing.assert_array_equal(part, samples[:, 16000:256_000])
    assert [block.shape for block in read_blocks(tmp_path / "a.wav", 19.5, 2.0)] == [(2, 8000)]
    assert list(read_blocks(tmp_path / "a.wav", 21.0, 2.0)) == []


def test_a_part_of_a_flac_from_a_pipe_is_the_same(tmp_path):
    _streamed(tmp_path / "a.flac", "flac flac")
    whole, _ = read_audio(tmp_path / "a.flac")
    (part,) = read_blocks(tmp_path / "a.flac", 0.25, 0.5)
    np.testing.assert_array_equal(part, whole[:, 4000:12000])


def _without_tag(path) -> None:
    """Take the first frame out of an MP3, in which its encoder tells length and delay."""
    data = path.read_bytes()
    assert b"Xing" in data[:64] or b"Info" in data[:64]
    path.write_bytes(data[data.index(data[:2], 200) :])


def test_an_mp3_without_its_encoders_delay_says_so_and_starts_late(tmp_path):
    path, samples = tmp_path / "a.mp3", 0 * noise(1, 20.0)
    samples[0, 200_000:200_100] = np.hanning(100)
    samples[:, 240_000:] = noise(1, 5.0)
    soundfile.write(path, samples.T, 16000, bitrate_mode="CONSTANT", compression_level=0.5)
    header = read_header(path)
    assert (header.delay_is_known, header.frames) == (True, 320_000)
    assert abs(np.argmax(np.abs(read_audio(path)[0][0, :230_000])) - 200_050) < 3
    _without_tag(path)
    header = read_header(path)
    assert not header.delay_is_known
    assert header.frames == read_audio(path)[0].shape[1]
    late = np.argmax(np.abs(read_audio(path)[0][0, :230_000])) - 200_050
    assert late == pytest.approx(1105, abs=3)
    (part,) = read_blocks(path, 12.0, 1.0)
    assert np.argmax(np.abs(part)) == pytest.approx(8050 + 1105, abs=3)


def test_an_mp3_of_variable_bit_rate_without_its_length_is_named_since_it_would_be_cut(tmp_path):
    tone = 0.1 * np.sin(2 * np.pi * 400 * np.arange(160_000) / 16_000)
    soundfile.write(tmp_path / "a.mp3", tone, 16000, bitrate_mode="VARIABLE")
    assert read_header(tmp_path / "a.mp3").frames == 160_000
    _without_tag(tmp_path / "a.mp3")
    with soundfile.SoundFile(tmp_path / "a.mp3") as file:
        assert len(file.read()) < 40_000
    with pytest.raises(InputFileError, match=r"a\.mp3 is an MP3 of variable bit rate that does not tell its length"):
        read_header(tmp_path / "a.mp3")


def test_an_mp3_behind_a_tag_with_a_picture_still_tells_its_delay(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise().T, 16000)
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x10" + bytes(2 * 128 + 16) + path.read_bytes())
    assert read_header(path).delay_is_known


def _with_time_reference(path, samples: int, before: bytes = b"") -> None:
    """Put a bext chunk (EBU Tech 3285) before the sound of a WAV."""
    data = path.read_bytes()
    body = bytes(338) + struct.pack("<QH", samples, 1) + bytes(254)
    chunk = before + b"bext" + struct.pack("<I", len(body)) + body
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:12] + chunk + data[12:])


@pytest.mark.parametrize("before", [b"", b"JUNK\x03\0\0\0abc\0"], ids=["first", "after an odd chunk"])
def test_a_broadcast_wave_tells_when_it_starts(tmp_path, before):
    write_audio(tmp_path / "a.wav", noise(), 16000)
    assert read_header(tmp_path / "a.wav").start_s is None
    _with_time_reference(tmp_path / "a.wav", 36_000 * 16_000 + 8000, before)
    assert read_header(tmp_path / "a.wav").start_s == 36_000.5
    assert read_audio(tmp_path / "a.wav")[0].shape == (2, 16000)


@pytest.mark.parametrize("kept", [30, 300, 360])
def test_a_time_reference_that_breaks_off_is_none(tmp_path, kept):
    path = tmp_path / "a.wav"
    write_audio(path, noise(), 16000)
    _with_time_reference(path, 16_000)
    path.write_bytes(path.read_bytes()[:kept])
    assert time_reference(path) is None


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with bytes changed, cut out, doubled or put in; more often in its header than in its sound."""
    mutated = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, min(len(mutated), 128 if rng.random() < 0.4 else len(mutated))))
        span = int(rng.integers(1, 9))
        kind = rng.integers(0, 5)
        if kind == 0:
            mutated[at : at + span] = rng.bytes(span)
        elif kind == 1:
            mutated[at : at + span] = bytes([rng.choice([0, 1, 127, 128, 255])]) * span
        elif kind == 2:
            del mutated[at : at + span * int(rng.integers(1, 400))]
        elif kind == 3:
            mutated[at:at] = mutated[at : at + 300]
        else:
            del mutated[max(1, at) :]
        if not mutated:
            return b""
    return bytes(mutated)


def test_500_mutated_files_are_read_or_refused_with_a_sentence(tmp_path):
    whole = []
    for name, subtypes in {"WAV": ["PCM_16", "FLOAT", "MS_ADPCM"], "WAVEX": ["PCM_24"], "AIFF": ["PCM_16"],
                           "FLAC": ["PCM_16"], "OGG": ["VORBIS", "OPUS"], "MP3": ["MPEG_LAYER_III"], "AU": ["ULAW"],
                           "W64": ["PCM_16"], "RF64": ["PCM_16"], "CAF": ["ALAC_16"]}.items():  # fmt: skip
        for subtype in subtypes:
            file = io.BytesIO()
            soundfile.write(file, noise(2, 0.5).T, 16000, format=name, subtype=subtype)
            whole.append((name, file.getvalue()))
    read = 0
    for number in range(500):
        name, data = whole[number % len(whole)]
        path = tmp_path / f"{number}.{name.lower()}"
        path.write_bytes(_mutated(data, np.random.default_rng(number)))
        with suppress(InputFileError):
            header = read_header(path)
            samples, rate = read_audio(path)
            assert samples.shape[0] == header.channels <= 2
            assert rate == header.sample_rate
            assert np.abs(samples).max() <= 1000.0
            path.unlink()
            read += 1
    refused = list(tmp_path.iterdir())
    for path in refused:
        with pytest.raises(InputFileError) as raised:
            read_audio(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    assert min(read, len(refused)) > 100


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
