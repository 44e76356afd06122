"""Items drawn from songs: a pure function of (seed, epoch, index); held-out ones of the evaluation's seed alone."""

import copy
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.levels import rms_dbfs
from mixlab.errors import ConfigError
from mixlab.items.bank import group_by_song
from mixlab.items.settings import HeldoutSettings, ItemSettings
from mixlab.language.banks import default_banks
from mixlab.language.parse import parse
from mixlab.language.templates import fill_prompt
from mixlab.multitrack.folder import FolderSource
from mixlab.synthesis.problem import PromptCategory
from tests.conftest import composed

AUGMENTED = [
    f"data.augmentation.{key}=0.5" for key in ("polarity_probability", "start_jitter_s", "cross_song_probability")
]
LEVELS = ("data.level.headroom_dbfs=-20", "data.level.master_range_db=0")


@pytest.fixture(scope="module")
def bank(build_bank):
    return build_bank()


@pytest.fixture(scope="module")
def training(bank):
    return bank.training()


def asking(bank, **changes):
    """The same songs, asked in another way."""
    other = copy.copy(bank)
    other.settings = bank.settings.but(evaluation=bank.heldout.but(**changes))
    return other


@given(st.integers(0, 50), st.integers(0, 5000))
def test_epoch_index_and_seed_each_change_the_problem(bank, training, epoch, index):
    here = replace(training.problem(epoch, index), item_id="")
    assert replace(training.problem(epoch + 1, index), item_id="") != here
    assert replace(training.problem(epoch, index + 1), item_id="") != here
    other = copy.copy(bank)
    other.settings = bank.settings.but(seed=1)
    assert replace(other.training().problem(epoch, index), item_id="") != here


def test_every_song_is_heard_equally_often_in_an_order_that_changes(training):
    songs = len(training.song_ids)
    passes = [[training.problem(0, lap * songs + position).song_id for position in range(songs)] for lap in range(4)]
    assert all(sorted(order) == training.song_ids for order in passes)
    assert len({tuple(order) for order in passes}) == 4
    assert [training.problem(1, position).song_id for position in range(songs)] != passes[0]


def test_segments_are_grouped_by_song_in_their_order(demo_segments):
    grouped = group_by_song(demo_segments)
    assert sum(len(segments) for segments in grouped.values()) == len(demo_segments)
    for song_id, segments in grouped.items():
        assert {segment.song_id for segment in segments} == {song_id}
        assert [segment.start_s for segment in segments] == sorted(segment.start_s for segment in segments)


def test_every_song_is_asked_in_every_way(bank):
    problems = bank.problems("test")
    by_song: dict[str, list] = {}
    for problem in problems:
        by_song.setdefault(problem.song_id, []).append(problem.prompt_category)
    assert all(sorted(asked) == sorted(PromptCategory) for asked in by_song.values())
    assert len({tuple(asked) for asked in by_song.values()}) > 1
    assert len({problem.item_id for problem in problems}) == len(problems)


def worded(problem, bank):
    """The sentences by which a bank can say what the user of a problem says."""
    return {fill_prompt(text, problem.claim, problem.anchor) for text in bank.templates(problem.claim)}


def test_no_paraphrase_that_is_held_out_is_trained_on_or_chosen_by_and_tests_have_no_other(bank, training):
    seen = default_banks().prompts
    spoken = [p for index in range(60) if (p := training.problem(0, index)).prompt_category != "audio_only"]
    for problem in spoken:
        prompt = bank.training_examples.example(problem).prompt
        assert prompt in worded(problem, seen)
        assert prompt not in worded(problem, seen.held_out)
    for split, words in (("validation", seen), ("test", seen.held_out)):
        for problem in bank.problems(split):
            if problem.prompt_category != "audio_only":
                assert bank.examples.example(problem).prompt in worded(problem, words)
    assert not any(problem.unseen_wording for problem in bank.tuning_problems(20))


def test_a_bank_without_a_held_out_part_says_that_tests_are_worded_as_training_is(build_bank, bank, tmp_path):
    texts = {"advice_seeking": ["Any ideas?"], "balanced": ["The mix is balanced."]}
    texts |= {state: [f"The {{stem}} {{are|is}} {state.replace('_', ' ')}."] for state in ("too_loud", "too_quiet")}
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps(texts))
    own = build_bank(f"evaluation.prompt.prompts={file}")
    assert f"Tests are worded as training is: {file} has no part held_out." in own.notes()
    assert not any("worded" in note for note in bank.notes())


