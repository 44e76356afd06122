"""The report is one page that needs nothing else, and its first line says how the model did against the rule."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from mixlab.baselines.base import predictions_of
from mixlab.baselines.constant import Chance
from mixlab.baselines.oracle import Oracle
from mixlab.errors import InputFileError
from mixlab.hub.record import RunRecord
from mixlab.language.advice import Advice, Move
from mixlab.reports.examples import EXAMPLES, best_and_worst, shown_examples
from mixlab.reports.players import Heard
from mixlab.reports.report import write_report
from mixlab.reports.run_sheets import category_sheets, confusion_sheet, run_sheets, segments_sheets
from mixlab.reports.table import results_sheet, results_table, short_controls_sheet
from mixlab.reports.verdict import NO_RIVAL, points, verdict
from mixlab.runs.folder import RunFolder
from mixlab.scoring import Prediction, closed_loop, score
from mixlab.scoring.bootstrap import edge_interval
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.comparison import compare_methods
from mixlab.scoring.conventions import Conventions
from mixlab.scoring.loop_path import LoopPath, loop_figures
from mixlab.scoring.results import Row, SplitResult
from mixlab.synthesis.problem import GainError

HEARD = Heard({name: "data:audio/ogg;base64,T2dnUw==" for name in ("with the error", "after")}, -1.5, 44100, 2, None)
NASTY = "<script>alert('vocals')</script> & \"raise\" them"


@pytest.fixture(scope="module")
def items(draw):
    return draw(60, seed=2)


@pytest.fixture(scope="module")
def methods(draw, items, balance_db, error):
    """Predictions of a model (as good as the oracle), a control that cannot be read, and chance."""
    chance = Chance()
    chance.fit(draw(20, seed=1))
    oracle = predictions_of(items, Oracle(balance_db, 1.5, error).advise(items))
    return {
        "model": [Prediction(p.problem, NASTY, p.advice, "Is it right?", NASTY) for p in oracle],
        "base_unadapted": [Prediction(item.problem, "La la.", None) for item in items],
        "chance": predictions_of(items, chance.advise(items)),
    }


@pytest.fixture(scope="module")
def rows(methods):
    kinds = {"model": "model", "base_unadapted": "control", "chance": "baseline"}
    return [
        Row(name, kinds[name], score(predictions, 200, reads_claims=False), closed_loop(predictions, 200))
        for name, predictions in methods.items()
    ]


@pytest.fixture(scope="module")
def result(methods, rows, error):
    """Something for every part of a report."""
    paths = [LoopPath(p.problem, (p.advice, Advice())) for p in methods["model"]]
    return SplitResult(
        "test",
        rows,
        methods,
        conventions={
            "model": Conventions(240, {"closer_lu": (1.0, 0.5, 1.5), "closer_share": (float("nan"),) * 3}, {})
        },
        loops={"model": loop_figures(paths, 50)},
        comparisons=compare_methods(
            {name: [p] for name, p in methods.items()}, ["joint_accuracy", "gain_mae_db"], 100, 200
        ),
        confusion=category_confusion(methods["model"], error.ranges_db),
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory, result):
    run = RunFolder(tmp_path_factory.mktemp("run") / "new")
    run.training_log.parent.mkdir(parents=True)
    run.training_log.write_text("step,train/loss,val/joint_accuracy,lr\n1,2.5,,\n2,1.5,0.5,0.1\n")
    write_report(
        run,
        result,
        run_sheets(result),
        title="bass_anchor <1>",
        sentence="The model beats the rule.",
        is_demo=True,
        notes=["1 song without a bass was dropped."],
        config_yaml="seed: 1\n",
        heard=lambda prediction: HEARD,
        audio_examples=2,
    )
    return run.report.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """The elements that are open at the end, all tags, and all attributes that could fetch something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href", "data")]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in ("meta", "link", "br", "img", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_fetches_nothing(page):
    found = Elements(page)
    assert found.open == []
    assert not found.tags & {"script", "link", "img", "iframe", "object"}
    sounds = [link for link in found.links if link.startswith("data:audio/ogg;base64,")]
    assert len(sounds) == 2 * 2 * len(HEARD.clips)
    links = [link for link in found.links if link not in sounds]
    assert all(link.startswith("#") for link in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in links} <= set(found.ids)


def test_the_first_line_is_the_headline(page):
    text = re.sub(r"<[^>]+>", "", page[page.index("<body>") :]).strip()
    assert text.startswith("The model beats the rule.")


def test_what_a_model_says_is_text_and_never_markup(page):
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<title>bass_anchor &lt;1&gt;</title>" in page


