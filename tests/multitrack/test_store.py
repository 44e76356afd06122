"""The store: songs are prepared once, a killed preparation goes on, and samples come back as they were."""

import hashlib
import socket
import subprocess
from dataclasses import dataclass, field

import numpy as np
import pyloudnorm
import pytest

from mixlab.errors import InputFileError, MixlabError
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry
from mixlab.multitrack.store import FRAME_S

RATE = 16000


def noise(seconds: float = 2.0, channels: int = 1, seed: int = 0, rate: int = RATE) -> np.ndarray:
    shape = (channels, round(seconds * rate))
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@dataclass
class Shelf:
    """A source that holds its songs in memory and counts how often each is loaded."""

    songs: dict[str, LoadedSong]
    split: str = "train"
    version: int = 1
    loads: list[str] = field(default_factory=list)
    roles = STEMS

    def identity(self, entry):
        return {"shelf": self.version, "song": entry.song_id}

    def files(self, entry):
        return ()

    def entries(self):
        return [SongEntry(song_id, self.split, genre="jazz", licence="CC0-1.0") for song_id in sorted(self.songs)]

    def load(self, entry):
        self.loads.append(entry.song_id)
        if self.songs[entry.song_id] is None:
            raise InputFileError(f"{entry.song_id}/bass.wav cannot be read")
        return self.songs[entry.song_id]


def shelf(*song_ids: str) -> Shelf:
    """Songs of noise; each of its own."""
    seeds = dict(zip(song_ids, range(1, 99, 2), strict=False))
    return Shelf(
        {
            name: LoadedSong({"bass": noise(seed=seed), "drums": noise(seed=seed + 1)}, RATE)
            for name, seed in seeds.items()
        }
    )


