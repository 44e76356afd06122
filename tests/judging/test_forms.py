"""A judge's answer is read where it keeps to its form, and refused with a reason where it does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.judging.forms import FormAsked, Malformed, Preference, form_words, read_form, response_format, scores_form

SCORES = scores_form(["effectiveness", "helpfulness"])
GOOD = {"reason": "Right stem.", "effectiveness": 4, "helpfulness": 2}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"Sure!\n```json\n{json.dumps(GOOD, indent=2)}\n```\nHope that helps {{}}.",
        f'<think>Maybe {{"reason": "x", "effectiveness": 1, "helpfulness": 1}}?</think>{json.dumps(GOOD)}',
        f"{json.dumps(GOOD)} again: {json.dumps(GOOD)}",
    ],
)
def test_an_answer_is_found_between_other_words(text):
    assert read_form(text, SCORES).model_dump() == GOOD


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"),
        ("I give it a 5.", "no JSON object"),
        (json.dumps(GOOD)[:-1], "no JSON object"),
        ("[1, 2]", "no JSON object"),
        (json.dumps({**GOOD, "helpfulness": 6}), "'helpfulness': input should be less than or equal to 5"),
        (json.dumps({**GOOD, "helpfulness": 0}), "'helpfulness'"),
        (json.dumps({**GOOD, "helpfulness": "4"}), "'helpfulness'"),
        (json.dumps({**GOOD, "helpfulness": True}), "'helpfulness'"),
        (json.dumps({**GOOD, "helpfulness": 3.5}), "'helpfulness'"),
        (json.dumps({**GOOD, "beauty": 5}), "'beauty'"),
        (json.dumps({"reason": "x", "effectiveness": 3}), "'helpfulness': field required"),
        (json.dumps(GOOD) + json.dumps({**GOOD, "helpfulness": 5}), "several different answers"),
    ],
)
def test_what_does_not_keep_to_the_form_is_refused_with_a_reason(text, says):
    with pytest.raises(Malformed, match=says):
        read_form(text, SCORES)


@given(st.text())
def test_no_text_is_read_by_chance(text):
    with pytest.raises(Malformed):
        read_form(text, SCORES)


def test_the_form_is_asked_for_in_words_and_as_a_schema():
    assert form_words(SCORES).endswith(
        '{"reason": "<one short sentence>", "effectiveness": <1, 2, 3, 4 or 5>, "helpfulness": <1, 2, 3, 4 or 5>}'
    )
    assert '"better": <"first", "second" or "tie">' in form_words(Preference)
    schema = response_format(SCORES, FormAsked.JSON_SCHEMA)["json_schema"]["schema"]
    assert schema["required"] == ["reason", "effectiveness", "helpfulness"]
    assert schema["additionalProperties"] is False
    assert response_format(SCORES, FormAsked.JSON_OBJECT) == {"type": "json_object"}
    assert response_format(SCORES, FormAsked.NONE) is None
