"""What a stranger wrote (names, genres, prompts, answers) is shown as text in every form of output."""

from __future__ import annotations

import ast
import csv
import html
import io
import logging
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from mixlab import escaping
from mixlab.advising.exchange import TrackGain, gains_csv, reaper_project
from mixlab.cli.errors import fail
from mixlab.escaping import LogFormatter, code, csv_text, fenced, line, markdown, say, visible
from mixlab.hub.card import card, cards
from mixlab.items.manifest import read_manifest
from mixlab.reports import figures, sweep_figures
from mixlab.reports.pages import pages, write_sheets_page
from mixlab.reports.sheets import Line, Sheet, document
from mixlab.storage import write_whole
from mixlab.study.analysis_page import templates as study_reports
from mixlab.study.pages import make_templates
from mixlab.web import drawing

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</svg><script>", "$\\frac{$", "$x^2$", "a $ b", "\\",
    "=cmd|' /C calc'!A1", "\uff1dcmd()", "  =1+1", "\n=1+1", "\t=1", "\ufeff=1", "\u200b@SUM(A1)", "+1+1", "-2+3",
    "\uff0b1",
    "a | b", "|", "``` ` ```", "`code`", "[a](javascript:alert(1))", "![a](http://evil/x.png)", "<http://evil>", "*a*",
    "_a_", "__init__", "~~a~~", "&lt;b&gt;", "# head", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m",
    "a\rb", "a\r\nb",
    "\u202egnp.exe", "\u2066x", "a\x00b", "\udcff", "\ud83d", "[/red]", "[bold]x", "{{ 7 * 7 }}", "{% raw %}", "%n",
    "\u2028x",
    "'\"", "</title>", "_hidden", "\ufffe", "人声 🎤 vocals", "",
]  # fmt: skip
"""Names as strangers write them."""

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from([*HOSTILE, "a", " ", "\n", "1"]), max_size=4).map("".join),
    st.text(st.characters(codec=None), max_size=12),
)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def parsed(text):
    """The leaves of a Markdown text."""
    return [leaf for token in READER.parse(text) for leaf in (token.children or [token])]


def hostile_sheet(text, value=0.5):
    cells = {"note": text, "joint_accuracy": (value, value, value)}
    return Sheet("x", text, {"note": text, "joint_accuracy": "joint"}, [Line(text, cells)] * 2, text, "")


@given(texts)
def test_what_is_visible_is_no_order_to_a_screen_and_stays_as_it_is(text):
    assert not UNSEEN.search(visible(text))
    assert visible(visible(text)) == visible(text)
    assert "\n" not in line(text)


@pytest.mark.parametrize("name", ["עברית", "ｶﾗｵｹ", "👩‍🎤", "naïve “quoted”", "a\u200fb"])
def test_names_of_all_languages_stay_as_they_are(name):
    assert visible(name) == line(name) == name


@given(texts)
def test_markdown_shows_text(text):
    shown = line(text)
    leaves = parsed(f"x {markdown(text)} x")
    assert {leaf.type for leaf in leaves} <= {"paragraph_open", "text", "text_special", "paragraph_close"}
    assert "".join(leaf.content for leaf in leaves) == (f"x {shown} x" if shown else "x  x")


@given(texts)
def test_a_code_span_and_a_block_end_where_they_should(text):
    (*_, block) = READER.parse(f"{fenced(text, 'yaml')}\n")
    assert (block.type, block.content) == ("fence", f"{visible(text)}".rstrip("\n") + "\n")
    if inner := line(text):
        leaves = [
            leaf for leaf in parsed(f"x {code(text)} x") if leaf.type not in ("paragraph_open", "paragraph_close")
        ]
        assert [leaf.type for leaf in leaves] == ["text", "code_inline", "text"]
        assert leaves[1].content == inner


@given(texts)
def test_a_sheet_is_one_table_of_text_in_markdown(text):
    tokens = READER.parse(document([hostile_sheet(text)]))
    assert [token.type for token in tokens].count("table_open") == 1
    rows = [token.type for token in tokens].count("tr_open")
    cells = [token for token, before in zip(tokens[1:], tokens, strict=False) if before.type in ("td_open", "th_open")]
    assert (rows, len(cells)) == (3, 9)
    assert "".join(leaf.content for leaf in cells[1].children) == line(text)
    assert {leaf.type for cell in cells for leaf in cell.children} <= {"text", "text_special"}


@given(texts)
def test_no_cell_of_a_csv_is_a_formula(text):
    for written in (
        csv_text([["name"], [text]]),
        hostile_sheet(text).csv(),
        gains_csv([TrackGain(text, text, 1.5, 1.0)]),
    ):
        for cell in (cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row):
            bare = cell.strip(" \t\n\r\x0b\x0c\ufeff\u200b\xa0\u3000")
            is_number = re.fullmatch(r"[+-]?\d+(\.\d+)?", cell)
            assert is_number or not bare.startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")), cell
            assert not UNSEEN.search(cell)


def test_figures_in_a_csv_are_no_text():
    assert csv_text([[-1.5, "-1.5", "+2", None, "a"]]) == "-1.5,-1.5,+2,,a\n"