def bytes_of(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def dead_process() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_songs_are_prepared_once(tmp_path):
    source = shelf("a", "b")
    first = prepare(source, tmp_path, RATE, workers=1)
    second = prepare(source, tmp_path, RATE, workers=1)
    assert source.loads == ["a", "b"]
    assert first.songs == second.songs


def test_another_source_or_rate_has_other_files(tmp_path):
    source = shelf("a")
    keys = {prepare(source, tmp_path, rate, workers=1).songs["a"].key for rate in (RATE, 8000)}
    source.version = 2
    keys.add(prepare(source, tmp_path, RATE, workers=1).songs["a"].key)
    assert len(keys) == 3


def test_a_song_that_is_added_leaves_the_others_as_they_are(tmp_path):
    prepare(shelf("a", "b"), tmp_path, RATE, workers=1)
    grown = shelf("a", "b", "c")
    prepare(grown, tmp_path, RATE, workers=1)
    assert grown.loads == ["c"]


def test_a_killed_preparation_goes_on_where_it_stopped(tmp_path):
    source = shelf("a", "b", "c")
    store = prepare(source, tmp_path, RATE, workers=1)
    before = bytes_of(store.folder)
    # What a kill leaves behind: song b's samples half written under a temporary name, nothing that describes them.
    stem = store.songs["b"].key
    for suffix in ("json", "npy", "levels.npz"):
        (store.folder / f"{stem}.{suffix}").unlink()
    (store.folder / f".tmp-{socket.gethostname()}-{dead_process()}-{stem}.npy").write_bytes(b"half")
    (store.folder / f"{store.songs['c'].key}.json").unlink()
    source.loads.clear()
    prepare(source, tmp_path, RATE, workers=1)
    assert source.loads == ["b", "c"]
    assert bytes_of(store.folder) == before


def test_two_processes_prepare_the_same_bytes_as_one(tmp_path):
    source = DemoSource(train_songs=8, validation_songs=0, test_songs=0, shifted_songs=0, duration_s=2.0)
    one = prepare(source, tmp_path / "one", RATE, workers=1)
    two = prepare(source, tmp_path / "two", RATE, workers=2)
    assert bytes_of(one.folder) == bytes_of(two.folder)


def test_a_change_of_splits_prepares_nothing_anew(tmp_path):
    source = shelf("a")
    prepare(source, tmp_path, RATE, workers=1)
    source.split = "test"
    assert prepare(source, tmp_path, RATE, workers=1).songs["a"].split == "test"
    assert source.loads == ["a"]


def test_float_samples_at_the_models_rate_stay_as_they_are(tmp_path):
    source = shelf("a")
    read = prepare(source, tmp_path, RATE, workers=1).read("a", ["bass", "drums"], 0.0, 2.0)
    assert read["bass"].dtype == np.float32
    np.testing.assert_array_equal(read["bass"], source.songs["a"].stems["bass"][0])
    np.testing.assert_array_equal(read["drums"], source.songs["a"].stems["drums"][0])


def test_16_bit_samples_stay_exact(tmp_path):
    ramp = np.random.default_rng(0).permutation(np.arange(-32768, 32768)).astype(np.int16)[None]
    source = Shelf({"a": LoadedSong({"bass": ramp}, RATE)})
    store = prepare(source, tmp_path, RATE, workers=1)
    read = store.read("a", ["bass"], 0.0, store.songs["a"].duration_s)["bass"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read * 32768, ramp[0].astype(np.float32))
    assert np.load(store.folder / f"{store.songs['a'].key}.npy", mmap_mode="r").dtype == np.int16


def test_a_segment_is_a_stretch_of_the_song_padded_past_its_end(tmp_path):
    source = shelf("a")
    whole = source.songs["a"].stems["bass"][0]
    store = prepare(source, tmp_path, RATE, workers=1)
    np.testing.assert_array_equal(store.read("a", ["bass"], 0.5, 1.0)["bass"], whole[8000:24000])
    tail = store.read("a", ["bass"], 1.5, 1.0)["bass"]
    np.testing.assert_array_equal(tail, np.concatenate([whole[24000:], np.zeros(8000, np.float32)]))


def test_a_stereo_song_at_another_rate_is_heard_in_mono_at_the_models_rate_and_measured_at_its_own(tmp_path):
    stereo = noise(3.0, channels=2, rate=44100)
    store = prepare(Shelf({"a": LoadedSong({"bass": stereo}, 44100)}), tmp_path, RATE, workers=1)
    song = store.songs["a"]
    assert (song.sample_rate, song.duration_s) == (RATE, pytest.approx(3.0))
    assert store.read("a", ["bass"], 0.0, 3.0)["bass"].shape == (48000,)
    reference = pyloudnorm.Meter(44100).integrated_loudness(stereo.T)
    assert song.song_lufs["bass"] == pytest.approx(reference, abs=0.01)


def test_level_tracks_measure_each_stem_and_the_mixture(tmp_path):
    source = shelf("a")
    levels = prepare(source, tmp_path, RATE, workers=1).levels("a")
    stems = source.songs["a"].stems
    assert levels.k_power.shape == (2, 20)
    assert levels.power.shape == (3, round(2.0 / FRAME_S))
    frame = round(FRAME_S * RATE)
    mixture = stems["bass"][0] + stems["drums"][0]
    np.testing.assert_allclose(levels.power[-1, 3], np.mean(mixture[3 * frame : 4 * frame] ** 2), rtol=1e-5)
    np.testing.assert_allclose(levels.power[0, 3], np.mean(stems["bass"][0, 3 * frame : 4 * frame] ** 2), rtol=1e-5)


@pytest.mark.parametrize("song_id", ['Žluťoučký kůň / 曲 №1: "live"?', "../../etc/passwd", "x" * 5000, "a\nb", " "])
def test_a_song_id_may_be_any_text(tmp_path, song_id):
    source = shelf(song_id)
    store = prepare(source, tmp_path, RATE, workers=1)
    assert store.songs[song_id].song_id == song_id
    np.testing.assert_array_equal(
        store.read(song_id, ["bass"], 0.0, 2.0)["bass"], source.songs[song_id].stems["bass"][0]
    )
    assert [path.parent for path in tmp_path.rglob("*.json")] == [store.folder]


def test_stems_of_different_length_are_refused_with_their_lengths(tmp_path):
    source = Shelf({"a": LoadedSong({"bass": noise(2.0), "drums": noise(1.9)}, RATE)})
    with pytest.raises(InputFileError, match=r"'a' differ in length .*32000.*30400"):
        prepare(source, tmp_path, RATE, workers=1)


def test_a_song_without_stems_is_refused(tmp_path):
    with pytest.raises(InputFileError, match="'a' has no stems"):
        prepare(Shelf({"a": LoadedSong({}, RATE)}), tmp_path, RATE, workers=1)


def test_a_source_without_songs_is_refused(tmp_path):
    with pytest.raises(MixlabError, match="has no songs"):
        prepare(Shelf({}), tmp_path, RATE, workers=1)


def test_a_broken_song_is_named_and_the_songs_before_it_are_kept(tmp_path):
    source = shelf("a", "b")
    source.songs["c"] = None
    with pytest.raises(InputFileError, match=r"c/bass\.wav"):
        prepare(source, tmp_path, RATE, workers=1)
    source.songs["c"] = source.songs["a"]
    prepare(source, tmp_path, RATE, workers=1)
    assert source.loads == ["a", "b", "c", "c"]


def test_a_silent_stem_is_stored_without_a_loudness(tmp_path):
    silent = LoadedSong({"bass": noise(), "drums": np.zeros((1, 2 * RATE), np.float32)}, RATE)
    source = Shelf({"a": silent})
    prepare(source, tmp_path, RATE, workers=1)
    assert np.isneginf(prepare(source, tmp_path, RATE, workers=1).songs["a"].song_lufs["drums"])


def test_an_offset_changes_neither_what_is_stored_of_a_stem_nor_its_levels(tmp_path, caplog):
    rest = noise(3.0, seed=3)
    rest[:, RATE:] = 0.0
    stems = {"bass": noise(3.0), "drums": rest, "vocals": np.zeros((1, 3 * RATE), np.float32)}
    offset = {stem: samples + np.float32(0.1) for stem, samples in stems.items()}
    stores = [
        prepare(Shelf({"a": LoadedSong(s, RATE)}, version=v), tmp_path, RATE, 1) for v, s in ((1, stems), (2, offset))
    ]
    for stem in stems:
        before, after = (store.read("a", [stem], 0.0, 3.0)[stem] for store in stores)
        np.testing.assert_allclose(after, before, atol=0.01)
    levels = [store.levels("a") for store in stores]
    np.testing.assert_allclose(levels[1].power, levels[0].power, rtol=0.02, atol=1e-6)
    lufs = [[store.songs["a"].song_lufs[stem] for stem in ("bass", "drums")] for store in stores]
    assert lufs[1] == pytest.approx(lufs[0], abs=0.01)
    assert all(np.isneginf(store.songs["a"].song_lufs["vocals"]) for store in stores)
    assert "'a': the stem 'drums': a constant offset (DC) is left out" in caplog.text
    assert stores[0].songs["a"].notes == ()


def test_16_bit_stems_with_an_offset_are_stored_as_floats_of_the_right_size(tmp_path):
    wave = (8000 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.int16)[None]
    store = prepare(Shelf({"a": LoadedSong({"bass": wave, "drums": wave + np.int16(3000)}, RATE)}), tmp_path, RATE, 1)
    read = store.read("a", ["bass", "drums"], 0.0, 1.0)
    np.testing.assert_array_equal(read["bass"] * 32768, wave[0].astype(np.float32))
    np.testing.assert_allclose(read["drums"], read["bass"], atol=0.01)
