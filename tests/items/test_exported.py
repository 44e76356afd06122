"""An exported data set: the same examples as from songs, bit for bit, and nothing that was changed since."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.files import wav_bytes
from mixlab.errors import ConfigError, InputFileError
from mixlab.items.exported import ExportedSet, check_settings, deciding_settings
from mixlab.items.manifest import MANIFEST, describe_file, read_manifest
from mixlab.items.records import ClipRecord, Item, user_content
from mixlab.multitrack.segments import Segment
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.example import Clip, Example
from mixlab.synthesis.seeds import generator
from tests.conftest import composed


def content_of(example):
    """All of an example."""
    return (
        example.problem,
        [(clip.label, clip.stems, clip.audible, clip.samples.dtype, clip.samples.tobytes()) for clip in example.clips],
        (example.prompt, example.response, example.reference),
    )


@pytest.mark.parametrize("inputs", ["stems", "anchor_rest", "mixture", "none"])
def test_exported_examples_are_those_from_songs_bit_for_bit(demo_source, build_small, write_export, serve, inputs):
    layout = (f"inputs.layout={inputs}", *(["readings=relative"] if inputs == "none" else []))
    drawn = build_small(demo_source, *layout)
    read = serve(write_export(drawn, train_items=4), *layout)
    for index in range(4):
        served, original = (bank.examples.example(bank.training().problem(0, index)) for bank in (read, drawn))
        assert content_of(served) == content_of(original)
    for split in ("validation", "test"):
        assert read.problems(split) == drawn.problems(split)
        assert len(read.problems(split)) == len({problem.song_id for problem in drawn.problems(split)})
        for problem in read.problems(split):
            assert content_of(read.examples.example(problem)) == content_of(drawn.examples.example(problem))


@pytest.fixture(scope="module")
def read(exported, serve):
    """The small export, served."""
    return serve(exported)


def test_what_baselines_measure_on_songs_was_recorded(demo_source, build_small, read):
    drawn = build_small(demo_source)
    for split in ("validation", "test"):
        for problem in read.problems(split):
            of_song = drawn.song_lufs(problem)
            assert read.song_lufs(problem) == {stem: lufs for stem, lufs in of_song.items() if np.isfinite(lufs)}
            assert [
                s for s in read.segments[split] if s.song_id == problem.song_id and s.start_s == problem.start_s
            ] == [s for s in drawn.segments[split] if s.song_id == problem.song_id and s.start_s == problem.start_s]
    assert read.true_balance() is not None
    assert read.true_balance() == drawn.true_balance()
    assert read.dropped == drawn.dropped


def test_baselines_are_fitted_on_the_exported_training_items(read):
    assert read.tuning_problems(2) == read.problems("train")[:2]
    assert read.tuning_problems(1000) == read.problems("train")
    assert "fitted on its training items" in read.notes()[0]


def test_every_pass_has_every_item_once_and_only_the_first_has_the_order_of_the_file(read):
    training, count = read.training(), len(read.problems("train"))
    passes = [
        [training.problem(epoch, lap * count + place).item_id for place in range(count)]
        for epoch in range(4)
        for lap in range(3)
    ]
    assert passes[0] == [problem.item_id for problem in read.problems("train")]
    assert all(sorted(order) == sorted(passes[0]) for order in passes)
    assert len({tuple(order) for order in passes}) > 2


def test_the_order_of_later_passes_is_the_seeds(exported, serve):
    def order(seed):
        training = serve(exported, f"seed={seed}").training()
        return [training.problem(1, index).item_id for index in range(30)]

    assert order(5) == order(5)
    assert order(5) != order(6)


def test_exported_items_are_as_they_are_so_that_no_own_ones_are_drawn(demo_source, build_small, write_export, serve):
    drawn = build_small(demo_source, "error=several")
    assert drawn.as_trained() is not None
    assert drawn.can_vary
    read = serve(write_export(drawn), "error=several")
    assert read.as_trained() is None
    assert not read.can_vary


@given(st.integers(0, 10**6), st.booleans())
def test_a_line_reads_back_as_the_item_that_it_was(demo_segments, protocol, seed, has_audio):
    segment = demo_segments[seed % len(demo_segments)]
    problem = draw_problem(segment, protocol, generator(seed), f"{segment.song_id}-0")
    clips = tuple(Clip(f"{stem.capitalize()}:", (stem,), np.zeros(4, dtype=np.float32)) for stem in problem.stems)
    example = Example(problem, clips, "How is it?", "It is fine.", problem.right_advice)
    clips = [ClipRecord(f"clips/{n}.wav", "0" * 64, clip.label, clip.stems) for n, clip in enumerate(example.clips)]
    item = Item.of(
        example, clips, segment=segment, song_lufs={"bass": -20.1, "vocals": float("-inf")}, seed=seed,
        licences={problem.song_id: None}, has_audio=has_audio,
    )  # fmt: skip
    line = item.to_line()
    assert line.count("\n") == 1
    assert Item.from_line(line) == item
    assert isinstance(item.segment, Segment)


def test_a_text_that_holds_the_placeholder_of_a_clip_is_refused():
    with pytest.raises(ValueError, match="stands for a clip"):
        user_content(["Anchor, bass:"], "what is <audio> here?")


def change_line(folder, number, change):
    """Change a line of test.jsonl as a record, as text (a string), or where its provenance is concerned."""
    path = folder / "test.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[number - 1])
    record["provenance"] = json.loads(record["provenance"])
    changed = change(record)
    if not isinstance(changed, str):
        record["provenance"] = json.dumps(record["provenance"])
        changed = json.dumps(record)
    lines[number - 1] = changed
    path.write_text("\n".join(lines) + "\n")


def set_clip(record, path):
    record["audios"][0] = record["provenance"]["clips"][0]["path"] = path


def remove(key):
    return lambda record: record.pop(key) and None


def set_gain(record):
    record["provenance"]["problem"]["master_gain_db"] = float("nan")


def set_stems(record):
    record["provenance"]["problem"]["stems"] = ["bass", "kazoo"]


SPOILT = {
    "garbage": (lambda record: "{no json", "is no item of an export"),
    "a list": (lambda record: "[]", "is no item of an export"),
    "a number": (lambda record: "7", "is no item of an export"),
    "deep nesting": (lambda record: "[" * 100_000, "is no item of an export"),
    "no messages": (remove("messages"), "lacks the key 'messages'"),
    "messages are a text": (lambda record: record.update(messages="hello"), "is no item of an export"),
    "no provenance": (remove("provenance") and (lambda record: '{"id": "x"}'), "lacks the key 'messages'"),
    "a path upwards": (lambda record: set_clip(record, "../../secret.wav"), "does not lie in the folder 'clips'"),
    "a path upwards later": (lambda record: set_clip(record, "clips/../../secret.wav"), "does not lie in the folder"),
    "an absolute path": (lambda record: set_clip(record, "/etc/passwd"), "does not lie in the folder 'clips'"),
    "other audios": (lambda record: record.update(audios=["clips/x.wav"]), "are not the clips of its provenance"),
    "a clip that is not there": (lambda record: set_clip(record, "clips/none.wav"), "cannot be read"),
    "a gain that is no number": (set_gain, "no finite number"),
    "an unknown stem": (set_stems, "unknown stems"),
    "another id": (lambda record: record.update(id="other"), "its id is 'other'"),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_hostile_line_is_refused_with_file_and_line(copied, serve, spoil):
    change, says = SPOILT[spoil]
    change_line(copied, 2, change)
    sentence = refusal(copied, serve)
    assert f"{copied / 'test.jsonl'}, line 2" in sentence
    assert says in sentence


def refusal(folder, serve):
    with pytest.raises(InputFileError) as raised:
        serve(folder)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_an_item_that_is_there_twice_is_refused(copied, serve):
    path = copied / "test.jsonl"
    first = path.read_text().splitlines()[0]
    path.write_text(path.read_text() + first + "\n")
    assert "is there twice" in refusal(copied, serve)


def test_a_text_that_was_changed_is_seen_by_the_manifest(copied, serve):
    def reword(record):
        record["messages"][1]["content"] = "Turn everything up."

    change_line(copied, 1, reword)
    assert "test.jsonl is not as it was exported" in refusal(copied, serve)


def test_a_clip_whose_sound_was_changed_is_named_with_its_line(copied, serve):
    clip = json.loads((copied / "test.jsonl").read_text().splitlines()[2])["audios"][0]
    content = bytearray((copied / clip).read_bytes())
    content[-1] ^= 1
    (copied / clip).write_bytes(content)
    sentence = refusal(copied, serve)
    assert f"line 3: its clip {copied / clip} is not as it was exported" in sentence


@pytest.mark.parametrize(("rate", "samples"), [(8000, 160_000), (16000, 80_000)], ids=["rate", "length"])
def test_a_clip_of_another_rate_or_length_is_refused(copied, serve, rate, samples):
    content = wav_bytes(np.full((1, samples), 0.1, dtype=np.float32), rate, "float32")

    def replace_clip(record):
        (copied / record["audios"][0]).write_bytes(content)
        record["provenance"]["clips"][0]["sha256"] = describe_file(content)["sha256"]

    change_line(copied, 1, replace_clip)
    assert f"{samples} samples at {rate} Hz, not 1 channel(s) of 160000 samples at 16000 Hz" in refusal(copied, serve)


def test_a_missing_file_of_items_is_refused(copied, serve):
    (copied / "validation.jsonl").unlink()
    assert "validation.jsonl cannot be read" in refusal(copied, serve)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_folder_without_a_manifest_that_can_be_read_is_no_export(tmp_path, content):
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(InputFileError, match=r"no finished export|cannot be read as a manifest|has format 99"):
        ExportedSet(tmp_path)


def test_a_model_that_hears_another_rate_is_refused(copied, serve):
    path = copied / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"sample_rate": 24000}))
    with pytest.raises(ConfigError, match="clips of 24000 Hz, and the model hears 16000 Hz"):
        serve(copied)


def test_the_set_can_be_moved(exported, tmp_path, serve):
    moved = shutil.copytree(exported, tmp_path / "ein neuer Ört")
    bank = serve(moved)
    assert bank.examples.example(bank.training().problem(0, 0)).clips
    assert read_manifest(moved) == read_manifest(exported)


def as_older(folder):
    """Rewrites an export as versions wrote it whose manifest named no roles, and whose errors were called gains."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["roles"]
    manifest["dataset"] = {"_target_": "mixlab.multitrack.demo.source.DemoSource", "seed": 1}
    for part in (manifest["settings"], manifest["settings"]["evaluation"]):
        for category in part["error"]["categories"].values():
            category |= {end: int(category[end]) for end in ("low_db", "high_db")}
    for file in folder.glob("*.jsonl"):
        lines = []
        for line in file.read_text().splitlines():
            record = json.loads(line)
            provenance = json.loads(record["provenance"])
            problem = provenance["problem"]
            del problem["answer"], problem["rounding_db"]
            problem["errors"] = [
                {"stem": e["stem"], "gain_db": e["error_db"], "category": e["category"]} for e in problem["errors"]
            ]
            record["labels"]["errors"] = [
                {"stem": e["stem"], "gain_db": e["error_db"]} for e in record["labels"]["errors"]
            ]
            record["provenance"] = json.dumps(provenance)
            lines.append(json.dumps(record))
        file.write_text("\n".join(lines) + "\n")
        manifest["files"][file.name] = describe_file(file.read_bytes())
    path.write_text(json.dumps(manifest))


