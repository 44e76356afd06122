"""What is rendered: one loudness for all mixes, the anchor as loud as in its mix, names that say nothing."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import soundfile

from mixlab.audio.levels import rms_dbfs
from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.song import as_float32
from mixlab.reports.players import mix
from mixlab.scoring import Prediction, write_predictions
from mixlab.study.build import build, source_of
from mixlab.study.manifest import MANIFEST, StudyFolder
from mixlab.study.stimuli import TONE_RATE, common_target_lufs, lufs, tones
from mixlab.study.systems import common_items

from .conftest import instrument


@pytest.fixture(scope="module")
def folder(built):
    return StudyFolder(built)


def heard(folder, name):
    samples, rate = soundfile.read(folder.file(name), always_2d=True)
    return samples.T, rate


def gain_between(clip, reference):
    """The gain in dB by which `clip` is `reference`, away from the fades, and what else there is in it."""
    clip, reference = (x[..., 2000:-2000].astype(np.float64).ravel() for x in (clip, reference))
    factor = np.dot(clip, reference) / np.dot(reference, reference)
    rest = np.sqrt(np.mean((clip - factor * reference) ** 2) / np.mean(clip**2))
    return 20 * np.log10(factor), rest


def test_all_mixes_are_within_half_a_loudness_unit_of_each_other(folder):
    files = [
        name for item in folder.manifest.items for name in (item.before, *(s.after for s in item.systems.values()))
    ]
    assert len(files) == 7 * 6
    found = [float(integrated_lufs(k_weighted_power(*heard(folder, name)))) for name in files]
    assert max(found) - min(found) < 0.5
    assert found == pytest.approx([folder.manifest.target_lufs] * len(files), abs=0.25)


def test_the_anchor_alone_is_as_loud_as_in_the_mix_with_the_error(folder, study_problems, demo_source):
    problems = {p.item_id: p for p in study_problems}
    entries = {e.song_id: e for e in demo_source.entries()}
    for item in folder.manifest.items[:3]:
        problem = problems[item.item]
        song = demo_source.load(entries[problem.song_id])
        frames = slice(round(problem.start_s * song.sample_rate), None)
        bass = as_float32(song.stems["bass"])[:, frames][:, : round(problem.duration_s * song.sample_rate)]
        mixed, rest = gain_between(heard(folder, item.before)[0], mix(song, problem))
        alone, other = gain_between(heard(folder, item.anchor_alone)[0], bass)
        assert alone == pytest.approx(mixed, abs=0.01)
        assert max(rest, other) < 0.01


def test_right_advice_and_the_hidden_original_sound_the_same_and_planted_advice_does_not(folder):
    for item in folder.manifest.items:
        original, right, planted = (
            heard(folder, item.systems[name].after)[0] for name in ("original", "fine_tuned", "low_anchor")
        )
        assert gain_between(right, original)[1] < 1e-2
        assert gain_between(planted, original)[1] > 0.05


def test_doing_nothing_leaves_the_mix_with_the_error(folder):
    for item in folder.manifest.items:
        before, after = (heard(folder, name)[0] for name in (item.before, item.systems["do_nothing"].after))
        np.testing.assert_allclose(after, before, atol=1e-4)
        assert item.systems["do_nothing"].advised_gain_db == 0.0


def test_the_truth_and_the_advice_stand_beside_each_other(folder):
    for item in folder.manifest.items:
        said = item.systems
        assert said["fine_tuned"].advised_gain_db == said["original"].advised_gain_db == item.true_gain_db
        if item.stem:
            assert said["low_anchor"].advised_gain_db == -item.true_gain_db
        assert all(words.text for words in said.values())


def test_names_of_files_say_nothing_and_none_is_used_twice(folder, built):
    names = [path.name for path in (built / "audio").iterdir()]
    assert all(re.fullmatch(r"[0-9a-f]{32}\.flac", name) for name in names)
    assert len(names) == 7 * (2 + 5) + 6 + 1


def test_no_path_can_be_made_up(folder):
    for name in ("../study.json", "/etc/passwd", "..%2fstudy.json", "", ".", "a\x00b"):
        assert folder.file(name) is None


def test_the_target_goes_down_where_a_mix_would_exceed_full_scale():
    assert common_target_lufs(-23.0, -18.0) == -23.0
    assert common_target_lufs(-23.0, -25.34) == pytest.approx(-25.4)


@pytest.mark.parametrize(("quietest", "antiphase"), [(1, 2), (3, 1), (2, 3)])
def test_of_three_tones_one_is_quieter_and_another_one_cancels_in_the_air(quietest, antiphase):
    clip = tones(quietest, antiphase)
    parts = [clip[:, round(k * 1.5 * TONE_RATE) :][:, :TONE_RATE] for k in range(3)]
    levels = [rms_dbfs(part) for part in parts]
    loud = max(levels)
    assert [round(loud - level) for level in levels] == [6 if k + 1 == quietest else 0 for k in range(3)]
    sums = [rms_dbfs(part.sum(axis=0)) for part in parts]
    assert int(np.argmin(sums)) + 1 == antiphase


def test_the_noise_for_the_level_is_as_loud_as_the_mixes(folder):
    samples, rate = heard(folder, folder.manifest.level)
    assert lufs(samples.astype(np.float32), rate) == pytest.approx(folder.manifest.target_lufs, abs=0.3)


def test_items_with_advice_by_people_are_drawn_where_that_is_rated(request_of, demo_source, study_problems, tmp_path):
    lines = [{"item": p.item_id, "annotator": "anna", "text": "Lower the drums by 4 dB."} for p in study_problems[:7]]
    path = tmp_path / "annotations.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = build(
        request_of(
            tmp_path / "out",
            human=str(path),
            instrument=instrument(trials=6),
            controls=["do_nothing", "low_anchor", "original"],
        ),
        demo_source,
    )
    assert "human" in made.systems
    assert {item.systems["human"].text for item in made.items} == {"Lower the drums by 4 dB."}
    assert any("5 items were left out, since nobody wrote advice on them" in note for note in made.notes)


def test_a_session_that_does_not_divide_over_the_systems_is_refused_with_what_would(request_of, demo_source, tmp_path):
    with pytest.raises(ConfigError, match=r"no multiple of the 5 systems .* set it to 5"):
        build(request_of(tmp_path / "out", instrument=instrument(trials=6)), demo_source)
    assert not (tmp_path / "out").exists()


def test_runs_on_other_mixes_are_refused(runs, study_problems, tmp_path):
    write_predictions(
        tmp_path / "p.jsonl",
        [Prediction(study_problems[0].__class__.from_json(study_problems[0].to_json() | {"start_s": 2.0}), "", None)],
    )
    with pytest.raises(InputFileError, match="another mix as item"):
        common_items(runs | {"other": str(tmp_path / "p.jsonl")})


def test_a_run_without_a_configuration_needs_a_source(request_of, tmp_path):
    with pytest.raises(InputFileError, match="set dataset="):
        source_of(request_of(tmp_path / "out"))


def test_a_folder_that_holds_no_study_is_named(tmp_path):
    with pytest.raises(InputFileError, match=r"`mixlab study build`"):
        StudyFolder(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(InputFileError, match="build it again"):
        StudyFolder(tmp_path)
