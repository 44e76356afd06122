"""Probes tell who listens, who believes, who uses the anchor, on methods whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from mixlab.config_groups import ProbesSchema
from mixlab.evaluation.baselines import LoudnessRuleGenre, Oracle, TextOnly, predictions_of
from mixlab.evaluation.probes import (
    anchor_swap_probe,
    claim_swap_probe,
    constrained_probe,
    global_gain_probe,
    other_audio,
    probe_sheets,
    shuffled_audio_probe,
    spread,
    write_probes,
)
from mixlab.evaluation.probes.sheets import WORDS
from mixlab.language.advice import Advice, Direction, Move
from mixlab.scoring import Prediction
from mixlab.synthesis.problem import PromptCategory

RESAMPLES = 100


def right(problems):
    return [Advice(tuple(Move.of(s, g) for s, g in p.needed_gains_db.items())) for p in problems]


def believing(problems):
    sign = {Direction.RAISE: 6.0, Direction.LOWER: -6.0}
    return [
        Advice()
        if p.claim is None or p.claim.stem is None
        else Advice((Move.of(p.claim.stem, sign[p.claim.direction]),))
        for p in problems
    ]


@pytest.fixture(scope="module")
def problems(draw):
    return [item.problem for item in draw(20, seed=3)]


@pytest.fixture(scope="module")
def relative_problems(draw_by, relative):
    return [item.problem for item in draw_by(relative, "random", 20, seed=3)]


def values(probe, method=""):
    return {figure: value for (name, figure), (value, _, _) in probe.figures.items() if name == method}


def test_who_holds_their_ground_stays_and_who_believes_never_does(problems):
    probe = claim_swap_probe(problems, {"": right, "believer": believing}, RESAMPLES)
    firm, believer = values(probe), values(probe, "believer")
    assert (firm["stays"], firm["agreement"], firm["believes_wrong_claim"]) == (1, 1, 0)
    assert firm["joint_after_right_claim"] == firm["joint_after_wrong_claim"] == 1
    assert (believer["stays"], believer["believes_wrong_claim"]) == (0, 1)
    assert (believer["joint_after_right_claim"], believer["joint_after_wrong_claim"]) == (1, 0)
    assert believer["agreement"] == pytest.approx(1 / 7)
    flat = probe.flat("probe")
    assert (flat["probe/claim_swap/stays"], flat["probe/claim_swap/believer/stays"]) == (1, 0)
    assert flat["probe/claim_swap/believer/stays_high"] == 0
    assert (flat["probe/claim_swap/items"], flat["probe/claim_swap/songs"]) == (80, 20)


def test_a_reader_of_the_text_never_stays_and_an_answer_that_cannot_be_read_stays_nowhere(draw, problems):
    reader = TextOnly()
    reader.fit(draw(150, seed=1, prompts=(PromptCategory.CORRECT_DESCRIPTION, PromptCategory.INCORRECT_DESCRIPTION)))
    items = {item.problem.item_id: item for item in draw(20, seed=3)}

    def read(variants):
        return reader.advise([replace(items[v.item_id], problem=v) for v in variants])

    probe = claim_swap_probe(problems, {"text_only": read, "mute": lambda asked: [None] * len(asked)}, RESAMPLES)
    assert values(probe, "text_only")["stays"] == 0
    assert values(probe, "mute")["stays"] == values(probe, "mute")["joint_after_right_claim"] == 0


def test_gains_re_referenced_exactly_have_no_distance(relative_problems):
    found = values(probe := anchor_swap_probe(relative_problems, {"": right}, RESAMPLES))
    assert found["distance_db"] == pytest.approx(0, abs=1e-9)
    assert found["same_direction"] > 0.99
    assert found["gain_mae_db"] == pytest.approx(0)
    assert values(probe, "anchor_blind")["distance_db"] > 2


def test_who_ignores_the_anchor_is_as_far_off_as_the_anchor_blind_row(relative_problems):
    def blind(problems):
        gains_db = {"drums": 6.0, "vocals": -4.0, "other": 2.0, "bass": 3.0}
        return [Advice(tuple(Move.of(s, gains_db[s]) for s in p.candidates)) for p in problems]

    probe = anchor_swap_probe(relative_problems, {"": blind}, RESAMPLES)
    assert values(probe)["distance_db"] == pytest.approx(values(probe, "anchor_blind")["distance_db"], abs=1.5)
    assert values(probe)["distance_db"] > 3


def test_who_advises_nothing_is_consistent_and_far_from_the_truth(relative_problems):
    found = values(anchor_swap_probe(relative_problems, {"": lambda asked: [Advice()] * len(asked)}, RESAMPLES))
    assert (found["distance_db"], found["same_direction"]) == (0, 1)
    assert found["gain_mae_db"] > 1


def test_the_master_level_changes_nothing_for_who_is_deaf_to_it(problems):
    def by_level(asked):
        return [Advice((Move.of("drums", 3.0),)) if p.master_gain_db > 0 else Advice() for p in asked]

    probe = global_gain_probe(problems, {"": right, "by_level": by_level}, [-12.0, 12.0], RESAMPLES)
    assert values(probe)["stays"] == 1
    assert values(probe)["gain_change_db"] == 0
    found = values(probe, "by_level")
    assert (found["stays"], found["stays_at_db=-12"], found["stays_at_db=12"]) == (0, 1, 0)
    assert found["gain_change_db"] == pytest.approx(3 / 3 / 2)


def test_the_audio_of_another_item_is_another_songs_with_the_same_stems(problems):
    few = [replace(p, stems=p.stems[:3]) for p in problems[:5]]
    asked = [*problems[5:], *few]
    others = other_audio(asked, seed=0)
    assert all(a.song_id != b.song_id for a, b in zip(asked, others, strict=True))
    # The five of two songs that lack a stem cannot all be exchanged among themselves.
    assert all(a.stems == b.stems for a, b in zip(asked[:-5], others[:-5], strict=True))
    assert others == other_audio(asked, seed=0)
    assert other_audio(problems[:4], seed=0) is None


def test_who_listens_loses_what_listening_brings_when_the_audio_is_anothers(draw, balance_db, error):
    items = draw(100, seed=3)
    by_id = {item.problem.item_id: item for item in items}
    oracle = Oracle(balance_db, 1.5, error)
    own = predictions_of(items, oracle.advise(items))
    others = other_audio([item.problem for item in items], seed=0)
    elsewhere = oracle.advise([by_id[problem.item_id] for problem in others])
    probe = shuffled_audio_probe(own, predictions_of(items, elsewhere), RESAMPLES)
    found = values(probe)
    assert found["joint_accuracy"] < 0.25
    assert found["drop"] > 0.6
    assert found["same_advice"] < 0.3
    deaf = [Prediction(item.problem, "", Advice()) for item in items]
    assert values(shuffled_audio_probe(deaf, deaf, RESAMPLES)) == pytest.approx(
        {"joint_accuracy": sum(not i.problem.errors for i in items) / len(items), "drop": 0, "same_advice": 1}
    )


def test_items_are_spread_over_songs_and_have_no_claim(draw):
    problems = [item.problem for item in draw(50, prompts=tuple(PromptCategory), seed=5)]
    chosen = spread(problems, 20)
    assert len(chosen) == 20
    assert len({problem.song_id for problem in chosen}) > 15
    assert all(problem.claim is None for problem in chosen)
    assert spread([p for p in problems if p.claim is not None], 5) == []


def test_probes_are_written_as_markdown_and_csv(problems, tmp_path):
    write_probes(tmp_path, [claim_swap_probe(problems, {"": right, "text_only": believing}, RESAMPLES)])
    assert "| claim swap | text alone | stays | 0.000 |" in (tmp_path / "probes.md").read_text()
    assert "claim_swap,model,stays,1.0,1.0,1.0,80,20" in (tmp_path / "probes.csv").read_text()


def test_a_probe_is_a_sheet_with_a_line_a_method_and_what_its_figures_mean(problems):
    (sheet,) = probe_sheets([claim_swap_probe(problems, {"": right, "text_only": believing}, RESAMPLES)])
    model, reader = (dict(zip(sheet.columns, sheet.texts(line), strict=True)) for line in sheet.lines)
    assert [line.label for line in sheet.lines] == ["model", "text alone"]
    assert (model["stays"], reader["stays"]) == (("1.000", ""), ("0.000", ""))
    assert "80 items of 20 songs. The same mix under every claim" in sheet.caption


def test_every_probe_that_can_be_asked_for_has_a_title():
    (choices,) = get_args(ProbesSchema.model_fields["which"].annotation)
    assert set(WORDS) == set(get_args(choices))


def test_a_rule_that_measures_beside_the_anchor_uses_it(draw_by, relative):
    items = draw_by(relative, "random", 60, seed=4)
    rule = LoudnessRuleGenre()
    rule.fit(draw_by(relative, "random", 200, seed=1))
    by_id = {item.problem.item_id: item for item in items}

    def ask(variants):
        return rule.advise([replace(by_id[v.item_id], problem=v) for v in variants])

    found = anchor_swap_probe([item.problem for item in items], {"": ask}, RESAMPLES)
    assert values(found)["distance_db"] < 0.8 * values(found, "anchor_blind")["distance_db"]


def test_a_grammar_that_mends_every_answer_gains_what_was_unreadable(problems):
    advice = right(problems)
    mended = [Prediction(p, f"text {i}", a) for i, (p, a) in enumerate(zip(problems, advice, strict=True))]
    free = [replace(p, text="?", advice=None) if i % 4 == 0 else p for i, p in enumerate(mended)]
    found = values(constrained_probe(free, mended, RESAMPLES))
    assert found["parse_rate"] == 1
    assert found["joint_accuracy"] == 1
    assert found["gain"] == found["changed"] == found["advice_changed"] == pytest.approx(0.25)
