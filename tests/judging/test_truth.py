"""Scores that only repeat the truth that the judge was given are called so; others are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mixlab.judging.questions import make_cases
from mixlab.judging.truth import LABEL, REPEATS, against_truth, how_right, truth_sheet

TEXTS = ("Raise the vocals by 6 dB.", "Raise the vocals by 2 dB.", "Lower the vocals by 6 dB.", "Hm.")
KINDS = ("exact", "right", "wrong", "unreadable")


@pytest.fixture
def cases(answered):
    predictions = [answered(("vocals", -6.0), item=f"song{index}/0", text=TEXTS[index % 4]) for index in range(80)]
    return make_cases(predictions, [], None)


def scores(rule):
    return {"model": np.array([rule(KINDS[index % 4], index) for index in range(80)], dtype=float)}


def test_what_the_parser_alone_knows_of_a_text(answered):
    item = answered(("vocals", -6.0))
    assert tuple(how_right(item, text) for text in TEXTS) == KINDS
    assert how_right(answered(), "The mix is balanced. Leave everything as it is.") == "exact"
    assert how_right(answered(), TEXTS[0]) == "wrong"


def test_a_judge_who_scores_by_the_truth_alone_is_labelled(cases):
    points = {"exact": 5, "right": 4, "wrong": 1, "unreadable": 1}
    found = against_truth(cases, scores(lambda kind, index: points[kind]))
    assert (found.explained, found.auc, found.texts, found.repeats) == (pytest.approx(1.0), 1.0, 80, True)
    almost = against_truth(cases, scores(lambda kind, index: points[kind] - (index % 16 == 0)))
    assert REPEATS < almost.explained < 1.0
    assert almost.repeats


def test_a_judge_who_sees_something_else_is_not(cases):
    rng = np.random.default_rng(0)
    found = against_truth(cases, scores(lambda kind, index: rng.integers(1, 6)))
    assert abs(found.explained) < 0.15
    assert not found.repeats
    mixed = against_truth(cases, scores(lambda kind, index: 2 * (kind == "exact") + rng.integers(1, 4)))
    assert 0.1 < mixed.explained < REPEATS
    assert mixed.flat("t")["t/repeats"] == 0.0


def test_where_nothing_can_be_told_nothing_is_claimed(cases):
    constant = against_truth(cases, scores(lambda kind, index: 3))
    assert math.isnan(constant.explained)
    assert not constant.repeats
    assert constant.flat("t") == {"t/auc": 0.5}
    nothing = against_truth(cases, scores(lambda kind, index: np.nan))
    assert (nothing.flat("t"), nothing.texts) == ({}, 0)


def test_the_table_says_which_scores_to_leave_aside(cases):
    told = against_truth(cases, scores(lambda kind, index: KINDS.index(kind)))
    free = against_truth(cases, scores(lambda kind, index: index % 5))
    sheet = truth_sheet({"effectiveness": told, "musicality": free}, {"fluency": free}).markdown()
    rows = {line.split("|")[1].strip(): line for line in sheet.splitlines()}
    assert LABEL in rows["effectiveness"]
    assert LABEL not in rows["musicality"]
    assert LABEL not in rows["rank by fluency"]
