"""The grammar of responses holds what the templates say, and nothing that could not be read back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Claim, Move, State, Verdict
from mixlab.language.grammar import response_grammar
from mixlab.language.parse import parse
from mixlab.language.templates import render_response

xgrammar = pytest.importorskip("xgrammar")
STEMS = ("bass", "drums", "vocals", "other")


@pytest.fixture(scope="module")
def compiled():
    """The grammar against a tokenizer of single bytes, by the number of moves that it allows."""
    info = xgrammar.TokenizerInfo([chr(code) for code in range(128)], vocab_size=128, stop_token_ids=[0])
    compiler = xgrammar.GrammarCompiler(info)
    return {moves: compiler.compile_grammar(response_grammar(STEMS, moves)) for moves in (1, 2)}


def accepts(grammar, text: str) -> bool:
    matcher = xgrammar.GrammarMatcher(grammar)
    return matcher.accept_string(text) and matcher.accept_token(0)


def anything(grammar, rng: random.Random) -> str:
    """A response in which every character is drawn from those that the grammar allows."""
    matcher, mask, text = xgrammar.GrammarMatcher(grammar), xgrammar.allocate_token_bitmask(1, 128), ""
    while not matcher.is_terminated():
        matcher.fill_next_token_bitmask(mask)
        allowed = [code for code in range(128) if int(mask[0, code // 32]) >> (code % 32) & 1]
        code = rng.choice(allowed)
        matcher.accept_token(code)
        text += chr(code) if code else ""
    return text


@given(seed=st.integers(0, 2**32 - 1), moves=st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None)
def test_whatever_the_grammar_allows_can_be_read_back(compiled, seed, moves):
    text = anything(compiled[moves], random.Random(seed))
    found = parse(text, stems=STEMS)
    assert found.advice is not None, (text, found)
    assert len(found.advice.moves) <= moves


@given(
    seed=st.integers(0, 2**32 - 1),
    stem=st.sampled_from(STEMS[1:]),
    gain_db=st.integers(1, 24),
    sign=st.sampled_from([-1, 1]),
)
@settings(max_examples=60, deadline=None)
def test_every_response_of_the_templates_is_in_the_grammar(compiled, seed, stem, gain_db, sign):
    rng = np.random.default_rng(seed)
    advice = Advice((Move.of(stem, float(sign * gain_db)),))
    assert accepts(compiled[1], render_response(advice, "bass", None, rng))
    assert accepts(compiled[1], render_response(Advice(), "bass", None, rng))
    confirmed = Claim(State.TOO_QUIET if sign > 0 else State.TOO_LOUD, stem)
    right = Advice(advice.moves, Verdict.CONFIRMED)
    assert accepts(compiled[1], render_response(right, "bass", confirmed, rng))


def test_a_reason_may_follow_and_a_degree_fits_the_amount(compiled):
    response = "The drums are far too loud. Lower the drums by 9 dB."
    assert accepts(compiled[1], response)
    assert accepts(
        compiled[1], f"{response} The drums are 12 dB above the bass, where most songs have them about 2 below."
    )
    assert not accepts(compiled[1], response.replace("9", "2"))
    assert not accepts(
        compiled[1], f"{response} The vocals are 12 dB above the bass, where most songs have them about 2 below."
    )


@pytest.mark.parametrize(
    "text",
    [
        "Hello there.",
        "The drums are too loud. Raise the drums by 3 dB.",
        "The piano is too loud. Lower the piano by 3 dB.",
        "Yes, the balance is right. The drums are too loud. Lower the drums by 3 dB.",
        "The drums are too loud. Lower the drums by 0 dB.",
        "The drums are too loud.",
    ],
)
def test_what_is_no_advice_or_contradicts_itself_is_not_in_the_grammar(compiled, text):
    assert not accepts(compiled[1], text)


def test_two_moves_need_a_grammar_of_two_moves(compiled):
    text = "The drums are too loud. Lower the drums by 3 dB. The vocals are too quiet. Raise the vocals by 4 dB."
    assert accepts(compiled[2], text)
    assert not accepts(compiled[1], text)


def test_a_grammar_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one move"):
        response_grammar(STEMS, 0)
