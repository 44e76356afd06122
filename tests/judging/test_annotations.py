"""Files of lines: what is wrong in one is named with line and field."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixlab.errors import InputFileError
from mixlab.judging.annotations import Annotation, read_annotations, read_answers, read_ratings
from mixlab.scoring import write_predictions

GOOD = {"item": "a/0", "annotator": "anna", "text": "Bring the vocals up a touch."}


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_annotations_are_read_with_what_is_optional(tmp_path):
    path = lines(tmp_path / "a.jsonl", GOOD, "", {**GOOD, "annotator": "ben", "song": "a", "category": "audio_only"})
    assert read_annotations(path) == [
        Annotation(**GOOD),
        Annotation(**{**GOOD, "annotator": "ben"}, song="a", category="audio_only"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"item": "a/1", "annotator": "anna"}, "line 2 lacks the field 'text'; a line needs item, annotator, text"),
        ({**GOOD, "item": 3}, "line 2: the field 'item' is 3, but input should be a valid string"),
        ({**GOOD, "item": "b", "text": "  "}, "line 2: the field 'text' is '  ', but string should have at least 1"),
        ({**GOOD, "who": "x"}, "line 2 has an unknown field 'who'; known are item, annotator, text, song, category"),
        (GOOD, r"line 2: \('a/0', 'anna'\) is annotated twice by one annotator \(line 1\)"),
        ("[1]", "line 2 is not a JSON object"),
        ("{", "line 2 is not JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, row, says):
    with pytest.raises(InputFileError, match=rf"a\.jsonl, {says}") as raised:
        read_annotations(lines(tmp_path / "a.jsonl", GOOD, row))
    assert "\n" not in str(raised.value)


def test_a_missing_and_an_empty_file_are_named(tmp_path):
    with pytest.raises(InputFileError, match=r"cannot read annotations from .*nowhere\.jsonl: No such file"):
        read_annotations(tmp_path / "nowhere.jsonl")
    with pytest.raises(InputFileError, match="holds no lines"):
        read_annotations(lines(tmp_path / "empty.jsonl", ""))


def test_answers_are_read_from_a_run_or_from_lines_with_item_and_text(tmp_path, answered):
    write_predictions(tmp_path / "predictions.jsonl", [answered(("vocals", -6.0), text="Louder.")])
    (ours,) = read_answers(tmp_path)
    assert (ours.item_id, ours.text, ours.song_id, ours.anchor) == ("song0/0", "Louder.", "song0", "bass")
    (other,) = read_answers(lines(tmp_path / "other.jsonl", {"item_id": "x", "text": "", "score": 3}))
    assert (other.item_id, other.text, other.song_id) == ("x", "", None)


def test_ratings_keep_to_the_scale_and_the_rubric(tmp_path):
    row = {"item": "a/0", "rater": "ben", "criterion": "effectiveness", "score": 4}
    (rating,) = read_ratings(lines(tmp_path / "r.jsonl", row), ["effectiveness"])
    assert (rating.score, rating.subject) == (4, "model")
    with pytest.raises(InputFileError, match="by the criterion 'effectiveness', which is none of the rubric's"):
        read_ratings(tmp_path / "r.jsonl", ["beauty"])
    with pytest.raises(InputFileError, match="the field 'score' is 6, but input should be less than or equal to 5"):
        read_ratings(lines(tmp_path / "r.jsonl", {**row, "score": 6}), ["effectiveness"])


def turn(number, assistant="Pull the kick down.", **others):
    history = [{"audio_file": "x.wav", "content": "Hm.", "role": "user"}]
    return {
        "conversation_id": "c1", "topic": "drums", "turn_id": number, "has_content": True, "input_history": history,
        "audio_file": "x.wav", "user": "Too loud?", "assistant": assistant, **others,
    }  # fmt: skip


@pytest.fixture
def mixassist(tmp_path):
    """Writes turns in the published layout, one Parquet file a split."""

    def write(*turns, below="data", split="test"):
        folder = tmp_path / "MixAssist" / below
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(turns)), folder / f"{split}-00000-of-00001.parquet")
        return tmp_path / "MixAssist"

    return write


@pytest.mark.parametrize("below", ["data", ""])
def test_turns_of_mixassist_are_annotations_by_the_expert(mixassist, below):
    folder = mixassist(turn(0), turn(1, None), turn(2, "Leave it."), below=below)
    mixassist(turn(0, "Train."), below=below, split="train")
    assert read_annotations(folder) == [
        Annotation(item="c1/0", annotator="expert", text="Pull the kick down.", song="c1", category="drums"),
        Annotation(item="c1/2", annotator="expert", text="Leave it.", song="c1", category="drums"),
    ]


def test_what_is_not_mixassist_is_said(mixassist, tmp_path):
    with pytest.raises(InputFileError, match=r"holds no test-\*\.parquet"):
        read_annotations(tmp_path)
    folder = mixassist({"conversation_id": "c1", "topic": "drums", "turn_id": 0})
    with pytest.raises(InputFileError, match="lacks the column 'assistant' of MixAssist"):
        read_annotations(folder)
    with pytest.raises(InputFileError, match="holds the turn c1/0 twice"):
        read_annotations(mixassist(turn(0), turn(0)))
    with pytest.raises(InputFileError, match="no turn in which the expert says something"):
        read_annotations(mixassist(turn(0, " ")))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputFileError, match="cannot be read as Parquet"):
        read_annotations(tmp_path / "broken.parquet")
