"""A sheet is one table in several forms: what a page shows, Markdown and CSV say the same."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from mixlab.reports.sheets import Line, Sheet, write_sheets

SHEET = Sheet(
    "genre",
    "By genre",
    {"items": "items", "joint_accuracy": "joint", "residual_db": "left dB", "model_lead": "ahead", "note": "note"},
    [
        Line(
            "rock | roll", {"items": (12.0,) * 3, "joint_accuracy": (0.5, 0.4, 0.6), "model_lead": (-0.1, -0.2, 0.05)}
        ),
        Line("<jazz>", {"joint_accuracy": (0.25, 0.25, 0.25), "residual_db": (1.234, 1.0, 1.5), "note": "so *so*"}),
        Line("folk", {"joint_accuracy": (float("nan"),) * 3}),
    ],
    "genre",
    "A caption.",
)


def test_figures_are_written_as_what_they_are():
    first, second, third = (SHEET.texts(line) for line in SHEET.lines)
    assert first[0] == ("12", "")
    assert first[1] == ("0.500", "0.400\N{EN DASH}0.600")
    assert first[3] == ("\N{MINUS SIGN}0.100", "\N{MINUS SIGN}0.200 to +0.050")
    assert second[1] == ("0.250", "")
    assert second[2] == ("1.23", "1.00\N{EN DASH}1.50")
    assert second[4] == ("so *so*", "")
    assert third[1] == first[2] == ("\N{EN DASH}", "")


def test_markdown_has_a_line_a_line_and_no_text_becomes_markup():
    lines = SHEET.markdown().splitlines()
    assert len(lines) == 2 + len(SHEET.lines)
    assert lines[2].startswith("| rock \\| roll | 12 | 0.500 (0.400\N{EN DASH}0.600) |")
    assert r"\<jazz\>" in lines[3]
    assert r"so \*so\*" in lines[3]


def test_csv_has_all_digits_and_a_column_for_each_end_of_an_interval():
    names, first, second, third = csv.reader(io.StringIO(SHEET.csv()))
    assert names[:5] == ["genre", "items", "joint_accuracy", "joint_accuracy_low", "joint_accuracy_high"]
    assert first[:5] == ["rock | roll", "12.0", "0.5", "0.4", "0.6"]
    assert second[names.index("residual_db")] == "1.234"
    assert set(third[1:]) == {""}


def test_a_p_value_is_never_shown_as_zero():
    sheet = Sheet("pairs", "Pairs", {"p": "p"}, [Line("a", {"p": (0.0001,) * 3})])
    assert sheet.texts(sheet.lines[0]) == [("<0.001", "")]


def test_sheets_are_written_as_csv_each_and_as_one_page_of_markdown(tmp_path: Path):
    write_sheets(tmp_path / "tables", [SHEET, Sheet("empty", "Nothing", {}, [])])
    text = (tmp_path / "tables" / "tables.md").read_text(encoding="utf-8")
    assert text.index("## By genre") < text.index("A caption.") < text.index("## Nothing")
    assert (tmp_path / "tables" / "genre.csv").read_text(encoding="utf-8") == SHEET.csv()


@pytest.mark.parametrize("text", ["a\nb", "a  b"])
def test_a_cell_of_markdown_stays_on_its_line(text):
    sheet = Sheet("s", "S", {"note": "note"}, [Line(text, {"note": text})])
    assert sheet.markdown().splitlines()[2] == "| a b | a b |"
