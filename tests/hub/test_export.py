"""Exports: they appear whole or not at all, and publish no audio that may not be published."""

import errno
import fcntl
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.errors import ConfigError, InputFileError
from mixlab.hub import export as writing
from mixlab.hub.export import clip_bytes
from mixlab.hub.rebuild import rebuild
from mixlab.items.exported import ExportedSet, deciding_settings
from mixlab.items.manifest import MANIFEST, check_file, read_manifest
from mixlab.multitrack.demo.source import DemoSource
from mixlab.synthesis.example import Clip

ANCHOR_REST = "inputs.layout=anchor_rest"


class Licensed(DemoSource):
    """Demo songs, some of which have a licence that is not free or none at all."""

    def entries(self):
        licences = ["CC0-1.0", "CC BY-NC-SA", None, "Restricted", "CC BY 4.0"]
        return [replace(entry, licence=licences[i % 5]) for i, entry in enumerate(super().entries())]


@pytest.fixture(scope="module")
def licensed(build_small):
    """A bank over songs of several licences."""
    source = Licensed(train_songs=8, validation_songs=2, test_songs=6, shifted_songs=0, duration_s=12.0)
    return build_small(source, ANCHOR_REST)


def records(folder, split):
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def sounds(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def test_the_manifest_lists_every_file_as_it_is(exported):
    manifest = read_manifest(exported)
    there = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert there == {*manifest.files, MANIFEST}
    for path in manifest.files:
        check_file(exported, path, manifest)


def test_the_manifest_says_how_items_were_made_and_no_place_on_a_disk(demo_source, build_small, exported):
    manifest, bank = read_manifest(exported), build_small(demo_source)
    assert manifest.settings == json.loads(json.dumps(deciding_settings(bank.settings)))
    assert tuple(manifest.roles) == bank.roles
    assert "root" not in manifest.dataset
    assert str(bank.cache_dir) not in (exported / MANIFEST).read_text()


def test_two_exports_of_the_same_are_the_same_bytes(demo_source, build_small, write_export, exported):
    again = write_export(build_small(demo_source))
    for path in (MANIFEST, *read_manifest(exported).files):
        assert (again / path).read_bytes() == (exported / path).read_bytes()


def test_nothing_is_normalised_or_clipped_on_the_way_to_disk(demo_source, build_small, exported):
    bank = build_small(demo_source)
    example = bank.examples.example(bank.training().problem(0, 1))
    samples, rate = soundfile.read(exported / records(exported, "train")[1]["audios"][0], dtype="float32")
    assert rate == 16000
    assert samples.tobytes() == example.clips[0].samples.tobytes()


def test_24_bit_clips_are_rounded_to_24_bits(demo_source, build_small, write_export):
    # Quiet enough that no clip exceeds full scale, which 24-bit clips refuse.
    quiet = build_small(demo_source, "data.level.headroom_dbfs=-60", "evaluation.level.headroom_dbfs=-60")
    exported, rounded = (write_export(quiet, clips=clips) for clips in ("float32", "pcm24"))
    clip = records(rounded, "test")[0]["audios"][0]
    assert soundfile.info(rounded / clip).subtype == "PCM_24"
    as_float, as_pcm = (soundfile.read(folder / clip)[0] for folder in (exported, rounded))
    assert 0 < np.abs(as_float - as_pcm).max() <= 2.0**-23


def test_24_bit_clips_refuse_to_clip():
    loud = Clip("Drums:", ("drums",), np.array([0.1, -1.5], dtype=np.float32))
    with pytest.raises(ConfigError, match=r"item 'x' the clip 'Drums:' has a peak of 1\.50.*clips=float32"):
        clip_bytes(loud, 16000, "pcm24", "x")
    assert clip_bytes(loud, 16000, "float32", "x")


def test_labels_say_what_was_injected_and_what_undoes_it(exported):
    for record in records(exported, "train") + records(exported, "test"):
        problem = json.loads(record["provenance"])["problem"]
        injected = [{"stem": error["stem"], "error_db": error["error_db"]} for error in problem["errors"]]
        assert record["labels"]["errors"] == injected
        needed = {error["stem"]: -np.sign(error["error_db"]) for error in problem["errors"]}
        assert {move["stem"]: np.sign(move["gain_db"]) for move in record["labels"]["advice"]} == needed


def test_audio_of_songs_without_a_free_licence_is_left_out_and_named(licensed, write_export):
    folder = write_export(licensed, train_items=8)
    manifest = read_manifest(folder)
    listed, withheld = set(), Counter()
    for split in manifest.items:
        for record in records(folder, split):
            (licence,) = json.loads(record["provenance"])["licences"].values()
            assert (record["audios"] is not None) == (licence in ("CC0-1.0", "CC BY 4.0"))
            listed |= set(record["audios"] or ())
            withheld[split] += record["audios"] is None
    assert set(sounds(folder)) == listed
    assert withheld == manifest.withheld
    assert "The songs came from `demo` with `train_songs: 12`" in (folder / "README.md").read_text(encoding="utf-8")
    assert {song["free"] for song in manifest.songs.values() if song["licence"] is None} == {False}


def test_training_on_a_set_without_its_audio_says_how_to_rebuild_it(licensed, write_export, serve):
    folder = write_export(licensed, train_items=8)
    with pytest.raises(InputFileError, match=r"jsonl, line \d+: the licence of demo-\S+ keeps .* rebuild=.*\.$"):
        serve(folder, ANCHOR_REST)


def test_a_rebuilt_set_is_the_one_that_all_audio_would_have_given(licensed, write_export, serve):
    folder, everything = (write_export(licensed, train_items=8, audio=audio) for audio in ("free", "all"))
    rebuild(ExportedSet(folder), licensed)
    assert sounds(folder) == sounds(everything)
    for split in read_manifest(folder).items:
        assert records(folder, split) == records(everything, split)
    assert read_manifest(folder).audio == "rebuilt"
    bank = serve(folder, ANCHOR_REST)
    assert bank.examples.example(bank.training().problem(0, 0)).clips
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    rebuild(ExportedSet(folder), licensed)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_rebuilding_that_was_stopped_goes_on(licensed, write_export, monkeypatch):
    folder = write_export(licensed, train_items=8)
    made = []

    def stop_soon(*arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(arguments)
        return clip_bytes(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("mixlab.hub.rebuild.clip_bytes", stop_soon)
        with pytest.raises(KeyboardInterrupt):
            rebuild(ExportedSet(folder), licensed)
    assert read_manifest(folder).audio == "free"
    rebuild(ExportedSet(folder), licensed)
    assert sounds(folder) == sounds(write_export(licensed, train_items=8, audio="all"))


def test_songs_that_sound_different_are_not_taken_for_the_exported_ones(licensed, write_export, build_small):
    folder = write_export(licensed, train_items=2)
    sizes = {"train_songs": 8, "validation_songs": 2, "test_songs": 6, "shifted_songs": 0}
    others = build_small(Licensed(**sizes, duration_s=12.0, seed=9), ANCHOR_REST)
    with pytest.raises(InputFileError, match=r"Your copy of 'demo-.*' does not sound like the one"):
        rebuild(ExportedSet(folder), others)
    fewer = build_small(DemoSource(8, 2, 2, 0, 12.0), ANCHOR_REST)
    with pytest.raises(
        InputFileError, match=r"test\.jsonl, line \d+ needs 'demo-test-.*', which is not among your songs"
    ):
        rebuild(ExportedSet(folder), fewer)


def test_rebuilding_follows_no_link_out_of_the_folder(licensed, write_export, tmp_path):
    folder = write_export(licensed, train_items=2)
    (folder / "clips").rename(tmp_path / "elsewhere")
    (folder / "clips").symlink_to(tmp_path / "elsewhere")
    before = sounds(tmp_path / "elsewhere")
    with pytest.raises(InputFileError, match="leads out of"):
        rebuild(ExportedSet(folder), licensed)
    assert sounds(tmp_path / "elsewhere") == before


class Interrupted(Exception):
    """Stands for whatever ends an export in the middle."""


def stop_at(monkeypatch, count, error):
    calls = []

    def stopping(*arguments):
        calls.append(arguments)
        if len(calls) == count:
            raise error
        return clip_bytes(*arguments)

    monkeypatch.setattr(writing, "clip_bytes", stopping)


def test_an_export_that_ends_in_the_middle_leaves_no_folder(
    demo_source, build_small, write_export, tmp_path, monkeypatch
):
    stop_at(monkeypatch, 4, Interrupted())
    with pytest.raises(Interrupted):
        write_export(build_small(demo_source), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_is_no_part_of_the_next_one(
    demo_source, build_small, write_export, tmp_path, exported
):
    (tmp_path / ".set.part" / "clips").mkdir(parents=True)
    (tmp_path / ".set.part" / "clips" / "half.wav").write_bytes(b"half")
    (tmp_path / ".set.lock").touch()
    write_export(build_small(demo_source), tmp_path / "set")
    assert sounds(tmp_path / "set") == sounds(exported)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_second_process_is_refused_while_one_is_writing(demo_source, build_small, write_export, tmp_path):
    with (tmp_path / ".set.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputFileError, match="Another process is writing"):
            write_export(build_small(demo_source), tmp_path / "set")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_said_in_a_sentence(
    demo_source, build_small, write_export, tmp_path, monkeypatch, number
):
    def refuse(self, content):
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(InputFileError, match=rf"{tmp_path / 'set'} cannot be written: .*choose another folder\.$"):
        write_export(build_small(demo_source), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_content_is_left_alone(demo_source, build_small, write_export, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputFileError, match="exists and is not an empty folder"):
        write_export(build_small(demo_source), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_finished_export_is_checked_and_left_alone(demo_source, build_small, write_export, copied):
    bank = build_small(demo_source)
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    write_export(bank, copied)
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before
    with pytest.raises(InputFileError, match="an export already, which differs in 'train_items'"):
        write_export(bank, copied, train_items=4)
    next(copied.rglob("*.wav")).write_bytes(b"broken")
    with pytest.raises(InputFileError, match="is not as it was exported"):
        write_export(bank, copied)
