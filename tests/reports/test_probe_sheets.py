"""The probes as tables: one each for the report, and all in one list as files and for the screen."""

import csv

import pytest
from rich.console import Console

from mixlab.reports.probes import probe_sheets, probes_table, write_probes
from mixlab.scoring.bootstrap import edge_interval
from mixlab.scoring.probe import probe_of

SONGS = [f"song{number // 4}" for number in range(80)]


@pytest.fixture
def probes():
    """One that a model passes and a reader of claims does not, and one in dB."""
    methods = {"": {"stays": [1.0] * 80}, "text_only": {"stays": [0.0] * 80, "drop": [0.0] * 80}}
    change = {"": {"stays_at_db=-6": [0.0, 1.0] * 40, "gain_change_db": [0.5, 1.5] * 40}}
    return [
        probe_of("claim_swap", "Does it believe claims?", "The same mix under every claim.", SONGS, methods, 50),
        probe_of("global_gain", "Is level heard?", "Louder and quieter.", SONGS, change, 50),
    ]


def test_a_probe_is_a_sheet_with_a_line_a_method_and_what_its_figures_mean(probes):
    claims, gain = probe_sheets(probes)
    model, reader = (dict(zip(claims.columns, claims.texts(line), strict=True)) for line in claims.lines)
    assert [line.label for line in claims.lines] == ["model", "text alone"]
    low, high = edge_interval(1.0, 20)
    assert model["stays"] == ("1.000", f"{low:.3f}\N{EN DASH}{high:.3f}")
    # A difference of nothing is no share of 20 songs.
    assert reader["drop"] == ("0.000", "")
    assert "80 items of 20 songs. The same mix under every claim" in claims.caption
    assert list(gain.columns.values()) == ["stays at dB -6", "gain change dB"]


def test_probes_are_written_as_markdown_and_csv(probes, tmp_path):
    write_probes(tmp_path, probes)
    page = (tmp_path / "probes.md").read_text()
    assert "| claim swap | text alone | stays | 0.000 (0.000\N{EN DASH}0.161) | 80 |" in page
    assert "| global gain | model | gain change db | 1.00 | 80 |" in page
    rows = list(csv.DictReader((tmp_path / "probes.csv").open()))
    assert rows[0] | {"low": ""} == {"probe": "claim_swap", "method": "model", "figure": "stays", "value": "1.0",
                                     "low": "", "high": "1.0", "items": "80", "songs": "20"}  # fmt: skip


def test_the_screen_has_a_line_a_figure_with_its_interval(probes):
    console = Console(width=100, record=True)
    console.print(probes_table(probes))
    shown = console.export_text()
    assert "claim swap" in shown
    assert f"{edge_interval(1.0, 20)[0]:.3f}\N{EN DASH}1.000" in shown