def test_the_page_follows_light_and_dark(page):
    assert "prefers-color-scheme: dark" in page
    assert "var(--series-1)" in page
    assert "#0102" not in page
    assert "#0103" not in page


def test_demo_songs_are_called_demo_songs(page, tmp_path, rows, methods):
    statement = "only music can show that a language model helps to mix"
    assert statement in page
    few = SplitResult("test", rows[:1], methods)
    write_report(RunFolder(tmp_path), few, run_sheets(few), title="folder", sentence="So.", is_demo=False)
    other = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert statement not in other
    assert "<h2>Training</h2>" not in other


def test_where_one_method_is_better_the_page_says_so_in_bold(page):
    start = page.index('id="against_joint_accuracy"')
    table = page[start : page.index("</table>", start)]
    row = re.search(r'<th scope="row">model</th>(.*?)</tr>', table, re.DOTALL)[1]
    assert re.findall(r"<td( class=\"marked\")?>([^<]*)", row)[1] == ("", "")
    assert [text[0] for mark, text in re.findall(r"<td( class=\"marked\")?>([^<]*)", row) if mark] == ["+", "+"]


def test_the_page_shows_notes_configuration_and_every_method(page):
    for words in ("1 song without a bass", "seed: 1", "base, unadapted", "chance", "by faulty stem", "by genre",
                  "Does it settle?", "what is usual in the genre", "Who beats whom", "true and advised"):  # fmt: skip
        assert words in page, words


def test_a_model_that_says_nothing_still_gets_a_report(tmp_path, items):
    silent = [Prediction(item.problem, "", None) for item in items[:1]]
    row = Row("model", "model", score(silent, 50), closed_loop(silent, 50))
    found = SplitResult("test", [row], {"model": silent})
    write_report(RunFolder(tmp_path), found, run_sheets(found), title="t", sentence="s", is_demo=True)
    assert "(empty)" in (tmp_path / "report.html").read_text(encoding="utf-8")


def confusion(predictions):
    """The columns, and the counts of each right answer."""
    sheet = confusion_sheet(predictions)
    return list(sheet.columns), {line.label: [cell[0] for cell in line.cells.values()] for line in sheet.lines}


def test_the_confusion_matrix_counts_every_item_once(methods, items):
    columns, lines = confusion(methods["model"])
    assert columns[0] == "balanced"
    assert sum(sum(counts) for counts in lines.values()) == len(items)
    both = Advice((Move.of("drums", 3.0), Move.of("vocals", 3.0)))
    columns, lines = confusion([Prediction(items[0].problem, "", both), Prediction(items[1].problem, "", None)])
    assert columns[-2:] == ["several stems", "not readable"]
    assert sum(sum(counts) for counts in lines.values()) == 2


def test_with_several_moves_at_once_the_confusion_matrix_counts_each_stem(items):
    problem = replace(items[0].problem, errors=(GainError("drums", 3.0), GainError("vocals", -6.0)))
    said = Advice((Move.of("drums", -3.0), Move.of("other", 3.0)))
    columns, lines = confusion([Prediction(problem, "", said), Prediction(problem, "", None)])
    assert columns == ["leave", "lower", "raise", "not readable"]
    assert lines == {"leave": [0, 0, 1, 1], "lower": [0, 1, 0, 1], "raise": [1, 0, 0, 1]}


def test_the_confusion_of_categories_counts_every_fault_and_balanced_mix_once(methods, items, error):
    def counts(predictions):
        (sheet,) = category_sheets(category_confusion(predictions, error.ranges_db))
        return {line.label: {name: cell[0] for name, cell in line.cells.items()} for line in sheet.lines}

    model = counts(methods["model"])
    assert list(model) == ["very quiet", "quiet", "no error", "loud", "very loud"]
    assert sum(sum(row.values()) for row in model.values()) == len(items)
    assert model["very loud"]["very loud"] > sum(model["very loud"].values()) / 2
    # What the model never answers has no column, and what it cannot have taken an error for does not appear.
    assert "not readable" not in model["quiet"]
    assert all(set(row) == {*model, "not readable"} for row in counts(methods["base_unadapted"]).values())
    assert category_sheets({}) == []


def figures_of(a, b, rule="loudness_rule_genre"):
    """The figures of a run in which method a is the model, beside a rule."""
    (lead,) = (found.difference for found in compare_methods({"a": [a], "b": [b]}, ["joint_accuracy"], 200, 100))
    rows = [
        Row("model", "model", score(a, 50)),
        Row(rule, "baseline", score(b, 50), lead=lead),
    ]
    return SplitResult("test", rows, {"model": a, rule: b}).metrics()


