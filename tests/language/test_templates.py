"""Labels, prompts and responses in words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import prompt_bank, response_bank
from mixlab.language.degree import Degree
from mixlab.language.templates import (
    PartWording,
    ResponseWording,
    all_texts,
    clip_label,
    draw_response,
    fill_prompt,
    fill_response,
    render_prompt,
    render_response,
)

LOWER_VOCALS = Advice((Move.of("vocals", -6),))
VOCALS_TOO_LOUD = Claim(State.TOO_LOUD, "vocals")


def test_labels_say_what_a_clip_holds() -> None:
    assert clip_label(["bass"], "bass") == "Anchor, bass:"
    assert clip_label(["vocals"], "bass") == "Vocals:"
    assert clip_label(["lead_guitar"], "bass") == "Lead guitar:"
    assert clip_label(["drums", "vocals", "other"], "bass") == "The rest, drums, vocals and other:"
    assert clip_label(["bass", "drums", "vocals"], "bass") == "Mixture, anchor bass:"


def test_a_label_without_a_stem_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one stem"):
        clip_label([], "bass")


def test_the_banks_are_wide() -> None:
    prompts, responses = prompt_bank(), response_bank()
    assert len(set(prompts.advice_seeking)) >= 20
    assert len(set(prompts.claims[State.TOO_LOUD][Degree.CLEAR])) >= 16
    assert len(set(prompts.claims[State.TOO_QUIET][Degree.CLEAR])) >= 16
    assert len(set(prompts.claims[State.BALANCED][Degree.CLEAR])) >= 12
    assert all(len(set(responses.descriptions[state][Degree.CLEAR])) >= 12 for state in State)
    assert all(len(set(responses.descriptions[state][degree])) >= 9 for state in State for degree in Degree)
    assert all(len(set(responses.solutions[direction])) >= 12 for direction in Direction)
    assert all(len(set(responses.verdicts[verdict][state])) >= 8 for verdict in Verdict for state in State)


def test_some_requests_name_the_anchor_and_some_do_not() -> None:
    named = ["{anchor}" in template for template in prompt_bank().advice_seeking]
    assert any(named)
    assert not all(named)


@pytest.mark.parametrize("state", [State.TOO_LOUD, State.TOO_QUIET])
@pytest.mark.parametrize("degree", list(Degree))
def test_every_claim_names_its_stem(state: State, degree: Degree) -> None:
    claim = Claim(state, "vocals", degree)
    for bank in (prompt_bank(), prompt_bank().held_out):
        assert all("vocals" in fill_prompt(template, claim, "bass") for template in bank.templates(claim))


def test_a_small_model_can_learn_the_words() -> None:
    texts = list(all_texts())
    words = {word for text in texts for word in re.findall(r"[a-z']+", text.lower())}
    assert len(words) <= 350
    assert max(len(text.split()) for text in texts) <= 30


def test_the_corpus_has_every_stem_number_and_template() -> None:
    texts = "\n".join(all_texts())
    assert all(f"{number} dB" in texts for number in range(1, 25))
    assert all(clip_label([stem], "bass") in texts for stem in ("bass", "drums", "vocals", "other"))
    assert not re.search(r"[{}|]", texts)
    for state, by_degree in response_bank().descriptions.items():
        for template in (template for templates in by_degree.values() for template in templates):
            filled = re.sub(r"\{stem\}", "vocals", re.sub(r"\{reference\}", "the drums", template))
            filled = re.sub(r"\{(\w+)\|\w+\}", r"\1", filled)
            assert filled in texts, (state, template)


def test_the_corpus_can_have_a_single_stem() -> None:
    assert any(text == "Anchor, kazoo:" for text in all_texts(["kazoo"], [3]))


def test_a_wording_is_a_function_of_the_generator() -> None:
    texts = [render_response(LOWER_VOCALS, "bass", None, np.random.default_rng(7)) for _ in range(2)]
    prompts = [render_prompt(VOCALS_TOO_LOUD, "bass", np.random.default_rng(7)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert prompts[0] == prompts[1]


def test_chance_reaches_every_template() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_response(LOWER_VOCALS, None, rng).parts[0] for _ in range(500)]
    assert len({part.solution for part in drawn}) == len(response_bank().solutions[Direction.LOWER])
    assert len({part.description for part in drawn}) == len(response_bank().descriptions[State.TOO_LOUD][Degree.CLEAR])
    assert len({render_prompt(None, "bass", rng) for _ in range(1000)}) == len(prompt_bank().advice_seeking)


def test_a_response_judges_describes_and_solves() -> None:
    advice = Advice(LOWER_VOCALS.moves, Verdict.CONFIRMED)
    wording = ResponseWording((PartWording(0, 0),))
    text = fill_response(advice, "bass", VOCALS_TOO_LOUD, wording)
    assert text == "Yes, you are right. The vocals are too loud. Lower the vocals by 6 dB."


def test_an_anchor_is_not_compared_with_itself() -> None:
    described = response_bank().descriptions[State.TOO_LOUD][Degree.CLEAR]
    part = PartWording(described.index("The {stem} {are|is} too loud next to {reference}."), 0)
    text = fill_response(Advice((Move.of("bass", -3),)), "bass", None, ResponseWording((part,)))
    assert text.startswith("The bass is too loud next to the rest of the mix.")


@pytest.mark.parametrize(
    ("low_db", "high_db", "said"),
    [
        (1, 1, "a touch too loud"),
        (0.5, 2, "a touch too loud"),
        (2.5, 2.5, "too loud"),
        (7, 7, "too loud"),
        (6, 12, "too loud"),
        (8, 8, "far too loud"),
        (8, 12, "far too loud"),
    ],
)
def test_the_degree_fits_the_whole_amount(low_db: float, high_db: float, said: str) -> None:
    advice = Advice((Move("vocals", -high_db, -low_db),))
    text = fill_response(advice, "bass", None, ResponseWording((PartWording(0, 0),)))
    assert text.startswith(f"The vocals are {said}. Lower the vocals")


def test_no_small_error_is_called_large_and_no_large_one_small() -> None:
    small, large = re.compile(r"touch|not quite"), re.compile(r"far too|much|over|buried|hardly")
    for state in (State.TOO_LOUD, State.TOO_QUIET):
        by_degree = response_bank().descriptions[state]
        assert all(small.search(text) and not large.search(text) for text in by_degree[Degree.SLIGHT])
        assert all(large.search(text) and not small.search(text) for text in by_degree[Degree.FAR])
        assert not any(small.search(text) or "far too" in text for text in by_degree[Degree.CLEAR])


def test_a_paraphrase_that_is_held_out_is_none_of_those_that_are_not() -> None:
    seen, held_out = prompt_bank(), prompt_bank().held_out
    assert not set(seen.all_templates()) & set(held_out.all_templates())
    for claim in (None, Claim(State.BALANCED), VOCALS_TOO_LOUD, Claim(State.TOO_QUIET, "bass", Degree.FAR)):
        texts = {fill_prompt(template, claim, "drums") for template in held_out.templates(claim)}
        assert len(texts) >= 3
        assert not texts & {fill_prompt(template, claim, "drums") for template in seen.templates(claim)}


def test_a_verdict_without_a_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="a verdict needs a claim"):
        render_response(Advice((), Verdict.CONFIRMED), "bass", None, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("advice", "claim"),
    [
        (Advice((), Verdict.CONFIRMED), VOCALS_TOO_LOUD),
        (Advice(LOWER_VOCALS.moves, Verdict.CORRECTED), VOCALS_TOO_LOUD),
        (Advice(LOWER_VOCALS.moves, Verdict.CONFIRMED), Claim(State.BALANCED)),
        (Advice((), Verdict.CORRECTED), Claim(State.BALANCED)),
    ],
)
def test_a_response_that_would_contradict_itself_is_refused(advice: Advice, claim: Claim) -> None:
    with pytest.raises(ValueError, match="does not fit the moves"):
        render_response(advice, "bass", claim, np.random.default_rng(0))


def test_a_wording_for_another_number_of_moves_is_refused() -> None:
    with pytest.raises(ValueError, match="2 parts for 1 moves"):
        fill_response(LOWER_VOCALS, "bass", None, ResponseWording((PartWording(0, 0), PartWording(0, 0))))
