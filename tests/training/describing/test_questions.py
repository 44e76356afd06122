import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.parse import parse
from mixlab.models.backbones.tiny import Tiny
from mixlab.multitrack.song import STEMS
from mixlab.training.describing.questions import MAX_NUMBER, HeardClip, all_texts, draw_question

WORDS = ["fader", "mix", "the"]
CLIPS = [HeardClip("bass", -20.0), HeardClip("drums", -26.0), HeardClip("vocals", -20.3)]


def draw_many(kind, labelled=False, count=400, clips=CLIPS):
    rng = np.random.default_rng(0)
    drawn = (draw_question(clips, labelled, "jazz", 118.0, WORDS, rng) for _ in range(count))
    return [item for item in drawn if item.kind == kind]


def test_a_comparison_states_the_difference_in_whole_db():
    pairs = {item.question: item.answer for item in draw_many("relative")}
    assert pairs["How loud is clip 1 beside clip 2?"] == "It is 6 dB above."
    assert pairs["How loud is clip 2 beside clip 1?"] == "It is 6 dB below."
    assert pairs["How loud is clip 1 beside clip 3?"] == "It is as loud."


def test_a_level_is_the_loudness_as_heard():
    answers = {item.question: item.answer for item in draw_many("level")}
    assert answers["How loud is clip 2?"] == "It is at minus 26 dB."


@pytest.mark.parametrize("kind", ["which_louder", "loudest"])
def test_the_louder_clip_is_named(kind):
    items = draw_many(kind, clips=CLIPS[:2])
    assert items
    assert all("clip 1" in item.answer for item in items)


def test_an_overview_holds_every_other_clip_against_one():
    answers = {item.question: item.answer for item in draw_many("overview")}
    assert answers["How do the others compare with clip 1?"] == "clip 2 6 dB below, clip 3 as loud."


def test_words_to_repeat_are_single_words_in_no_order():
    items = draw_many("repeat")
    assert items
    assert all(set(item.answer.split()) <= set(WORDS) for item in items)
    assert all(item.question.endswith(item.answer) for item in items)


def test_labelled_clips_are_not_asked_for_their_stem():
    assert draw_many("stem", labelled=True) == []
    assert draw_many("stem", labelled=False)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_spans_lie_on_the_words_that_carry_the_meaning(seed, labelled):
    item = draw_question(CLIPS, labelled, "jazz", 118.0, WORDS, np.random.default_rng(seed))
    numbers = [match.span(1) for match in re.finditer(r"(\d+) dB", item.answer)]
    assert item.spans
    assert all(any(start <= first and last <= end for start, end in item.spans) for first, last in numbers)


def test_no_answer_is_advice():
    for text in all_texts(STEMS, ["jazz"]):
        assert not re.search(
            r"\b(raise|lower|turn|bring|reduce|boost|cut|too loud|too quiet|balanced?)\b", text.lower()
        )


def test_answers_do_not_parse_as_a_move():
    parsed = [parse(item.answer).advice for kind in ("stem", "level", "genre", "tempo") for item in draw_many(kind)]
    assert not any(advice is not None and advice.moves for advice in parsed)


def test_every_number_is_one_token_of_the_shipped_tokenizer():
    tokenizer = Tiny("listener").read_chat().tokenizer
    tokens = [tokenizer(f" {number}", add_special_tokens=False)["input_ids"] for number in range(MAX_NUMBER + 1)]
    assert len({token for (token,) in tokens}) == MAX_NUMBER + 1