def test_claims_that_a_meter_would_make_go_by_the_training_songs(build_bank, bank):
    plausible = build_bank("evaluation.prompt.wrong_claims=plausible")
    assert plausible.training_protocol.usual is None
    assert plausible.heldout_protocol.usual.of(None, "bass", "drums").songs >= 5
    plain, chosen = bank.problems("test"), plausible.problems("test")
    wrong = [(a.claim, b.claim) for a, b in zip(plain, chosen, strict=True) if a != b]
    assert wrong
    assert all(
        a.claim == b.claim for a, b in zip(plain, chosen, strict=True) if a.prompt_category != "incorrect_description"
    )
    own = plausible.as_trained()
    assert [p.claim for p in own.problems("test")] == [p.claim for p in plain]


def test_reasons_go_by_the_training_songs_and_read_back(build_bank, bank):
    reasoned = build_bank("prompt.reasons=true")
    problems = [bank.training().problem(0, index) for index in range(40)]
    texts = [[b.training_examples.example(p).response for p in problems] for b in (bank, reasoned)]
    assert any("most songs" in text for text in texts[1])
    for plain, text, problem in zip(*texts, problems, strict=True):
        assert text.startswith(plain)
        assert parse(text).advice == problem.right_advice
    held_out = reasoned.problems("test")[0]
    assert reasoned.examples.example(held_out).response == bank.examples.example(held_out).response


def test_a_prompt_category_without_weight_is_never_asked(bank):
    prompt = {"weights": {"audio_only": 0.5, "advice_seeking": 0.5, "correct_description": 0.0}}
    problems = asking(bank, prompt=prompt, items_per_song=3).problems("test")
    assert set(Counter(problem.prompt_category for problem in problems)) == {"audio_only", "advice_seeking"}


@settings(max_examples=20)
@given(st.integers(1, 8), st.integers(1, 8))
def test_more_items_for_each_song_leave_the_first_ones_as_they_are(bank, fewer, more):
    first, second = (
        {p.item_id: p for p in asking(bank, items_per_song=count).problems("test")} for count in (fewer, more)
    )
    shared = first.keys() & second.keys()
    assert len(shared) == min(len(first), len(second))
    assert all(first[item] == second[item] for item in shared)


def test_items_of_a_song_do_not_depend_on_the_other_songs(bank):
    left_out = bank.segments["test"][0].song_id
    fewer = copy.copy(bank)
    fewer.segments = {"test": [segment for segment in bank.segments["test"] if segment.song_id != left_out]}
    assert fewer.problems("test") == [problem for problem in bank.problems("test") if problem.song_id != left_out]


def test_seed_and_split_change_the_items(bank):
    one = copy.copy(bank)
    one.segments = dict.fromkeys(("validation", "test"), bank.segments["test"])

    def items(seed, split):
        asked = asking(one, seed=seed, items_per_song=2, validation_items_per_song=2)
        return [replace(p, item_id="") for p in asked.problems(split)]

    assert items(1, "test") == items(1, "test")
    assert items(1, "test") != items(2, "test")
    assert items(1, "test") != items(1, "validation")


def test_the_level_protocol_reaches_the_clips(bank):
    still = asking(bank, level={"headroom_dbfs": -32.0, "master_range_db": 0.0}, items_per_song=8)
    problem = next(problem for problem in still.problems("test") if not problem.errors)
    mixture = np.sum([clip.samples for clip in bank.examples.example(problem).clips], axis=0)
    # Stems below the gate have no clip, so the clips may sum to a little less than the whole mixture.
    assert rms_dbfs(mixture) == pytest.approx(-32.0, abs=0.5)


def test_test_items_do_not_depend_on_how_a_run_trains(bank, build_bank):
    loud = ["~error.categories", "+error.categories.loud={probability:1.0,low_db:3,high_db:6}", "error.rounding_db=2.0"]
    changed = build_bank(*loud, "prompt=audio_only", *LEVELS, "seed=5", "data.batch_size=2", "inputs.layout=mixture")
    for split in ("test", "validation"):
        assert bank.problems(split) == changed.problems(split)
    assert bank.tuning_problems(20) == changed.tuning_problems(20)
    assert bank.training().problem(0, 0) != changed.training().problem(0, 0)