def test_the_first_line_says_which_way_it_came_out(methods):
    model, chance = methods["model"], methods["chance"]
    ahead = verdict(figures_of(model, chance))
    assert ahead.startswith("The model beats the loudness rule by genre, which is told the genre: joint")
    assert "240 items of 60 songs" in ahead
    assert "does not beat the loudness rule by genre, which is told the genre, which is" in verdict(
        figures_of(chance, model)
    )
    assert "does not clearly beat" in verdict(figures_of(model, model))
    assert verdict({"test/joint_accuracy": 0.5}) == NO_RIVAL


def test_the_first_rival_knows_no_more_than_the_model_and_is_the_strongest_of_these(methods):
    model, chance = methods["model"], methods["chance"]
    found = figures_of(model, chance, "bayes_known") | figures_of(model, chance, "oracle")
    found |= figures_of(model, chance, "bayes_heard") | figures_of(model, chance, "chance")
    found |= {"baselines/bayes_heard/joint_accuracy": 0.8, "ceiling/joint_accuracy": 0.9}
    found |= {"ceiling/joint_accuracy_low": 0.88, "ceiling/joint_accuracy_high": 0.92}
    first, *others = verdict(found).split(". ")
    assert first.startswith(
        "The model beats the strongest rival that knows no more than it (Bayes, genre heard): joint"
    )
    assert "against 0.800" in first
    assert others[0].startswith("Beside those that know more: ")
    assert "Bayes, genre told 0." in others[0]
    assert re.search(r"oracle 0\.\d+ \(told the whole song; \+\d+\.\d points\)", verdict(found))
    assert others[1] == "The best listener of one clip of such songs would reach 0.900 (0.880 to 0.920)."


def test_the_first_lines_say_what_is_left_without_the_anchor_and_what_error_advice_leaves(methods):
    found = figures_of(methods["model"], methods["chance"], "bayes_heard")
    assert "anchor" not in verdict(found)
    probe = "probe/other_anchor"
    found |= {f"{probe}/joint_accuracy": 0.6, f"{probe}/drop": 0.2, f"{probe}/drop_low": 0.1, f"{probe}/drop_high": 0.3}
    found |= {f"{probe}/items": 100.0, f"{probe}/anchor_deaf/joint_accuracy": 0.75}
    found |= {"closed_loop/residual_db": 1.09, "baselines/bayes_heard/closed_loop/residual_db": 0.96}
    found |= {"closed_loop/do_nothing_residual_db": 3.83}
    first, *_, last = verdict(found).split(". ")
    assert first.endswith("its advice leaves 1.09 dB of error, the rival's 0.96, and none 3.83")
    assert last == (
        "Of its 0.800 on 100 of these items, 0.600 is left with the anchor of another song (95 % interval of the drop: "
        "+10.0 to +30.0 points); Bayes, who never does, has 0.750 there."
    )


def test_controls_that_had_fewer_steps_stand_by_themselves(rows):
    short = replace(rows[1], detail="200 steps")
    sheet = results_sheet([rows[0], short, rows[2]])
    assert [line.label for line in sheet.lines] == ["model", "chance"]
    (line,) = short_controls_sheet([rows[0], short, rows[2]]).lines
    assert line.label == "base, unadapted, 200 steps"
    assert short_controls_sheet(rows).lines == []


def test_what_chance_reaches_stands_in_the_head_of_its_column(rows):
    sheet, joint = results_sheet(rows), rows[2].scores.headline["joint_accuracy"]
    assert sheet.columns["joint_accuracy"] == f"joint (chance {joint:.3f})"
    assert sheet.columns["parse_rate"] == "parsed"
    assert list(sheet.columns)[:2] == ["joint_accuracy", "residual_db"]
    assert results_sheet(rows[:2]).columns["joint_accuracy"] == "joint"


def test_several_segments_stand_beside_the_ceiling_of_as_many(result):
    by_segments = {"model": {1: (0.7, 0.6, 0.8), 2: (0.75, 0.7, 0.8)}, "bayes_heard": {1: (0.8, 0.7, 0.9)}}
    ceiling = {"joint_accuracy": (0.86, 0.85, 0.87), "segments_2/joint_accuracy": (0.9, 0.89, 0.91)}
    (sheet,) = segments_sheets(by_segments, ceiling)
    assert list(sheet.columns.values()) == ["1 segment", "2 segments"]
    assert [line.label for line in sheet.lines] == ["model", "Bayes, genre heard", "ceiling"]
    assert sheet.lines[2].cells == {"segments_1": ceiling["joint_accuracy"], "segments_2": (0.9, 0.89, 0.91)}
    assert segments_sheets({}, ceiling) == []
    found = replace(result, by_segments=by_segments).metrics()
    assert found["test/segments_2/joint_accuracy"] == 0.75
    assert found["baselines/bayes_heard/segments_1/joint_accuracy_low"] == 0.7


