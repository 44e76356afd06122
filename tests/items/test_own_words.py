"""Items worded from a user's own banks of templates: training items alone, unless held-out items are asked for too."""

import copy
import pickle

import numpy as np
import pytest
import yaml

from mixlab.errors import ConfigError
from mixlab.language.parse import parse
from mixlab.language.wording import load_data


@pytest.fixture(scope="module")
def own_words(tmp_path_factory):
    """Overrides that word training items from files."""
    folder = tmp_path_factory.mktemp("banks")
    prompts, responses = copy.deepcopy(load_data("prompts")), copy.deepcopy(load_data("responses"))
    prompts["advice_seeking"] = ["Any thoughts on this one?"]
    del prompts["held_out"]
    responses["solutions"] |= {"raise": ["Push up the {stem} {by}."], "lower": ["Pull down the {stem} {by}."]}
    for name, bank in {"prompts": prompts, "responses": responses}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(bank))
    return [f"prompt.{name}={folder}/{name}.yaml" for name in ("prompts", "responses")]


def training_items(bank, count=12):
    problems = [bank.training().problem(0, index) for index in range(count)]
    return [bank.training_examples.example(problem) for problem in problems]


def test_own_banks_word_training_items_and_leave_held_out_ones_and_all_sound_alone(demo_source, build_small, own_words):
    usual, own = build_small(demo_source), build_small(demo_source, *own_words)
    ours, theirs = training_items(own), training_items(usual)
    assert {example.prompt for example in ours} & {"Any thoughts on this one?"}
    assert any("Push up the" in example.response or "Pull down the" in example.response for example in ours)
    for one, other in zip(ours, theirs, strict=True):
        assert one.problem == other.problem
        assert parse(one.response).advice == other.reference
        np.testing.assert_array_equal(one.clips[0].samples, other.clips[0].samples)
    for problem in own.problems("test"):
        one, other = own.examples.example(problem), usual.examples.example(problem)
        assert (one.prompt, one.response) == (other.prompt, other.response)


def test_items_drawn_as_in_training_are_worded_as_in_training(demo_source, build_small, own_words):
    trained = build_small(demo_source, *own_words, "evaluation.items_per_song=4").as_trained()
    assert trained is not None
    prompts = {trained.examples.example(problem).prompt for problem in trained.problems("test")}
    assert "Any thoughts on this one?" in prompts


def test_banks_travel_to_the_processes_that_make_examples(demo_source, build_small, own_words):
    examples = build_small(demo_source, *own_words).training_examples
    assert pickle.loads(pickle.dumps(examples.banks)) == examples.banks


def test_an_exported_set_keeps_what_it_said_without_the_files(demo_source, build_small, write_export, serve, own_words):
    drawn = build_small(demo_source, *own_words)
    read = serve(write_export(drawn, train_items=6))
    assert [(e.prompt, e.response) for e in training_items(read, 6)] == [
        (e.prompt, e.response) for e in training_items(drawn, 6)
    ]


def test_a_bank_that_cannot_be_read_is_refused_before_songs_are_prepared(demo_source, build_small, tmp_path):
    (tmp_path / "bank.yaml").write_text("nothing: []")
    with pytest.raises(ConfigError, match=r"bank\.yaml cannot be read as a bank of templates"):
        build_small(demo_source, f"prompt.responses={tmp_path}/bank.yaml")