def test_own_items_are_the_test_items_with_the_errors_and_prompts_of_training(bank, build_bank):
    claiming = build_bank("prompt=incorrect_description", *LEVELS)
    own, common = claiming.as_trained().problems("test"), claiming.problems("test")
    assert {problem.prompt_category for problem in own} == {PromptCategory.INCORRECT_DESCRIPTION}
    same = [replace(problem, claim=None, prompt_category=PromptCategory.AUDIO_ONLY) for problem in [*own, *common]]
    assert same[: len(own)] == same[len(own) :]
    assert common == bank.problems("test"), "the common items stay as they are"
    other = build_bank("error=relative").as_trained()
    assert any(problem.error_db("bass") for problem in other.problems("test"))
    assert other.tuning_problems(5) != claiming.tuning_problems(5)


def test_there_are_no_own_items_where_a_run_trains_on_what_is_asked(bank, build_bank):
    assert bank.as_trained() is None
    assert build_bank(*LEVELS, "seed=7", "data.gates.stem_dbfs=-30").as_trained() is None


@pytest.mark.parametrize("anchor", ["random", "per_segment", "most_active"])
def test_anchors_by_rule_differ_between_items_and_not_between_runs(build_bank, anchor):
    usual, other = build_bank(f"anchor={anchor}"), build_bank(f"anchor={anchor}", "error=relative", "seed=5")
    problems = usual.problems("test")
    assert problems == other.problems("test")
    assert len({problem.anchor for problem in problems}) > 1
    example = usual.examples.example(problems[0])
    assert example.clips[0].label.lower().startswith(f"anchor, {problems[0].anchor}")


def test_augmentation_changes_training_problems_alone(bank, build_bank):
    changed = build_bank(*AUGMENTED)
    for split in ("test", "validation"):
        assert bank.problems(split) == changed.problems(split)
    assert bank.tuning_problems(20) == changed.tuning_problems(20)
    problems = [changed.training().problem(0, index) for index in range(20)]
    assert any(problem.flipped for problem in problems)
    assert any(problem.borrowed for problem in problems)


def test_gates_of_training_leave_test_items_as_they_are(bank, build_bank):
    strict = build_bank("data.gates.stem_dbfs=-30")
    assert bank.segments["train"] != strict.segments["train"]
    for split in ("test", "validation"):
        assert bank.problems(split) == strict.problems(split)


def test_the_evaluations_seed_changes_the_test_items_and_not_the_training(bank, build_bank):
    other = build_bank("evaluation.seed=12")
    assert bank.problems("test") != other.problems("test")
    assert bank.training().problem(0, 3) == other.training().problem(0, 3)


def test_splits_share_no_song(bank):
    songs = {split: {segment.song_id for segment in segments} for split, segments in bank.segments.items()}
    assert set(songs) == {"train", "validation", "test"}
    assert sum(len(ids) for ids in songs.values()) == len(set.union(*songs.values()))
    assert {problem.song_id for problem in bank.tuning_problems(50)} <= songs["train"]
    assert {problem.song_id for problem in bank.problems("test")} == songs["test"]


def test_every_test_song_gives_its_items(bank):
    assert len(bank.problems("test")) == 4 * len({segment.song_id for segment in bank.segments["test"]})
    assert len(bank.problems("validation")) == 2 * len({s.song_id for s in bank.segments["validation"]})
    assert bank.problems("shifted") == []


@pytest.mark.parametrize(("inputs", "clips"), [("stems", 4), ("anchor_rest", 2), ("mixture", 1)])
def test_the_layout_decides_the_number_of_clips(build_bank, inputs, clips):
    laid_out = build_bank(f"inputs.layout={inputs}")
    problems = (laid_out.training().problem(0, index) for index in range(50))
    problem = next(problem for problem in problems if len(problem.stems) == 4)
    assert len(laid_out.examples.example(problem).clips) == clips


