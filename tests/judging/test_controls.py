"""A control is the right advice, wrong in one respect, in the same words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.judging.controls import Control, render_controls, wrong_advice
from mixlab.language.advice import Advice, Move, Verdict
from mixlab.language.parse import parse

CANDIDATES = ("drums", "vocals", "other")
magnitudes = st.floats(0.5, 18.0).map(lambda value: round(value * 2) / 2)
moves = st.builds(
    lambda stem, ends, sign: Move(stem, *sorted(sign * end for end in ends)),
    st.sampled_from(CANDIDATES),
    st.tuples(magnitudes, magnitudes),
    st.sampled_from([-1.0, 1.0]),
)
advised = st.lists(moves, min_size=1, max_size=3, unique_by=lambda move: move.stem).map(
    lambda found: Advice(tuple(found))
)


def sizes(advice):
    return sorted((abs(move.low_db + move.high_db), move.high_db - move.low_db) for move in advice.moves)


@given(advice=advised, item=st.text(min_size=1, max_size=8))
def test_all_renderings_read_back_as_what_they_are(advice, item):
    found = render_controls(advice, item, CANDIDATES, "bass")
    assert parse(found.right).advice == advice
    for control, text in found.wrong.items():
        wrong = parse(text).advice
        assert wrong is not None
        assert wrong != advice
        if control != "wrong_stem":
            assert {move.stem for move in wrong.moves} == {move.stem for move in advice.moves}
        if control != "wrong_direction":
            assert sorted(move.direction for move in wrong.moves) == sorted(move.direction for move in advice.moves)
        if control != "wrong_size":
            assert sizes(wrong) == sizes(advice)
        else:
            assert all(
                abs(abs(wrong.gain_db(move.stem)) - abs(move.gain_db)) == pytest.approx(6.0) for move in advice.moves
            )


def test_the_wording_is_drawn_once_for_an_item(raise_vocals):
    first, again = (render_controls(raise_vocals, "song/0", CANDIDATES, "bass") for _ in range(2))
    assert first == again
    texts = {render_controls(raise_vocals, f"song/{index}", CANDIDATES, "bass").right for index in range(20)}
    assert len(texts) > 10
    # How far off a stem is said to be fits the size, be that right or wrong.
    assert first.wrong["wrong_size"].replace("far too", "too") == first.right.replace("6 dB", "12 dB")


def test_what_the_advice_has_no_room_for_is_left_out(raise_vocals):
    assert render_controls(Advice(), "song/0", CANDIDATES, "bass").wrong == {}
    assert set(render_controls(raise_vocals, "song/0", ("vocals",), "bass").wrong) == {"wrong_direction", "wrong_size"}


def test_a_verdict_is_left_out_since_wrong_advice_would_contradict_it():
    confirmed = Advice((Move.of("vocals", 6.0),), Verdict.CONFIRMED)
    found = render_controls(confirmed, "song/0", CANDIDATES, "bass")
    assert all(parse(text).advice.verdict is None for text in (found.right, *found.wrong.values()))


def test_a_wrong_stem_takes_the_largest_move_and_never_a_named_stem():
    both = Advice((Move.of("vocals", 3.0), Move.of("drums", -9.0)))
    rng = np.random.default_rng(0)
    assert wrong_advice(both, "wrong_stem", CANDIDATES, rng) == Advice((Move.of("vocals", 3.0), Move.of("other", -9.0)))
    assert all(wrong_advice(Advice(), control, CANDIDATES, rng) is None for control in Control)
