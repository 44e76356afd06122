"""Free text read as advice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mixlab.language.advice import Advice, Move, Verdict
from mixlab.language.parse import parse


def moves(**gains_db: float | tuple[float, float]) -> Advice:
    """Advice from stem to dB, or to a range."""
    ranges = {stem: gain if isinstance(gain, tuple) else (gain, gain) for stem, gain in gains_db.items()}
    return Advice(tuple(Move(stem, *ends) for stem, ends in ranges.items()))


PREDECESSOR = {
    "The vocals is difficult to hear. Increase the vocals level by 6 to 12 dB to balance the mix.": moves(
        vocals=(6, 12)
    ),
    "The bass is a bit too high. Reduce the bass gain between 3 and 6 dB for proper balance.": moves(bass=(-6, -3)),
    "The bass needs to be slightly quieter. Lower the bass by 3 to 6 dB to achieve proper balance.": moves(
        bass=(-6, -3)
    ),
    "The drums is dominating the mix. Reduce the drums between 6 and 12 dB to achieve balance.": moves(drums=(-12, -6)),
    "The vocals needs more volume. Raise the vocals level by 3 to 6 dB to balance the mix.": moves(vocals=(3, 6)),
    "The drums is too loud and needs to be brought down. "
    "Reduce the drums by 6 to 12 dB to achieve proper balance.": moves(drums=(-12, -6)),
    "The bass is barely present in the mix. Increase the bass gain by 6 to 12 dB for proper balance.": moves(
        bass=(6, 12)
    ),
    "The vocals requires a slight boost. Increase the vocals level by 3 to 6 dB to balance the mix.": moves(
        vocals=(3, 6)
    ),
    "The vocals needs significant reduction. Decrease the vocals level between 6 and 12 dB to balance the mix.": moves(
        vocals=(-12, -6)
    ),
    "The bass is too quiet to be heard properly. Boost the bass by 6 to 12 dB to achieve proper balance.": moves(
        bass=(6, 12)
    ),
    "The drums is somewhat too quiet; increase the drums by 3 to 6 dB to achieve proper balance.": moves(drums=(3, 6)),
    "The mix is correctly balanced with all stems at proper levels. No changes are needed.": Advice(),
    "The mix analysis shows all stems are properly balanced. Each element is at the correct level. "
    "No changes are required.": Advice(),
    "Upon review, the mix balance is correct. All stems are at appropriate levels. "
    "No adjustments are necessary.": Advice(),
    "Reviewing the mix shows all stems are at appropriate levels. The balance is good. "
    "No modifications are necessary.": Advice(),
}

FREE_TEXT = {
    "Vocals down by 3 dB": moves(vocals=-3),
    "Bass: +2.5 dB": moves(bass=2.5),
    "vocals -3dB": moves(vocals=-3),
    "vocals \u22123 dB": moves(vocals=-3),
    "- Vocals: -3 dB\n- Drums: +2 dB": moves(vocals=-3, drums=2),
    "**Drums**\n lower by 3\u20136 dB": moves(drums=(-6, -3)),
    "Make the singer a touch louder.": moves(vocals=1),
    "Consider raising the vocals slightly.": moves(vocals=2),
    "Reduce the vocals\u2019 level by half a dB.": moves(vocals=-0.5),
    "I'd bring the percussion up about four decibels.": moves(drums=4),
    "The bass guitar could use a 3-dB boost.": moves(bass=3),
    "The vocals are masked by the guitars. Cut the guitars by 3 dB.": moves(other=-3),
    "I would pull the lead vocal back by roughly 2 dB.": moves(vocals=-2),
    "The vocals are 6 dB too loud.": moves(vocals=-6),
    "The vocals are 6 dB too loud. Turn them down.": moves(vocals=-6),
    "The vocals are 3 dB quieter than the drums should ever be.": moves(vocals=3),
    "The vocals should be 3 dB lower.": moves(vocals=-3),
    "The vocals are too loud. By about 3 dB.": moves(vocals=-3),
    "The drums are overpowering. Turn it down 6 to 3 dB.": moves(drums=(-6, -3)),
    "Don't raise the drums. Lower the vocals by 3 dB.": moves(vocals=-3),
    "Lower the drums by 3 dB without touching the bass.": moves(drums=-3),
    "Lower the drums by 3 dB so that the vocals are louder.": moves(drums=-3),
    "Lower the drums by 3 dB. This will make the vocals louder.": moves(drums=-3),
    "Raise the vocals by 3 dB to reduce the masking.": moves(vocals=3),
    "I'd suggest a 2 dB lift on the bass to support the kick.": moves(bass=2),
    "Apply a cut of 3 dB to the drums to open up the vocals.": moves(drums=-3),
    "The level of the drums is 4 dB below where it should be.": moves(drums=4),
    "Lower the vocals by 3 dB for a balanced mix.": moves(vocals=-3),
    "Lower the vocals by 3 dB. No other changes are needed.": moves(vocals=-3),
    "The mix is otherwise balanced, but the vocals are 2 dB too quiet.": moves(vocals=2),
    "The drums and bass are well balanced. Increase the vocals by 3 dB.": moves(vocals=3),
    "Turn the vocals up by 2 dB and the drums down by 3 dB.": moves(vocals=2, drums=-3),
    "Lower the vocals and drums by 3 dB.": moves(vocals=-3, drums=-3),
    "Lower the vocals by 3 dB and the drums by 2 dB.": moves(vocals=-3, drums=-2),
    "The vocals and the drums are too loud. Lower both by 3 dB.": moves(vocals=-3, drums=-3),
    "Next to the bass and the drums, the vocals are 2 dB too quiet.": moves(vocals=2),
    "With the bass as a reference, lower the drums by 2 dB.": moves(drums=-2),
    "The bass is the anchor, the vocals are 2 dB too loud.": moves(vocals=-2),
    "Raise the level by 6 dB. The vocals are too quiet.": moves(vocals=6),
    "Raise the vocals by up to 3 dB.": moves(vocals=3),
    "Vocals: -3 dB, drums: +2 dB, bass: 0 dB.": moves(vocals=-3, drums=2),
    "The vocals should come down by 3 dB.": moves(vocals=-3),
    "The vocals need to be slightly quieter.": moves(vocals=-2),
    "The vocals are a smidge too loud.": moves(vocals=-1),
    "The vocals are about 3-4 dB hot.": moves(vocals=(-4, -3)),
    "The bass is 4 dB low.": moves(bass=4),
    "Raise the vocals 3~6 dB.": moves(vocals=(3, 6)),
    "Bump the vocals by 2 dB and duck the drums by 3 dB.": moves(vocals=2, drums=-3),
    "Give the bass another 2 dB.": moves(bass=2),
    "The drums, not the vocals, should be lowered by 3 dB.": moves(drums=-3),
    "Raise, don't lower, the vocals by 3 dB.": moves(vocals=3),
    "Rather than raising the vocals, lower the drums by 3 dB.": moves(drums=-3),
    "Everything is fine except the vocals, which are 3 dB too loud.": moves(vocals=-3),
    "All stems are well balanced, except for the drums, which need 3 dB less.": moves(drums=-3),
    "What stands out? The vocals: lower them by 3 dB.": moves(vocals=-3),
    '{"stem": "vocals", "direction": "lower", "gain_db": 3}': moves(vocals=-3),
    "The bass is fine, the drums are fine and the vocals are fine.": Advice(),
    "No changes are required.": Advice(),
    "Leave everything.": Advice(),
    "Nothing is wrong with the mix.": Advice(),
    "There is no need to turn anything up or down.": Advice(),
    "Raise the vocals by 0 dB.": Advice(),
    "Neither the drums nor the bass are too loud. Everything sounds fine.": Advice((), Verdict.CORRECTED),
}

UNCLEAR = {
    "": "empty",
    " \n\t": "empty",
    "The weather is nice.": "no stem and direction found",
    "I am fine, thank you.": "no stem and direction found",
    "3 dB": "no stem and direction found",
    "The vocals are not too loud.": "no stem and direction found",
    "Don't raise the drums.": "no stem and direction found",
    "I would lower neither the drums nor the bass.": "no stem and direction found",
    "Set the vocals to -14 LUFS.": "no stem and direction found",
    "Set the vocals at -6 dB.": "no stem and direction found",
    "Set the vocals to -6 dB.": "no stem and direction found",
    "The vocals peak at -3 dB.": "no stem and direction found",
    "Should I raise the vocals by 3 dB?": "no stem and direction found",
    "Is the balance right, or should I change something?": "no stem and direction found",
    "The bass is fine.": "no stem and direction found",
    "Keep the bass as it is.": "no stem and direction found",
    "Everything except the vocals is fine.": "no stem and direction found",
    "Down by 3 dB.": "no stem found for a direction",
    "+2.5 dB": "no stem found for a direction",
    "a touch louder": "no stem found for a direction",
    "Raise the vocals by 3 dB or lower the drums by 3 dB.": "contradiction: raise and lower the drums",
    "The vocals are too loud. Do nothing.": "contradiction: the mix is balanced",
    "Raise it by 3 dB.": "no stem found for a direction",
    "Lower the other tracks by 3 dB.": "no stem found for a direction",
    "Adjust the vocals by 6 dB.": "no direction found for the vocals",
    "Lower the vocals by 3 dB. Raise the vocals by 2 dB.": "contradiction: raise and lower the vocals",
    "Raise or lower the vocals by 3 dB.": "contradiction: raise and lower the vocals",
    "The drums are too loud. Increase the drums by 6 dB.": "contradiction: the description and the solution",
    "The mix is balanced. Lower the vocals by 3 dB.": "contradiction: the mix is balanced",
    "No changes are needed. The vocals are too loud.": "contradiction: the mix is balanced",
    "Leave the vocals alone. Raise the vocals by 3 dB.": "contradiction: raise and leave the vocals",
    "Raise the vocals by 3 dB. Do not raise the vocals.": "contradiction: raise and do not raise the vocals",
    "Raise the vocals by -3 dB.": "contradiction: raise the vocals, and an amount of the other sign",
    "Lower the vocals by 3 dB. Lower the vocals by 6 dB.": "contradiction: several amounts for the vocals",
    "Raise the vocals by 0 to 3 dB.": "no usable amount for the vocals",
}


@pytest.mark.parametrize(("text", "advice"), [*PREDECESSOR.items(), *FREE_TEXT.items()])
def test_free_text_reads_as_a_person_would_read_it(text: str, advice: Advice) -> None:
    parsed = parse(text)
    assert parsed.advice == advice
    assert parsed.reason == ""
    assert parsed.amount_stated


@pytest.mark.parametrize(("text", "reason"), UNCLEAR.items())
def test_what_is_unclear_is_said_and_not_guessed(text: str, reason: str) -> None:
    parsed = parse(text)
    assert parsed.advice is None
    assert parsed.reason.startswith(reason)
    assert not parsed.amount_stated


@pytest.mark.parametrize("text", ["Raise the vocals.", "The vocals are too quiet.", "Boost the vocals by 20%."])
def test_an_amount_that_is_not_stated_is_reported(text: str) -> None:
    parsed = parse(text)
    assert parsed.advice == moves(vocals=3)
    assert not parsed.amount_stated


def test_amounts_in_words_are_outranked_by_amounts_in_db() -> None:
    assert parse("The vocals are slightly loud. Lower the vocals.").advice == moves(vocals=-2)
    assert parse("The vocals are slightly loud. Lower the vocals by 5 dB.").advice == moves(vocals=-5)
    assert parse("The vocals are 4 dB too loud. Lower the vocals slightly.").advice == moves(vocals=-4)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("You're right, the vocals are too loud. Lower them by 3 dB.", Verdict.CONFIRMED),
        ("Yes. Lower the vocals by 3 dB.", Verdict.CONFIRMED),
        ("Well, yes: lower the vocals by 3 dB.", Verdict.CONFIRMED),
        ("The vocals are indeed too loud. Lower the vocals by 3 dB.", Verdict.CONFIRMED),
        ("Actually, the vocals are too loud. Lower them by 3 dB.", Verdict.CORRECTED),
        ("Not quite. Lower the vocals by 3 dB.", Verdict.CORRECTED),
        ("You are not right. Lower the vocals by 3 dB.", Verdict.CORRECTED),
        ("The vocals are not too quiet. Lower the vocals by 3 dB.", Verdict.CORRECTED),
        ("The mix is not balanced: the vocals are too loud by 3 dB.", Verdict.CORRECTED),
        ("I don't think the drums are too loud. The vocals are: lower them by 3 dB.", Verdict.CORRECTED),
        ("You say the drums are too loud, but lower the vocals by 3 dB.", None),
        ("Lower the vocals by 3 dB. No other changes are needed.", None),
        ("Right now the vocals are too loud. Lower the vocals by 3 dB.", None),
    ],
)
def test_a_verdict_is_read_beside_the_advice(text: str, verdict: Verdict | None) -> None:
    assert parse(text).advice == Advice((Move.of("vocals", -3),), verdict)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("The other is too loud. Lower it by 4 dB.", moves(other=-4)),
        ("The other instruments are too loud; reduce them by 4 dB.", moves(other=-4)),
        ("Lower other by 4 dB.", moves(other=-4)),
        ("On the other hand, lower the drums by 4 dB.", moves(drums=-4)),
        ("The drums and bass mask each other. Lower the drums by 4 dB.", moves(drums=-4)),
        ("Lower the drums by 4 dB and leave the other tracks alone.", moves(drums=-4)),
    ],
)
def test_the_role_other_is_told_from_the_ordinary_word(text: str, advice: Advice) -> None:
    assert parse(text).advice == advice


def test_only_the_stems_that_there_are_are_read() -> None:
    text = "Lower the guitars by 3 dB."
    assert parse(text).advice == moves(other=-3)
    assert parse(text, ("bass", "guitar", "other")).advice == moves(guitar=-3)
    assert parse(text, ("bass", "vocals")).advice is None
    assert parse(text, ()).advice is None


def test_solutions_outrank_descriptions_of_other_stems() -> None:
    text = "The drums is overpowering the mix. The vocals needs to be slightly louder. Boost the vocals by 3 to 6 dB."
    assert parse(text).advice == moves(vocals=(3, 6))


@pytest.mark.skipif(
    "MIXLAB_PREDECESSOR" not in os.environ, reason="MIXLAB_PREDECESSOR does not name the folder of its predictions"
)
def test_every_reference_text_of_the_predecessor_reads_as_its_labels() -> None:
    files = sorted(Path(os.environ["MIXLAB_PREDECESSOR"]).glob("*.jsonl"))
    assert files
    for line in (line for file in files for line in file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        low, high = row["expected_magnitude_min_db"], row["expected_magnitude_max_db"]
        category = row["error_category"]
        ends = (-high, -low) if "loud" in category else (low, high)
        expected = Advice() if category == "no_error" else moves(**{row["target_stem"]: ends})
        assert parse(row["ground_truth"]).advice == expected, row["ground_truth"]