def test_a_problem_finds_its_segment_and_the_loudness_of_its_song(bank, demo_store):
    for problem in bank.problems("test")[:5]:
        segment = bank.segment(problem)
        assert (segment.song_id, segment.start_s) == (problem.song_id, problem.start_s)
        assert set(segment.stems) == set(problem.stems)
        assert bank.song_lufs(problem) == demo_store.songs[problem.song_id].song_lufs
    balance = bank.true_balance()
    assert balance.sigma_db == 1.5
    assert set(balance.balance_db) == {song.genre for song in demo_store.songs.values()}


@pytest.fixture
def songs_folder(tmp_path):
    """Three songs of 11 s of noise at 8 kHz; the first has no bass."""
    rng = np.random.default_rng(0)
    for song, roles in (("Eins", ("drums", "vocals")), ("Zwei", ("bass", "drums")), ("Drei", ("bass", "vocals"))):
        (tmp_path / "songs" / song).mkdir(parents=True)
        for role in roles:
            soundfile.write(tmp_path / "songs" / song / f"{role}.wav", 0.1 * rng.standard_normal(88000), 8000)
    return tmp_path / "songs"


@pytest.fixture
def build_own(build_bank, songs_folder, tmp_path):
    """Builds banks over the three songs, of which a share is for tests."""

    def build(*overrides, test_share=0.0):
        source = FolderSource(songs_folder, validation_share=0.0, test_share=test_share, seed=0)
        return build_bank(f"paths.cache={tmp_path / 'cache'}", *overrides, source=source)

    return build


def test_songs_without_the_anchor_are_counted_in_their_split(build_own):
    bank = build_own()
    assert bank.dropped["train"] == {"songs_without_anchor": 1}
    assert {segment.song_id for segment in bank.segments["train"]} == {"Zwei", "Drei"}
    assert bank.true_balance() is None
    drums = build_own("anchor=drums")
    assert {segment.song_id for segment in drums.segments["train"]} == {"Eins", "Zwei"}


def test_songs_that_were_not_made_to_a_balance_are_not_mixed_with_one_another(build_own):
    with pytest.raises(
        ConfigError, match=r"cross_song_probability is 0\.2, but there is no true balance .* set it to 0"
    ):
        build_own("data.augmentation.cross_song_probability=0.2")


def test_a_split_that_the_anchor_leaves_empty_is_said_in_the_log(build_own, songs_folder, caplog):
    source = FolderSource(songs_folder, validation_share=0.0, test_share=0.3, seed=0)
    assert {entry.song_id: entry.split for entry in source.entries()}["Eins"] == "test"
    build_own(test_share=0.3)
    assert "No test items are left (dropped: {'songs_without_anchor': 1})" in caplog.text
    assert "No validation items are left (dropped: no songs in the split)" in caplog.text


def test_nothing_left_to_train_on_is_said_with_what_was_dropped(build_own):
    with pytest.raises(ConfigError, match=r"active 'other' .*'songs_without_anchor': 3.*choose another anchor"):
        build_own("anchor=other")


def test_an_anchor_that_is_no_role_of_the_songs_is_refused_with_the_roles(build_own):
    with pytest.raises(ConfigError, match=r"anchor\.stem is 'kazoo', but the roles of these songs are .*bass"):
        build_own("anchor.stem=kazoo")


LIGHT = """
import json, sys
from mixlab.items.build import build_bank
from mixlab.items.settings import ItemSettings
from mixlab.settings import parse

bank = build_bank(parse(json.loads(sys.stdin.read()), ItemSettings), 16000)
bank.setup()
example = bank.examples.example(bank.problems("test")[0])
heavy = [name for name in ("torch", "transformers", "peft", "lightning") if name in sys.modules]
print(json.dumps({"clips": len(example.clips), "response": example.response, "heavy": heavy}))
"""


def test_a_bank_needs_neither_a_model_nor_lightning(tmp_path):
    values = composed("dataset=demo_small", f"paths.cache={tmp_path}", "data.prepare_workers=1")
    values["dataset"] |= {"train_songs": 1, "validation_songs": 0, "test_songs": 1, "shifted_songs": 0}
    asked = {key: values[key] for key in ItemSettings.model_fields}
    asked["evaluation"] = {key: values["evaluation"][key] for key in HeldoutSettings.model_fields}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["heavy"] == []
    assert found["clips"] > 1
    assert found["response"]
