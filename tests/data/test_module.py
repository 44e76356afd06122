"""The data module: the same bytes for any number of workers, and test items that no training choice changes."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mixlab.data.collate import with_features
from mixlab.data.own_items import as_trained
from mixlab.errors import ConfigError
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.segments import Gates
from mixlab.synthesis.augment import Augmentation
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, LevelProtocol, PromptProtocol
from mixlab.synthesis.example import Inputs
from mixlab.synthesis.problem import PromptCategory


def digests(module, epoch: int = 0) -> list[str]:
    """A digest of each training example of an epoch: its ids and labels without padding, and its features."""
    clip_start = module.encoder.tokenizer.convert_tokens_to_ids("<|audio_bos|>")
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    found = []
    for batch in loader:
        batch = with_features(batch, module.encoder.front_end)
        features = batch["input_features"].numpy()
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True):
            clips = int((ids == clip_start).sum())
            parts = [ids[mask].numpy(), labels[mask].numpy(), features[:clips]]
            features = features[clips:]
            found.append(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
        assert len(features) == 0
    return found


def test_examples_are_the_same_for_any_batch_size_and_new_in_every_epoch(build_module):
    one_by_one, by_fives = (digests(build_module(batch_size=size)) for size in (1, 5))
    assert len(set(one_by_one)) == 12
    assert by_fives == one_by_one
    assert digests(build_module(features_in_worker=False)) == one_by_one
    assert not set(digests(build_module(), epoch=1)) & set(one_by_one)


@pytest.mark.slow
def test_examples_are_the_same_for_0_1_and_4_workers(build_module):
    here = digests(build_module())
    assert digests(build_module(workers=1)) == here
    assert digests(build_module(workers=4, batch_size=3)) == here


def test_test_items_do_not_depend_on_how_a_run_trains(build_module, protocol):
    loud = ErrorProtocol({"loud": ErrorCategory(1.0, 3, 6)}, rounding_db=2.0)
    changed = replace(protocol, error=loud, prompt=PromptProtocol({"audio_only": 1.0}), level=LevelProtocol(-20.0, 0.0))
    usual, other = build_module(), build_module(train_protocol=changed, seed=5, batch_size=2, inputs=Inputs.MIXTURE)
    for split in ("test", "validation"):
        assert usual.problems(split) == other.problems(split)
    assert usual.tuning_problems(20) == other.tuning_problems(20)
    assert usual.training_dataset().problem(0, 0) != other.training_dataset().problem(0, 0)


def test_own_items_are_the_test_items_with_the_errors_and_prompts_of_training(build_module, protocol, relative):
    claims = PromptProtocol({"incorrect_description": 1.0, "audio_only": 0.0})
    module = build_module(train_protocol=replace(protocol, prompt=claims, level=LevelProtocol(-20.0, 0.0)))
    own, common = as_trained(module).problems("test"), module.problems("test")
    assert {problem.prompt_category for problem in own} == {PromptCategory.INCORRECT_DESCRIPTION}
    same = [replace(problem, claim=None, prompt_category=PromptCategory.AUDIO_ONLY) for problem in [*own, *common]]
    assert same[: len(own)] == same[len(own) :]
    assert common == build_module().problems("test"), "the common items stay as they are"
    other = as_trained(build_module(train_protocol=replace(protocol, error=relative)))
    assert any(problem.error_db("bass") for problem in other.problems("test"))
    assert other.tuning_problems(5) != module.tuning_problems(5)


def test_there_are_no_own_items_where_a_run_trains_on_what_is_asked(build_module, protocol):
    assert as_trained(build_module()) is None
    levels = replace(protocol, level=LevelProtocol(-20.0, 0.0))
    assert as_trained(build_module(train_protocol=levels, seed=7, gates=Gates(stem_dbfs=-30.0))) is None


@pytest.mark.parametrize("anchor", ["random", "per_segment", "most_active"])
def test_anchors_by_rule_differ_between_items_and_not_between_runs(build_module, protocol, relative, anchor):
    by_rule = replace(protocol, anchor=anchor)
    usual = build_module(train_protocol=by_rule, frozen_protocol=by_rule)
    other = build_module(train_protocol=replace(by_rule, error=relative), frozen_protocol=by_rule, seed=5)
    problems = usual.problems("test")
    assert problems == other.problems("test")
    assert len({problem.anchor for problem in problems}) > 1
    example = usual.maker(by_rule).example(problems[0])
    assert example.clips[0].label.lower().startswith(f"anchor, {problems[0].anchor}")


def test_augmentation_changes_training_examples_alone(build_module):
    everything = Augmentation(polarity_probability=0.5, start_jitter_s=0.5, cross_song_probability=0.5)
    usual, changed = build_module(), build_module(augmentation=everything)
    for split in ("test", "validation"):
        assert usual.problems(split) == changed.problems(split)
    assert usual.tuning_problems(20) == changed.tuning_problems(20)
    problems = [changed.training_dataset().problem(0, index) for index in range(20)]
    assert any(problem.flipped for problem in problems)
    assert any(problem.borrowed for problem in problems)
    assert len(set(digests(changed)) & set(digests(usual))) < 6


def test_songs_that_were_not_made_to_a_balance_are_not_mixed_with_one_another(build_module, songs_folder, tmp_path):
    source = FolderSource(songs_folder, validation_share=0.0, test_share=0.0)
    with pytest.raises(
        ConfigError, match=r"cross_song_probability is 0\.2, but there is no true balance .* set it to 0"
    ):
        build_module(source=source, cache_dir=tmp_path / "cache", augmentation=Augmentation(cross_song_probability=0.2))


def test_gates_of_training_leave_test_items_as_they_are(build_module):
    usual, strict = build_module(), build_module(gates=Gates(stem_dbfs=-30.0))
    assert usual.segments["train"] != strict.segments["train"]
    for split in ("test", "validation"):
        assert usual.problems(split) == strict.problems(split)


def test_the_evaluations_seed_changes_the_test_items_and_not_the_training(build_module):
    usual, other = build_module(), build_module(frozen_seed=12)
    assert usual.problems("test") != other.problems("test")
    assert usual.training_dataset().problem(0, 3) == other.training_dataset().problem(0, 3)


def test_splits_share_no_song(build_module):
    module = build_module()
    songs = {split: {segment.song_id for segment in segments} for split, segments in module.segments.items()}
    assert set(songs) == {"train", "validation", "test"}
    assert sum(len(ids) for ids in songs.values()) == len(set.union(*songs.values()))
    assert {problem.song_id for problem in module.tuning_problems(50)} <= songs["train"]
    assert {problem.song_id for problem in module.problems("test")} == songs["test"]


def test_every_test_song_gives_its_items(build_module):
    module = build_module()
    assert len(module.problems("test")) == 4 * len({segment.song_id for segment in module.segments["test"]})
    assert len(module.problems("validation")) == 2 * len({s.song_id for s in module.segments["validation"]})
    assert module.problems("shifted") == []


def test_validation_has_responses_for_the_loss_and_prompts_for_generation(build_module):
    module = build_module()
    teacher, generation = module.val_dataloader()
    with_responses, prompts = next(iter(teacher)), next(iter(generation))
    assert (with_responses["labels"] >= 0).any(dim=1).all()
    assert not (prompts["labels"] >= 0).any()
    assert [example.problem for example in prompts["examples"]] == module.problems("validation")[:4]
    assert prompts["attention_mask"][:, -1].all(), "prompts are padded on the left"
    assert with_responses["attention_mask"][:, 0].all(), "conversations are padded on the right"


@pytest.mark.parametrize(("inputs", "clips"), [(Inputs.STEMS, 4), (Inputs.ANCHOR_REST, 2), (Inputs.MIXTURE, 1)])
def test_the_layout_decides_the_number_of_clips(build_module, inputs, clips):
    dataset = build_module(inputs=inputs).training_dataset()
    index = next(index for index in range(50) if len(dataset.problem(0, index).stems) == 4)
    assert len(dataset[0, index].waveforms) == clips


def test_feature_statistics_are_those_of_training_examples(build_module):
    module = build_module()
    mean, deviation = module.feature_statistics(examples=6)
    dataset = module.training_dataset()
    features = np.concatenate([module.encoder.features(dataset[0, index].waveforms) for index in range(6)])
    np.testing.assert_allclose(mean, features.mean(axis=(0, 2)), rtol=1e-5)
    assert deviation == pytest.approx(features.std(), rel=1e-5)


@pytest.fixture
def songs_folder(tmp_path):
    """Three songs of 11 s of noise at 8 kHz; the first has no bass."""
    rng = np.random.default_rng(0)
    for song, roles in (("Eins", ("drums", "vocals")), ("Zwei", ("bass", "drums")), ("Drei", ("bass", "vocals"))):
        (tmp_path / "songs" / song).mkdir(parents=True)
        for role in roles:
            soundfile.write(tmp_path / "songs" / song / f"{role}.wav", 0.1 * rng.standard_normal(88000), 8000)
    return tmp_path / "songs"


def test_songs_without_the_anchor_are_counted_in_their_split(build_module, songs_folder, tmp_path, protocol):
    source = FolderSource(songs_folder, validation_share=0.0, test_share=0.0)
    module = build_module(source=source, cache_dir=tmp_path / "cache")
    assert module.dropped["train"] == {"songs_without_anchor": 1}
    assert {segment.song_id for segment in module.segments["train"]} == {"Zwei", "Drei"}
    drums = replace(protocol, anchor="drums")
    module = build_module(source=source, cache_dir=tmp_path / "cache", train_protocol=drums)
    assert {segment.song_id for segment in module.segments["train"]} == {"Eins", "Zwei"}


def test_a_split_that_the_anchor_leaves_empty_is_said_in_the_log(build_module, songs_folder, tmp_path, caplog):
    source = FolderSource(songs_folder, validation_share=0.0, test_share=0.3, seed=0)
    splits = {entry.song_id: entry.split for entry in source.entries()}
    assert splits["Eins"] == "test"
    build_module(source=source, cache_dir=tmp_path / "cache")
    assert "No test items are left (dropped: {'songs_without_anchor': 1})" in caplog.text
    assert "No validation items are left (dropped: no songs in the split)" in caplog.text


def test_nothing_left_to_train_on_is_said_with_what_was_dropped(build_module, songs_folder, tmp_path, protocol):
    source = FolderSource(songs_folder, validation_share=0.0, test_share=0.0)
    with pytest.raises(ConfigError, match=r"active 'other' .*'songs_without_anchor': 3.*choose another anchor"):
        build_module(source=source, cache_dir=tmp_path / "cache", train_protocol=replace(protocol, anchor="other"))
