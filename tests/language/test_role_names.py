"""A data set may bring roles of its own, as far as advice can speak of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.language.advice import Advice, Move
from mixlab.language.parse import parse
from mixlab.language.roles import unspeakable
from mixlab.language.templates import clip_label, render_response

ELEVEN = ("bass", "drums", "vocals", "other", "guitar", "other_plucked", "percussion", "piano", "other_keys",
          "bowed_strings", "wind")  # fmt: skip


def test_advice_can_speak_of_eleven_roles():
    assert unspeakable(ELEVEN) is None


@given(st.lists(st.sampled_from(ELEVEN), unique=True, max_size=4), st.sampled_from(ELEVEN), st.integers(0, 2**31))
def test_advice_on_several_of_eleven_roles_reads_back(stems, anchor, seed):
    advice = Advice(
        tuple(Move(stem, 2.0, 3.5) if index % 2 else Move(stem, -4.0, -4.0) for index, stem in enumerate(stems))
    )
    assert parse(render_response(advice, anchor, None, np.random.default_rng(seed)), ELEVEN).advice == advice


def test_labels_and_sentences_say_the_words_of_a_role():
    assert clip_label(["other_keys"], "bass") == "Other keys:"
    assert clip_label(["bowed_strings"], "bowed_strings") == "Anchor, bowed strings:"
    assert clip_label(["guitar", "other_keys", "other"], "bass") == "The rest, guitar, other keys and other:"
    text = render_response(Advice((Move.of("bowed_strings", -3.0),)), "bass", None, np.random.default_rng(0))
    assert "bowed strings" in text
    assert "_" not in text


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (("bass", "Guitar"), "'Guitar', which is not lower-case words joined by '_'"),
        (("bass", "lead guitar"), "'lead guitar', which is not"),
        (("bass", "guitar_2"), "'guitar_2', which is not"),
        (("bass", ""), "'', which is not"),
        (("bass", 3), "3, which is not"),
        (("bass", "up"), "among bass, up, with which"),
        (("bass", "rest"), "'The rest is a touch too quiet."),
        (("other", "other_stem"), "'other' among other, other_stem, with which"),
    ],
)
def test_a_name_that_would_be_misread_is_refused(roles, says):
    assert says in (unspeakable(roles) or "")


def test_a_word_of_another_roles_name_is_no_name_for_the_usual_four():
    def read(text, roles):
        found = parse(text, roles).advice
        return None if found is None else {move.stem for move in found.moves}

    text = "Turn the strings down by 3 dB."
    assert read(text, ("bass", "other")) == {"other"}
    assert read(text, ("bass", "other", "bowed_strings")) != {"other"}
    assert read("Turn the bass guitar down by 3 dB.", ELEVEN) == {"bass"}
    assert read("Turn the percussion down by 3 dB.", ELEVEN) == {"percussion"}
    assert read("Turn the percussion down by 3 dB.", ("bass", "drums")) == {"drums"}