@given(texts)
def test_a_terminal_shows_text(text):
    screen = io.StringIO()
    Console(file=screen, width=400).print(hostile_sheet(text).screen())
    assert not UNSEEN.search(screen.getvalue())
    said = io.StringIO()
    say(text, said)
    assert said.getvalue() == f"{visible(text)}\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_an_error_and_a_line_of_a_log_are_one_line_of_text(text, capsys):
    with pytest.raises(SystemExit):
        fail(f"{text} is none.")
    assert capsys.readouterr().err == f"error: {line(f'{text} is none.')}\n"
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (text,), None)
    assert LogFormatter("%(levelname)s %(message)s").format(record) == f"INFO {visible(text)}"


class Tags(HTMLParser):
    """The tags and the text of a page; the text of styles left out."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data):
        self.text.append(data)


MARKUP = [text for text in HOSTILE if text and not set(text).isdisjoint("<&$\x00\udcff\u202e'_")]


@pytest.mark.parametrize("text", MARKUP)
def test_a_page_has_the_tags_that_it_has_for_an_honest_name(text, tmp_path):
    found = {}
    for name in ("honest", text):
        sheet = hostile_sheet(name)
        drawn = {
            "runs": figures.runs_figure({name: (0.5, 0.4, 0.6)}),
            "x": figures.lines_figure(sheet, {"joint_accuracy": name}),
        }
        page = write_sheets_page(tmp_path / "page.html", name, [sheet], drawn, [name]).read_text()
        found[name] = Tags(page)
    assert [tag for tag in found[text].tags if tag[0] not in ("tspan", "text", "g")] == [
        tag for tag in found["honest"].tags if tag[0] not in ("tspan", "text", "g")
    ]
    assert " ".join(visible(text).split()) in " ".join("".join(found[text].text).split())
    assert not UNSEEN.search("".join(found[text].text))


@settings(max_examples=15)
@given(texts)
def test_every_figure_is_drawn_with_any_name(text):
    figures.runs_figure({text: (0.5, 0.4, 0.6), "b": None})
    figures.lines_figure(hostile_sheet(text), {"joint_accuracy": text})
    sweep_figures.heat_figure(text, text, {(text, text): 0.5, ("a", text): 0.2, (text, "b"): 0.1, ("a", "b"): 0.3})


@pytest.mark.parametrize("text", ["$\\frac{$", "<script>"])
def test_a_name_stands_in_a_figure_as_it_is(text):
    assert html.escape(text, quote=False) in figures.runs_figure({text: (0.5, 0.4, 0.6)})


@pytest.mark.parametrize(
    "environment",
    [pages(), drawing._templates(), make_templates().env, study_reports()],
    ids=["reports", "web", "study", "analysis"],
)
@pytest.mark.parametrize("text", HOSTILE)
def test_every_page_shows_what_it_is_given_as_text(environment, text):
    assert environment.from_string("{{ x }}").render(x=text) == html.escape(visible(text)).replace(
        "&quot;", "&#34;"
    ).replace("&#x27;", "&#39;")


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_a_card_shows_licences_and_sources_as_text(text, exported):
    manifest = read_manifest(exported)
    songs = {name: song | {"licence": text} for name, song in manifest.songs.items()}
    kept = {**manifest.settings, "anchor": {"stem": text}}
    page = card(replace(manifest, songs=songs, settings=kept, dataset={"kind": text, "x": text}))
    body = page.split("\n---\n", 1)[1]
    honest = card(manifest).split("\n---\n", 1)[1]
    assert [token.type for token in READER.parse(body)] == [token.type for token in READER.parse(honest)]
    assert not UNSEEN.search(page)
    assert not any(leaf.type in ("html_inline", "image") for leaf in parsed(body))


def test_the_script_of_a_card_is_no_place_for_the_code_of_a_base():
    hostile = 'x"); __import__("os").system("touch canary"); ("'
    base = {"name": hostile, "revision": hostile, "dtype": hostile, "is_plain": True}
    values = {
        "published": {"form": "adapter"}, "repo": "me/it", "carried": False, "base": base, "sample_rate": 16000,
        "description": {"headroom_dbfs": -32.0, "inputs": "mixture", "anchors": ["bass"]},
        "labels": {"mixture": "Mixture, anchor {stem}:"},
    }  # fmt: skip
    tree = ast.parse(cards().get_template("load_plain.py.j2").render(**values))
    assert "__import__" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert hostile in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_project_of_reaper_has_a_line_a_key_whatever_a_file_is_called(text):
    gains = [TrackGain(text, "bass", 1.5, 1.0)]
    assert len(reaper_project(gains).splitlines()) == len(reaper_project([replace(gains[0], name="a")]).splitlines())


def test_half_a_character_can_be_written(tmp_path):
    write_whole(tmp_path / "x", "a\udcffb")
    assert (tmp_path / "x").read_text() == "a\\udcffb"


def test_nobody_writes_csv_or_escapes_markdown_by_himself():
    package = escaping.__file__.rpartition("/")[0]
    from pathlib import Path

    others = [path for path in Path(package).rglob("*.py") if path.name != "escaping.py"]
    assert [path.name for path in others if re.search(r"csv\.(writer|DictWriter)\(", path.read_text())] == []
