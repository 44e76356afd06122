"""What answers on single segments say together, in numbers and in words."""

import pytest

from mixlab.advising.summary import SegmentAnswer, read_claim, summarise
from mixlab.advising.words import summary_text
from mixlab.language.advice import Claim, Direction, State, Verdict
from mixlab.language.parse import parse

STEMS = ("bass", "drums", "vocals")
BALANCED = "The mix is balanced. Leave everything as it is."


def answers(*texts, stems=STEMS, was_asked=False):
    return [
        SegmentAnswer.read(10.0 * number, 10.0 * (number + 1), stems, text, was_asked)
        for number, text in enumerate(texts)
    ]


def lower_drums(db):
    return f"The drums are too loud. Lower the drums by {db} dB."


def by_stem(summary):
    return {stem.stem: stem for stem in summary.stems}


def test_each_stem_gets_the_median_gain_and_the_share_that_agrees_on_its_direction():
    texts = (lower_drums(6), lower_drums(4), BALANCED, "Raise the vocals by 3 dB.", lower_drums(5))
    stems = by_stem(summarise(answers(*texts), "bass", ("drums", "vocals")))
    assert (stems["drums"].gain_db, stems["drums"].direction, stems["drums"].agreement) == (-4.0, Direction.LOWER, 0.6)
    assert (stems["vocals"].gain_db, stems["vocals"].direction, stems["vocals"].agreement) == (
        0.0,
        Direction.LEAVE,
        0.8,
    )


@pytest.mark.parametrize(("said", "advised_db"), [((3, 4), -3.5), ((3.3, 3.3), -3.5), ((0.2, 0.2), 0.0)])
def test_gains_come_in_steps_of_half_a_db(said, advised_db):
    drums = by_stem(summarise(answers(*map(lower_drums, said)), "bass", ("drums",)))["drums"]
    assert drums.gain_db == advised_db
    assert (drums.direction is Direction.LEAVE) == (advised_db == 0.0)


def test_a_stem_counts_only_where_it_was_heard():
    found = answers(lower_drums(6)) + answers(BALANCED, BALANCED, stems=("bass", "vocals"))
    stems = by_stem(summarise(found, "bass", ("drums", "vocals")))
    assert (stems["drums"].gain_db, stems["drums"].segments, stems["vocals"].segments) == (-6.0, 1, 3)


def test_an_answer_that_is_not_understood_counts_nowhere():
    summary = summarise(answers("loud loud loud", lower_drums(6)), "bass", ("drums", "vocals"))
    assert summary.understood == 1
    assert by_stem(summary)["drums"].agreement == 1.0
    assert summary.answers[0].to_json()["advice"] == []
    assert not summary.answers[0].to_json()["understood"]


def test_an_answer_that_would_move_the_anchor_is_not_understood():
    assert answers("Lower the bass by 3 dB.")[0].advice is None


def test_a_stem_that_no_understood_segment_held_is_unheard():
    summary = summarise(answers(lower_drums(6), stems=("bass", "drums")), "bass", ("drums", "other"))
    assert (list(by_stem(summary)), summary.unheard) == (["drums"], ("other",))


YES = "You are right, the drums are too loud. " + lower_drums(6)
NO = "The drums are not too loud. " + BALANCED
DRUMS_TOO_LOUD = Claim(State.TOO_LOUD, "drums")


@pytest.mark.parametrize(
    ("texts", "verdict", "share"),
    [
        ((YES, YES, NO), Verdict.CONFIRMED, 2 / 3),
        ((NO, NO, NO, YES), Verdict.CORRECTED, 3 / 4),
        ((YES, NO), None, None),
        ((BALANCED, BALANCED, YES), None, None),
    ],
)
def test_the_verdict_is_that_of_most_segments(texts, verdict, share):
    summary = summarise(answers(*texts, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    assert (summary.verdict, summary.verdict_agreement) == (verdict, share)


def test_segments_that_were_not_asked_have_no_verdict():
    found = answers(YES, was_asked=True) + answers(NO, NO)
    assert summarise(found, "bass", ("drums", "vocals"), DRUMS_TOO_LOUD).verdict is Verdict.CONFIRMED


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("I think the vocals are too quiet", Claim(State.TOO_QUIET, "vocals")),
        ("The drums take over the whole mix.", Claim(State.TOO_LOUD, "drums")),
        ("The mix is balanced.", Claim(State.BALANCED)),
        ("Does everything sit right next to the bass?", None),
        ("How should I balance this mix?", None),
    ],
)
def test_a_users_claim_is_read(sentence, claim):
    assert read_claim(sentence) == claim


def test_the_text_says_what_the_numbers_say():
    summary = summarise(answers(lower_drums(6), lower_drums(3), BALANCED), "bass", ("drums", "vocals"))
    first, agreement = summary_text(summary, with_sections=False).splitlines()
    advice = parse(first, stems=STEMS).advice
    assert {stem: advice.gain_db(stem) for stem in STEMS} == {"bass": 0.0, "drums": -3.0, "vocals": 0.0}
    assert agreement == "Agreement (not certainty): drums 67% of 3 segments, vocals 100% of 3 segments."


def test_the_text_of_a_balanced_mix_says_so():
    summary = summarise(answers(BALANCED, BALANCED), "bass", ("drums", "vocals"))
    assert parse(summary_text(summary, False).splitlines()[0]).advice.is_balanced


def test_the_text_confirms_or_corrects_the_claim():
    summary = summarise(answers(YES, YES, NO, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    lines = summary_text(summary, False).splitlines()
    assert parse(lines[0]).advice.verdict is Verdict.CONFIRMED
    assert lines[-1] == "Your claim is confirmed in 67% of the segments asked."


def test_a_verdict_that_does_not_fit_the_median_gains_stays_out_of_the_advice():
    odd = "You are right about the drums. Raise the vocals by 3 dB."
    summary = summarise(answers(odd, odd, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    lines = summary_text(summary, False).splitlines()
    assert parse(lines[0]).advice.verdict is None
    assert lines[-1] == "Your claim is confirmed in 100% of the segments asked."


def test_one_segment_speaks_in_the_models_own_words_unless_a_step_changed_them():
    own = "To me the drums stick out. Take 6 dB off the drums."
    assert summary_text(summarise(answers(own), "bass", ("drums",)), False).splitlines()[0] == own
    rounded = summarise(answers("Take 6.2 dB off the drums."), "bass", ("drums",))
    assert summary_text(rounded, False).splitlines()[0] == lower_drums(6)


def test_sections_are_listed_on_request():
    summary = summarise(answers(*[BALANCED] * 6, "loud", lower_drums(6)), "bass", ("drums", "vocals"))
    assert summary_text(summary, True).splitlines()[-2:] == [
        "  1:00-1:10  (not understood: loud)",
        f"  1:10-1:20  {lower_drums(6)}",
    ]
