"""Anybody's rows read as predictions, and a sentence for those that cannot be."""

from __future__ import annotations

import json
import re

import pytest

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, write_predictions
from mixlab.scoring.formats import OWN_ROWS, RowFormat, read_texts

FORM = RowFormat(
    text="said.text",
    target="stem",
    gain_db="gain",
    stems=("bass", "drums", "vocals"),
    reference="right",
    prompt="asked",
    item="name",
    song="name",
    anchor="name",
    category="kind",
    balanced=("fine",),
    low_db="low",
    high_db="high",
    patterns={"song": r"^(\w+)-", "anchor": r"-([a-z]+)$"},
)
ROW = {
    "name": "one-bass",
    "said": {"text": "Lower the vocals by 5 dB."},
    "stem": "vocals",
    "gain": 4.5,
    "kind": "loud",
    "right": "The vocals need to be slightly quieter. Lower the vocals by 3 to 6 dB.",
    "asked": "What should I do?",
    "low": 3.0,
    "high": 6.0,
}


@pytest.fixture
def file(tmp_path):
    """A function that writes rows to a file."""

    def write(*rows):
        path = tmp_path / "answers.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def refusal(path, form=FORM) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises((InputFileError, ConfigError)) as raised:
        read_texts(path, form)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_fields_of_any_name_become_a_problem_and_an_answer(file):
    texts = read_texts(file(ROW), FORM)
    (prediction,) = texts.predictions
    problem = prediction.problem
    assert (problem.item_id, problem.song_id, problem.anchor) == ("one-bass", "one", "bass")
    assert problem.stems == ("bass", "drums", "vocals")
    assert problem.needed_gains_db == {"vocals": -4.5}
    assert problem.error_category == "loud"
    assert prediction.advice == Advice((Move.of("vocals", -5.0),))
    assert prediction.prompt == "What should I do?"
    assert texts.read_back == [True]


def test_a_reference_text_that_says_another_range_does_not_read_back(file):
    assert read_texts(file(ROW | {"high": 5.0}), FORM).read_back == [False]


def test_a_balanced_category_is_balanced_whatever_its_gain(file):
    row = ROW | {"kind": "fine", "gain": 1.5, "low": None, "high": None, "right": "No changes are needed."}
    texts = read_texts(file(row), FORM)
    assert texts.predictions[0].problem.needed_gains_db == {}
    assert texts.read_back == [True]


def test_a_gain_may_be_the_one_that_is_needed(file):
    form = FORM.but(gain_is="needed")
    assert read_texts(file(ROW), form).predictions[0].problem.needed_gains_db == {"vocals": 4.5}


def test_little_is_needed(file):
    form = RowFormat(text="a", target="stem", gain_db="gain", stems=("kick", "snare"))
    rows = [{"a": "Lower the snare by 2 dB.", "stem": "snare", "gain": 2}, {"a": None, "stem": "", "gain": 0}]
    texts = read_texts(file(*rows), form)
    assert [p.problem.item_id for p in texts.predictions] == ["line-1", "line-2"]
    assert texts.predictions[0].advice == Advice((Move.of("snare", -2.0),))
    assert texts.predictions[1].advice is None
    assert texts.predictions[1].problem.candidates == ("kick", "snare")
    assert (texts.references, texts.read_back) == ([], [])


def test_mixlabs_own_texts_are_read_anew(tmp_path, problem):
    path = tmp_path / "predictions.jsonl"
    stale = Prediction(problem(("vocals", -6.0)), "Raise the vocals by 6 dB.", None, "", "Raise the vocals by 6 dB.")
    write_predictions(path, [stale])
    texts = read_texts(path, OWN_ROWS)
    assert texts.predictions[0].advice == Advice((Move.of("vocals", 6.0),))
    assert texts.references[0].advice == texts.predictions[0].advice


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"said": {}}, r"line 2 has no field 'said\.text' \(format\.text\); it has name, said"),
        ({"said": "text"}, r"no field 'said\.text'"),
        ({"said": {"text": 1.5}}, "is 1.5, which is no text"),
        ({"stem": "tuba"}, "'stem' .* is 'tuba', which is none of the stems bass, drums, vocals"),
        ({"stem": "bass"}, "is 'bass', which is the anchor"),
        ({"stem": None}, "is '', which names no stem, but the gain is 4.5 dB"),
        ({"gain": None}, "'gain' .* is null, which is no number"),
        ({"gain": "loud"}, "is 'loud', which is no number"),
        ({"gain": True}, "is True, which is no number"),
        ({"low": 7.0}, "is 7.0, which makes no range with high = 6"),
        ({"low": None}, "'low' .* is null, which is no number"),
        ({"name": "nothing"}, "'name' .* does not match"),
        ({"name": "one-bass"}, "answers the item 'one-bass' twice"),
    ],
)
def test_a_row_that_does_not_fit_is_named(file, change, words):
    good = ROW | {"name": "one-bass"}
    sentence = refusal(file(good, ROW | {"name": "two-bass"} | change))
    assert re.search(words, sentence), sentence


def test_a_line_that_is_not_json_is_numbered(tmp_path):
    path = tmp_path / "answers.jsonl"
    for bad, words in (("{", "line 3 is not JSON"), ("[1]", "line 3 is not a JSON object")):
        path.write_text(f"{json.dumps(ROW)}\n\n{bad}\n")
        assert words in refusal(path)


def test_an_empty_or_missing_file_and_a_folder_are_named(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    assert "empty.jsonl holds no predictions" in refusal(tmp_path / "empty.jsonl")
    assert "nowhere.jsonl: No such file" in refusal(tmp_path / "nowhere.jsonl")
    assert "not text in UTF-8" in refusal(tmp_path / "binary.jsonl")
    assert "Is a directory" in refusal(tmp_path)


def test_rows_of_others_are_no_predictions_of_mixlab(file):
    sentence = refusal(file(ROW), OWN_ROWS)
    assert "line 1 is not a prediction of mixlab (lacks the key 'item_id')" in sentence
    assert "format=fields" in sentence
