"""The words that carry a response's meaning."""

from __future__ import annotations

import numpy as np
import pytest

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import response_bank
from mixlab.language.spans import decisive_spans, naming_spans
from mixlab.language.templates import PartWording, ResponseWording, fill_response, render_response


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in decisive_spans(text)]


def test_stem_direction_number_and_verdict_are_decisive() -> None:
    text = "You are right, the vocals are too loud. Lower the vocals by 3 to 6 dB."
    assert words(text) == ["You are right", "vocals", "too loud", "Lower", "vocals", "3 to 6 dB"]


def test_the_words_of_a_balanced_mix_are_decisive() -> None:
    assert words("The mix is well balanced. Leave the faders alone.") == ["mix", "well balanced", "Leave", "alone"]
    assert words("No, the bass is fine. Don't change it.") == ["No", "bass", "fine", "Don't", "change"]


def test_every_solution_has_its_stem_amount_and_direction_marked() -> None:
    for direction, gain_db in ((Direction.RAISE, 5.0), (Direction.LOWER, -5.0)):
        for solution, template in enumerate(response_bank().solutions[direction]):
            wording = ResponseWording((PartWording(0, solution),))
            text = fill_response(Advice((Move.of("drums", gain_db),)), "bass", None, wording)
            marked = words(text.split(". ", 1)[1])
            assert {"drums", "5 dB"} <= set(marked), template
            assert len(marked) >= 3, template


def test_spans_are_a_part_of_the_text_only() -> None:
    advice = Advice((Move.of("drums", 5),), Verdict.CONFIRMED)
    text = render_response(advice, "bass", Claim(State.TOO_QUIET, "drums"), np.random.default_rng(3))
    assert 0 < sum(end - start for start, end in decisive_spans(text)) < len(text)
    assert decisive_spans("") == []


def test_where_answers_part_every_answer_is_decisive() -> None:
    for text, words in (
        ("The balance is right. No change is needed.", {"balance", "right"}),
        ("Yes, the mix is balanced.", {"Yes", "mix", "balanced"}),
        ("No, the vocals are not too loud.", {"No", "vocals", "not"}),
    ):
        found = {text[start:end] for start, end in decisive_spans(text)}
        assert words <= found


def named(text: str, stems: tuple[str, ...] = ("bass", "drums", "vocals", "other")) -> list[str]:
    return [text[start:end] for start, end in naming_spans(text, stems)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The drums are far too loud next to the bass. Lower the drums by 6 dB.", ["drums"]),
        ("No, that is wrong. The vocals are a touch too quiet in the mix. Raise them by 2 dB.", ["No", "vocals"]),
        ("Yes, exactly. The balance of the stems is right. There is nothing to change.", ["Yes", "balance"]),
        ("The drums are too loud. Lower the drums by 6 dB. The vocals are too quiet.", ["drums", "vocals"]),
        ("Sunny with some clouds.", []),
        ("", []),
    ],
)
def test_an_answer_is_named_by_its_verdict_and_the_first_word_for_each_stem(text: str, names: list[str]) -> None:
    assert named(text) == names


def test_a_stem_of_ones_own_names_an_answer_too() -> None:
    assert named("The lead guitar is too loud.", ("bass", "lead_guitar")) == ["lead guitar"]