def test_an_export_of_an_older_version_is_served_like_one_of_today(copied, read, serve):
    as_older(copied)
    older = serve(copied)
    assert older.roles == ("bass", "drums", "vocals", "other")
    assert any(problem.errors for problem in older.problems("train"))
    for split in ("train", "validation", "test"):
        assert older.problems(split) == read.problems(split)
        for problem in older.problems(split):
            example = older.examples.example(problem)
            assert content_of(example) == content_of(read.examples.example(problem))
            assert problem.right_advice == example.reference


@pytest.fixture(scope="module")
def settings_with(exported):
    """The settings of a training on the small export, with further overrides."""
    return lambda *overrides: parse(composed("dataset=jsonl", f"dataset.root={exported}", *overrides), TrainSettings)


@pytest.fixture
def pretending(exported):
    """The small export as if it had been made with other settings."""

    def pretend(settings):
        found = ExportedSet(exported)
        object.__setattr__(found.manifest, "settings", deciding_settings(settings))
        return found

    return pretend


def test_an_export_of_other_settings_is_refused_with_the_overrides_to_add(pretending, settings_with):
    mild = "+error.categories.mild={probability:0.0,low_db:1,high_db:2}"
    made_with = pretending(settings_with("inputs=mixture", "evaluation.seed=7", mild))
    with pytest.raises(ConfigError) as raised:
        check_settings(made_with, settings_with())
    sentence = str(raised.value)
    added = "inputs.layout=mixture +error.categories.mild.low_db=1.0 evaluation.seed=7 to the command."
    assert set(added.split()) <= set(sentence.split())


