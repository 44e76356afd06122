"""Conventions: following the advice moves a mix towards, or away from, what the genre's training songs do."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.language.advice import Advice, Move
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import Spread, UsualBalance
from mixlab.scoring import Prediction
from mixlab.scoring.conventions import conventions
from mixlab.synthesis.problem import PromptCategory

USUAL = UsualBalance({("rock", "bass", stem): Spread(40, 2.0, 1.5) for stem in ("drums", "vocals", "other")})


def segments(problems, vocals_lufs=-18.0):
    lufs = {"bass": -20.0, "drums": -18.0, "vocals": vocals_lufs, "other": -18.0}
    found = {p.item_id: Segment(p.song_id, "test", p.genre, p.start_s, 10.0, p.stems, -15.0, lufs) for p in problems}
    return lambda problem: found[problem.item_id]


def found(problems, advice, **levels):
    predictions = [Prediction(problem, "", advice) for problem in problems]
    return conventions(predictions, segments(problems, **levels), USUAL, resamples=100)


def test_right_advice_on_an_ordinary_song_brings_it_all_the_way(problem):
    result = found([problem(("vocals", 6.0))], Advice((Move.of("vocals", -6.0),)))
    values = {name: value for name, (value, _, _) in result.figures.items()}
    assert values["original_lu"] == pytest.approx(0)
    assert values["before_lu"] == pytest.approx(6 / np.sqrt(3))
    assert values["before_deviations"] == pytest.approx(4 / np.sqrt(3))
    assert values["after_lu"] == pytest.approx(0)
    assert values["closer_lu"] == pytest.approx(6 / np.sqrt(3))
    assert values["closer_share"] == 1


def test_a_song_that_departs_from_its_genre_is_made_ordinary_by_advice_that_is_wrong_for_it(problem):
    result = found([problem()], Advice((Move.of("vocals", -3.0),)), vocals_lufs=-15.0)
    assert result.figures["original_lu"][0] == pytest.approx(3 / np.sqrt(3))
    assert result.figures["after_lu"][0] == pytest.approx(0)


@pytest.mark.parametrize("advice", [None, Advice()])
def test_who_advises_nothing_brings_nothing_closer_and_has_no_share(problem, advice):
    result = found([problem(("drums", -6.0))], advice)
    assert result.figures["closer_lu"][0] == 0
    assert not any("closer_share" in key for key in result.flat())


def test_moving_the_anchor_moves_all_others_the_other_way(problem):
    by_anchor = found([problem(("bass", 3.0))], Advice((Move.of("bass", -3.0),)))
    assert by_anchor.figures["before_lu"][0] == pytest.approx(3)
    assert by_anchor.figures["after_lu"][0] == pytest.approx(0)


def test_flat_figures_come_by_genre_and_with_intervals(problem):
    problems = [problem(("vocals", 6.0), item=f"song{number}/0") for number in range(4)]
    flat = found(problems, Advice((Move.of("vocals", -3.0),))).flat()
    assert flat["conventions/items"] == flat["conventions/genre=rock/items"] == 4
    assert {"conventions/closer_lu_low", "conventions/genre=rock/after_lu_high"} <= flat.keys()


def test_items_of_a_claim_or_without_anything_usual_do_not_count(problem):
    claimed = problem(prompt=PromptCategory.CORRECT_DESCRIPTION, item="song/1")
    beside = found([problem(), claimed], Advice())
    assert beside is not None
    assert beside.items == 1
    assert found([problem(genre="polka")], Advice()) is None
