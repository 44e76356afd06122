"""Words for stems and amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.wording import (
    RangeForm,
    amount_fields,
    fill,
    is_plural,
    list_names,
    load_data,
    number_text,
    sentence_name,
)


@pytest.mark.parametrize(
    ("value", "text"), [(6.0, "6"), (1.5, "1.5"), (10.0, "10"), (0.1 + 0.2, "0.30000000000000004")]
)
def test_a_number_is_written_in_the_shortest_way_that_reads_back(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(1e-7, 1e5))
def test_a_number_is_written_without_an_exponent_and_reads_back_exactly(value: float) -> None:
    assert "e" not in number_text(value)
    assert float(number_text(value)) == value


def test_a_single_value_has_one_form_and_a_range_two() -> None:
    assert amount_fields(6, 6, RangeForm.BETWEEN) == {"amount": "6 dB", "by": "by 6 dB"}
    assert amount_fields(3, 6, RangeForm.TO) == {"amount": "3 to 6 dB", "by": "by 3 to 6 dB"}
    assert amount_fields(3, 6, RangeForm.BETWEEN)["by"] == "between 3 and 6 dB"


@pytest.mark.parametrize(("low_db", "high_db"), [(0, 3), (6, 3), (-6, -3)])
def test_an_amount_that_is_not_positive_or_inverted_is_refused(low_db: float, high_db: float) -> None:
    with pytest.raises(ValueError, match="an amount needs"):
        amount_fields(low_db, high_db, RangeForm.TO)


def test_verbs_agree_with_the_stem() -> None:
    template = "The {stem} {are|is} too loud."
    for stem, sentence in {
        "drums": "The drums are too loud.",
        "bass": "The bass is too loud.",
        "other": "The other stem is too loud.",
        "lead_guitar": "The lead guitar is too loud.",
    }.items():
        assert fill(template, {"stem": sentence_name(stem)}, is_plural(stem)) == sentence


def test_stems_are_listed_as_a_person_would() -> None:
    assert list_names(["drums"]) == "drums"
    assert list_names(["drums", "backing_vocals", "other"]) == "drums, backing vocals and other"


def test_a_missing_field_and_a_missing_file_are_named() -> None:
    with pytest.raises(KeyError, match="stem"):
        fill("The {stem}.", {})
    with pytest.raises(FileNotFoundError):
        load_data("no_such_bank")