@pytest.mark.parametrize(
    ("made_with", "number"),
    [
        (["anchor=drums", "data.gates.stem_dbfs=-50", "evaluation.items_per_song=9"], 3),
        (["error=relative"], 6),
        (["error=several", "evaluation/error=several"], 2),
        (["prompt=audio_only"], 4),
    ],
)
def test_the_overrides_that_are_named_are_the_ones_that_help(pretending, settings_with, made_with, number):
    exported_set = pretending(settings_with(*made_with))
    with pytest.raises(ConfigError) as raised:
        check_settings(exported_set, settings_with())
    overrides = str(raised.value).partition("; add ")[2].removesuffix(" to the command.").split()
    assert len(overrides) == number
    check_settings(exported_set, settings_with(*overrides))


def test_how_items_are_served_is_the_runs_own_choice(pretending, settings_with):
    changed = ["data.batch_size=3", "data.workers=0", "evaluation.resamples=9", "seed=4", "data.examples_per_epoch=7"]
    check_settings(pretending(settings_with()), settings_with(*changed))


def test_what_decides_the_items_is_kept_and_nothing_else(settings_with):
    kept = deciding_settings(settings_with())
    assert set(kept) == {"anchor", "error", "prompt", "inputs", "data", "evaluation"}
    assert "batch_size" not in kept["data"]
    assert "baselines" not in kept["evaluation"]
    assert json.loads(json.dumps(kept)) == kept