def test_without_genres_nobody_is_named_who_is_told_them(methods):
    def unknown(predictions):
        return [replace(p, problem=replace(p.problem, genre=None)) for p in predictions]

    model, chance = unknown(methods["model"]), unknown(methods["chance"])
    found = figures_of(model, chance, "loudness_rule") | figures_of(model, chance, "bayes_known")
    assert "(loudness rule): joint" in verdict(found)
    assert "genre told" not in verdict(found)


def test_ceilings_stand_below_the_methods_and_among_the_figures(rows, result):
    ceiling = {"joint_accuracy": (0.86, 0.85, 0.87), "segments_2/joint_accuracy": (0.88, 0.87, 0.89)}
    sheet = results_sheet(rows, ceiling)
    assert [line.label for line in sheet.lines[-2:]] == ["ceiling, 1 segment", "ceiling, 2 segments"]
    assert sheet.lines[-1].cells == {"joint_accuracy": (0.88, 0.87, 0.89)}
    found = replace(result, ceiling=ceiling).metrics()
    assert found["ceiling/joint_accuracy_high"] == 0.87
    assert found["ceiling/segments_2/joint_accuracy"] == 0.88


def test_the_card_says_the_same_of_a_run_as_its_report(methods, tmp_path):
    run = RunFolder(tmp_path)
    run.write_metrics(figures_of(methods["model"], methods["chance"]))
    card = RunRecord(run).first_sentence()
    assert card.replace("This model", "The model") == verdict(run.metrics)


def test_a_model_that_is_never_right_is_shown_with_an_interval_that_says_how_few_songs_there_were(items):
    silent = [Prediction(item.problem, "", None) for item in items]
    sheet = results_sheet([Row("model", "model", score(silent, 50), closed_loop(silent, 50))])
    assert sheet.lines[0].cells["joint_accuracy"] == (0.0, *edge_interval(0.0, 60))
    # Nothing was moved, and no share says by how much.
    assert sheet.lines[0].cells["harm_db"] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("share", "words"), [(0.019, "+1.9"), (-0.03, "\N{MINUS SIGN}3.0"), (0.0001, "0.0")])
def test_points_carry_their_sign(share, words):
    assert points(share) == words


def test_the_screen_table_fits_80_columns(rows):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(results_table(rows))
    text = console.export_text()
    assert "…" not in text
    assert "base, unadapted" in text
    assert f"{rows[0].scores.headline['joint_accuracy']:.3f}" in text


def test_the_results_sheet_has_a_line_a_method_and_a_dash_where_nothing_applies(rows):
    sheet = results_sheet(rows)
    lines = sheet.markdown().splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[2].startswith("| model | 0.")
    # The base never locates an error, so it has no error in dB where it did.
    base = dict(zip(sheet.columns, sheet.texts(sheet.lines[1]), strict=True))
    assert base["gain_mae_located_db"] == ("\N{EN DASH}", "")
    assert base["joint_accuracy"] == ("0.000", "0.000\N{EN DASH}0.060")


def test_every_table_of_the_page_is_among_the_sheets(page, result):
    sheets = run_sheets(result)
    names = {sheet.name for sheet in sheets}
    assert len(names) == len(sheets)
    assert {"results", "confusion", "genre", "size_db", "conventions", "closed_loop", "closed_loop_behaviour"} <= names
    assert {"category_confusion", "against_joint_accuracy", "against_gain_mae_db"} <= names
    assert page.count("<table") == len(sheets)


def test_players_stand_beside_the_first_examples_only_and_say_what_they_play(page):
    assert page.count("<audio controls") == 2 * 2 * len(HEARD.clips)
    assert page.count("all three lowered by 1.5 dB; licence unknown, so not for publication") == 2 * 2
    assert page.count('class="sample"') > 2 * 2


def test_the_worst_are_those_with_most_error_left_and_the_best_those_nearest_in_db(methods):
    best, worst = best_and_worst([*methods["model"]])
    assert len(best) == EXAMPLES
    assert all(p.problem.needed_gains_db for p in best)
    assert not set(map(id, best)) & set(map(id, worst))


def test_a_song_that_is_gone_costs_its_players_and_not_the_report(methods, caplog):
    def gone(prediction):
        raise InputFileError("/songs/one/bass.wav is not a file; check the path.")

    shown = shown_examples(methods["model"], gone, 2)
    assert all(example.heard is None for examples in shown.values() for example in examples)
    assert "bass.wav is not a file" in caplog.text
