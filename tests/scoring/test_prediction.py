"""A prediction survives its file, and a broken file is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.errors import InputFileError
from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.scoring import Prediction, read_predictions, write_predictions
from mixlab.synthesis.problem import PromptCategory

magnitudes = st.floats(0.5, 12.0)
moves = st.builds(
    lambda stem, ends, sign: Move(stem, *sorted(sign * end for end in ends)),
    st.sampled_from(["drums", "vocals", "other"]),
    st.tuples(magnitudes, magnitudes),
    st.sampled_from([-1.0, 1.0]),
)
advice = st.none() | st.builds(
    lambda moves, verdict: Advice(tuple(moves), verdict),
    st.lists(moves, max_size=3, unique_by=lambda move: move.stem),
    st.none() | st.sampled_from(list(Verdict)),
)


@given(said=advice, text=st.text(), prompt=st.text())
def test_a_prediction_is_the_same_after_json(problem, said, text, prompt):
    before = Prediction(problem(("vocals", -6.0)), text, said, prompt, "Raise the vocals by 6 dB.")
    assert Prediction.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_a_row_holds_the_problem_and_what_was_understood(problem):
    claim = Claim(State.TOO_QUIET, "vocals")
    asked = problem(("vocals", -6.2), prompt=PromptCategory.CORRECT_DESCRIPTION, claim=claim)
    said = Advice((Move("vocals", 5.0, 7.0),), Verdict.CONFIRMED)
    row = Prediction(asked, "Yes. Raise the vocals by 5 to 7 dB.", said).to_json()
    assert row["item_id"] == "song/0"
    assert row["errors"] == [{"stem": "vocals", "error_db": -6.2, "category": "", "range_db": None}]
    assert row["advice"] == [{"stem": "vocals", "direction": "raise", "gain_db": 6.0, "low_db": 5.0, "high_db": 7.0}]
    assert row["verdict"] == "confirmed"
    assert row["parsed"] is True


def test_balanced_and_unparsed_are_told_apart_in_a_file(tmp_path, problem):
    rows = [Prediction(problem(item="a/0"), "Fine.", Advice()), Prediction(problem(item="a/1"), "\u2028?", None)]
    write_predictions(tmp_path / "run" / "predictions.jsonl", rows)
    assert read_predictions(tmp_path / "run" / "predictions.jsonl") == rows
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["predictions.jsonl"]


@pytest.mark.parametrize("bad", ["{", "[]", '{"parsed": true}', "3"])
def test_a_bad_line_is_named(tmp_path, problem, bad):
    path = tmp_path / "predictions.jsonl"
    good = json.dumps(Prediction(problem(), "", None).to_json())
    path.write_text(f"{good}\n\n{bad}\n")
    with pytest.raises(InputFileError, match=r"predictions\.jsonl, line 3"):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputFileError, match="nowhere"):
        read_predictions(tmp_path / "nowhere.jsonl")


def test_a_failed_write_keeps_what_was_there(tmp_path, problem):
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, [Prediction(problem(), "kept", None)])
    with pytest.raises(ValueError, match="JSON"):
        write_predictions(path, [Prediction(problem(("vocals", float("nan"))), "", None)])
    assert read_predictions(path)[0].text == "kept"
    assert len(list(tmp_path.iterdir())) == 1
