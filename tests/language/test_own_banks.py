"""Banks of a user's own are taken where every template is understood as it is meant, and refused by name elsewhere."""

from __future__ import annotations

import copy

import pytest
import yaml

from mixlab.errors import ConfigError
from mixlab.language.advice import Claim, State
from mixlab.language.banks import default_banks
from mixlab.language.degree import Degree
from mixlab.language.own_banks import read_banks
from mixlab.language.wording import load_data


@pytest.fixture
def written(tmp_path):
    """Writes the bank of the package with one part replaced, and returns the file's name."""

    def write(kind, *keys, texts):
        data = copy.deepcopy(load_data(kind))
        node = data
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = texts
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(data))
        return str(path)

    return write


def test_without_files_the_banks_are_those_of_the_package() -> None:
    assert read_banks(None, None) == default_banks()


def test_own_templates_are_taken(written) -> None:
    prompts = written("prompts", "advice_seeking", texts=["Any ideas for this mix?"])
    responses = written("responses", "solutions", "lower", texts=["Turn the {stem} down {by}."])
    banks = read_banks(prompts, responses)
    assert banks.prompts.advice_seeking == ("Any ideas for this mix?",)
    assert banks.responses.solutions["lower"] == ("Turn the {stem} down {by}.",)
    assert banks.responses.descriptions == default_banks().responses.descriptions


@pytest.mark.parametrize(
    ("keys", "template"),
    [
        (("solutions", "lower"), "Raise the {stem} {by}."),
        (("solutions", "raise"), "Polish the {stem} {by}."),
        (("solutions", "raise"), "Raise the {stem}."),
        (("solutions", "leave"), "Lower the drums by 3 dB."),
        (("solutions", "leave"), "Leave the {stem} as it is, by {amount}."),
        (("descriptions", "too_loud"), "Lower the {reference} by 3 dB."),
        (("reasons",), "Raise the {stem} {by}: {heard} and {usual}."),
        (("reasons",), "Most songs have the {stem} about {usual} {reference}, and here {they|it} {are|is} {heard}."),
        (("verdicts", "confirmed", "too_loud"), "No, the {stem} {are|is} fine."),
        (("verdicts", "corrected", "balanced"), "Yes, the balance is right."),
    ],
)
def test_a_part_of_a_response_that_reads_otherwise_is_named(written, keys, template) -> None:
    file = written("responses", *keys, texts=[template])
    with pytest.raises(ConfigError) as raised:
        read_banks(None, file)
    assert str(raised.value).startswith(f"{file} holds the template '{template}'")


@pytest.mark.parametrize(
    ("key", "template"),
    [
        ("too_loud", "The {stem} {are|is} too quiet."),
        ("too_loud", "Something is too loud."),
        ("balanced", "The bass is too loud."),
        ("advice_seeking", "The {anchor} {are|is} too loud."),
    ],
)
def test_a_prompt_that_says_something_else_is_named(written, key, template) -> None:
    file = written("prompts", key, texts=[template])
    with pytest.raises(ConfigError, match="holds the template") as raised:
        read_banks(file, None)
    assert template in str(raised.value)


@pytest.mark.parametrize("template", ["The {kazoo} is loud.", "The {stem.__class__} is loud.", "{} is loud", "a { b"])
def test_fields_that_nobody_fills_are_refused(written, template) -> None:
    with pytest.raises(ConfigError, match="whose fields can be"):
        read_banks(written("prompts", "too_loud", texts=[template]), None)


@pytest.mark.parametrize("texts", [[], "one", [3], ["  "], None])
def test_parts_that_are_no_lists_of_texts_are_refused(written, texts) -> None:
    with pytest.raises(ConfigError, match="cannot be read as a bank of templates"):
        read_banks(written("prompts", "too_loud", texts=texts), None)


@pytest.mark.parametrize("content", ["", "[1, 2]", "a: [", "\x00", "advice_seeking: [Hi]", "x: " + "[" * 5000])
def test_files_that_hold_no_bank_are_refused(tmp_path, content) -> None:
    (tmp_path / "bank.yaml").write_text(content)
    for files in ((str(tmp_path / "bank.yaml"), None), (None, str(tmp_path / "bank.yaml")), (str(tmp_path), None)):
        with pytest.raises(ConfigError, match="cannot be read as a bank of templates") as raised:
            read_banks(*files)
        assert "\n" not in str(raised.value)


def test_a_bank_of_plain_lists_without_a_held_out_part_is_taken(tmp_path) -> None:
    path = tmp_path / "prompts.yaml"
    texts = {"advice_seeking": ["Any ideas?"], "balanced": ["The mix is balanced."]}
    texts |= {state: [f"The {{stem}} {{are|is}} {state.replace('_', ' ')}."] for state in ("too_loud", "too_quiet")}
    path.write_text(yaml.safe_dump(texts))
    bank = read_banks(str(path), None).prompts
    assert bank.held_out is None
    for degree in Degree:
        assert bank.templates(Claim(State.TOO_LOUD, "drums", degree)) == ("The {stem} {are|is} too loud.",)


def test_a_held_out_paraphrase_that_is_also_trained_on_is_named(written) -> None:
    file = written("prompts", "held_out", "advice_seeking", texts=["How should I balance this mix?"])
    with pytest.raises(ConfigError, match=r"'How should I balance this mix\?' stands in held_out and outside of it"):
        read_banks(file, None)


def test_a_held_out_paraphrase_that_says_something_else_is_named(written) -> None:
    with pytest.raises(ConfigError, match="Something is too loud"):
        read_banks(written("prompts", "held_out", "too_loud", texts=["Something is too loud."]), None)


def test_a_bank_that_knows_other_degrees_is_refused(written) -> None:
    file = written("responses", "descriptions", "too_loud", texts={"slight": ["The {stem} {are|is} a touch too loud."]})
    with pytest.raises(ConfigError, match="needs the keys slight, clear, far here"):
        read_banks(None, file)
