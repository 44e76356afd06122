"""What answers on single segments say together, in numbers and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.advising.advise_command import AdviseSettings
from mixlab.advising.summary import Quorum, SegmentAnswer, read_claim, summarise
from mixlab.advising.words import summary_text
from mixlab.language.advice import Claim, Direction, State, Verdict
from mixlab.language.parse import parse
from mixlab.language.said import Said
from tests.conftest import composed

STEMS = ("bass", "drums", "vocals")
BALANCED = "The mix is balanced. Leave everything as it is."


def answers(*texts, stems=STEMS, was_asked=False, probability=0.9):
    return [
        SegmentAnswer.read(
            10.0 * number, 10.0 * (number + 1), stems, Said(text, probability), was_asked, (*STEMS, "other")
        )
        for number, text in enumerate(texts)
    ]


def lower_drums(db):
    return f"The drums are too loud. Lower the drums by {db} dB."


def by_stem(summary):
    return {stem.stem: stem for stem in summary.stems}


def move_drums(db):
    return BALANCED if db == 0 else f"{'Raise' if db > 0 else 'Lower'} the drums by {abs(db)} dB."


def test_each_stem_is_moved_as_most_segments_say_by_the_lower_median_of_what_these_say():
    texts = (lower_drums(6), lower_drums(4), BALANCED, "Raise the vocals by 3 dB.", lower_drums(5), lower_drums(9))
    stems = by_stem(summarise(answers(*texts), "bass", ("drums", "vocals")))
    assert (stems["drums"].gain_db, stems["drums"].direction, stems["drums"].agreement) == (
        -5.0,
        Direction.LOWER,
        4 / 6,
    )
    assert (stems["vocals"].gain_db, stems["vocals"].direction) == (0.0, Direction.LEAVE)
    assert stems["vocals"].agreement == 5 / 6


@given(st.lists(st.sampled_from([-11, -6.2, -3, 0, 0.2, 4, 11]), min_size=1, max_size=9))
def test_no_gain_is_advised_that_no_segment_said(said):
    quorum = Quorum(min_segments=1, min_agreement=0.01)
    drums = by_stem(summarise(answers(*map(move_drums, said)), "bass", ("drums",), quorum=quorum))["drums"]
    assert drums.doubt or drums.gain_db in said
    assert drums.doubt or drums.agreement == sum((gain > 0) - (gain < 0) == (drums.gain_db > 0) - (drums.gain_db < 0)
                                                 for gain in said) / len(said)  # fmt: skip


def test_nothing_and_eleven_are_a_disagreement_and_not_five_and_a_half():
    summary = summarise(answers(BALANCED, "Raise the drums by 11 dB."), "bass", ("drums",))
    (drums,) = summary.stems
    assert (drums.direction, drums.move, summary.gains_db) == (None, None, {})
    assert drums.to_json()["gain_db"] is None
    lines = summary_text(summary, with_sections=False).splitlines()
    assert lines == [
        "No move is advised: what the segments say is not enough for one.",
        "No advice on the drums: the segments disagree (at most 50% of 2 say the same).",
    ]


@pytest.mark.parametrize(
    ("min_segments", "said", "is_advised"),
    [(1, 1, True), (2, 1, False), (2, 2, True), (5, 4, False), (9, 6, True)],
)
def test_advice_needs_segments_of_which_a_short_file_needs_all_it_has(min_segments, said, is_advised):
    found = answers(*[lower_drums(6)] * said, *["loud loud"] * (6 - said))
    (drums,) = summarise(found, "bass", ("drums",), quorum=Quorum(min_segments, 0.6)).stems
    assert (drums.gain_db == -6.0) == is_advised == (not drums.doubt)
    if not is_advised:
        assert drums.doubt == f"it is judged in {said} segment{'s' * (said > 1)}, and {min_segments} are needed"


@pytest.mark.parametrize(("min_agreement", "is_advised"), [(0.6, True), (0.61, False)])
def test_advice_needs_agreement(min_agreement, is_advised):
    found = answers(*[lower_drums(6)] * 3, BALANCED, "Raise the drums by 2 dB.")
    (drums,) = summarise(found, "bass", ("drums",), quorum=Quorum(1, min_agreement)).stems
    assert (drums.direction is Direction.LOWER) == is_advised


def test_a_range_is_advised_as_it_was_said():
    said = "Lower the drums by 3 to 6 dB."
    summary = summarise(answers(said, said), "bass", ("drums",))
    assert summary.gains_db == {"drums": -4.5}
    assert "by 3 to 6 dB" in summary_text(summary, with_sections=False)


def test_a_stem_counts_only_where_it_was_heard():
    found = answers(lower_drums(6), lower_drums(4)) + answers(BALANCED, BALANCED, stems=("bass", "vocals"))
    stems = by_stem(summarise(found, "bass", ("drums", "vocals")))
    assert (stems["drums"].gain_db, stems["drums"].segments, stems["vocals"].segments) == (-4.0, 2, 4)


@pytest.mark.parametrize(
    ("text", "reason", "is_understood"),
    [
        ("loud loud loud", "not_understood", False),
        ("Lower the other stem by 3 dB.", "stem_silent", True),
        ("Lower the bass by 3 dB.", "moves_anchor", True),
    ],
)
def test_an_answer_without_advice_counts_nowhere_and_says_why(text, reason, is_understood):
    summary = summarise(answers(text, lower_drums(6), lower_drums(6)), "bass", ("drums", "vocals"))
    assert summary.reasons == {reason: 1}
    assert by_stem(summary)["drums"].segments == 2
    row = summary.answers[0].to_json()
    assert (row["advice"], row["understood"], row["reason"]) == ([], is_understood, reason)


def test_of_an_answer_on_heard_and_silent_stems_the_heard_ones_count():
    (answer,) = answers("Lower the drums by 4 dB and the other stem by 2 dB.")
    assert (answer.reason, answer.advice.gain_db("drums"), len(answer.advice.moves)) == ("", -4.0, 1)


def test_a_stem_that_no_segment_held_is_unheard_and_one_that_was_not_understood_is_not():
    found = answers(lower_drums(6), lower_drums(6), stems=("bass", "drums")) + answers("loud loud")
    summary = summarise(found, "bass", ("drums", "other", "vocals"))
    assert summary.unheard == ("other",)
    assert by_stem(summary)["vocals"].doubt == "it is judged in no segment, and 2 are needed"


def test_what_advice_needs_is_the_same_for_the_page_and_the_command():
    defaults = composed(name="advising/advise")
    assert {key: defaults[key] for key in vars(Quorum())} == vars(Quorum())
    assert vars(Quorum()).keys() <= AdviseSettings.model_fields.keys()


YES = "You are right, the drums are too loud. " + lower_drums(6)
NO = "The drums are not too loud. " + BALANCED
DRUMS_TOO_LOUD = Claim(State.TOO_LOUD, "drums")


@pytest.mark.parametrize(
    ("texts", "verdict", "share"),
    [
        ((YES, YES, NO), Verdict.CONFIRMED, 2 / 3),
        ((NO, NO, NO, YES), Verdict.CORRECTED, 3 / 4),
        ((YES, NO), None, None),
        ((BALANCED, lower_drums(6), lower_drums(3)), Verdict.CONFIRMED, 2 / 3),
        ((BALANCED, BALANCED, YES), Verdict.CORRECTED, 2 / 3),
        ((YES, "loud loud"), None, None),
    ],
)
def test_the_verdict_is_that_of_most_segments_and_an_answer_without_one_judges_by_its_moves(texts, verdict, share):
    summary = summarise(answers(*texts, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    assert (summary.verdict, summary.verdict_agreement) == (verdict, share)
    data = summary.to_json()
    assert data["claim"] == {"state": "too_loud", "stem": "drums"}
    assert data["verdict"] == (None if verdict is None else str(verdict))


def test_segments_that_were_not_asked_have_no_verdict():
    found = answers(YES, was_asked=True) + answers(NO, NO)
    summary = summarise(found, "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    assert (summary.verdict, summary.verdict_segments) == (Verdict.CONFIRMED, 1)


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
    assert lines[-1] == "Your claim that the drums are too loud is confirmed (67% of 3 segments asked)."


def test_a_verdict_that_does_not_fit_the_moves_stays_out_of_the_advice():
    odd = "You are right about the drums. Raise the vocals by 3 dB."
    summary = summarise(answers(odd, odd, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    lines = summary_text(summary, False).splitlines()
    assert parse(lines[0]).advice.verdict is None
    assert lines[-1] == "Your claim that the drums are too loud is confirmed (100% of 2 segments asked)."


def test_a_claim_on_which_the_segments_do_not_agree_is_answered_by_saying_so():
    summary = summarise(answers(YES, NO, was_asked=True), "bass", ("drums", "vocals"), DRUMS_TOO_LOUD)
    assert summary_text(summary, False).splitlines()[-1] == (
        "Your claim that the drums are too loud is neither confirmed nor corrected: "
        "the segments disagree (at most 50% of 2 say the same)."
    )


def test_a_claim_about_one_segment_is_answered_too():
    summary = summarise(answers(BALANCED, was_asked=True), "bass", ("drums",), Claim(State.BALANCED))
    assert summary_text(summary, False).splitlines()[-1] == (
        "Your claim that the mix is balanced is confirmed (100% of 1 segment asked)."
    )


def test_one_segment_speaks_in_the_models_own_words():
    own = "To me the drums stick out. Take 6.2 dB off the drums."
    summary = summarise(answers(own), "bass", ("drums",))
    assert summary_text(summary, False).splitlines()[0] == own
    assert summary.gains_db == {"drums": -6.2}


def test_sections_are_listed_on_request():
    found = answers(*[BALANCED] * 6, "loud", lower_drums(6), "Raise the other stem by 2 dB.")
    assert summary_text(summarise(found, "bass", ("drums", "vocals")), True).splitlines()[-3:] == [
        "  1:00-1:10  (answer not understood: loud)",
        f"  1:10-1:20  {lower_drums(6)}  (says 90%)",
        "  1:20-1:30  (advice on a stem that is not heard there: Raise the other stem by 2 dB.)",
    ]


def test_answers_that_the_model_is_not_sure_of_do_not_count():
    sure, unsure = answers(lower_drums(6), lower_drums(6)), answers(*["Raise the vocals by 3 dB."] * 3, probability=0.3)
    found = summarise([*sure, *unsure], "bass", ("drums", "vocals"), quorum=Quorum(min_probability=0.5))
    assert found.gains_db == {"drums": -6.0, "vocals": 0.0}
    assert found.reasons == {"unsure": 3}
    assert summarise([*sure, *unsure], "bass", ("drums", "vocals")).gains_db != found.gains_db


def test_a_model_that_is_sure_of_nothing_cannot_tell():
    found = summarise(answers(lower_drums(6), probability=0.41), "bass", ("drums",), quorum=Quorum(min_probability=0.5))
    assert found.gains_db == {}
    assert summary_text(found, with_sections=True).startswith("I cannot tell: the model is not sure enough")
    assert "(says 41%)" in summary_text(found, with_sections=True)


def test_an_answer_without_a_probability_counts_where_none_is_asked_for_alone():
    nobody_knows = answers(lower_drums(6), probability=None)
    assert summarise(nobody_knows, "bass", ("drums",)).gains_db == {"drums": -6.0}
    assert summarise(nobody_knows, "bass", ("drums",), quorum=Quorum(min_probability=0.1)).gains_db == {}
    assert nobody_knows[0].to_json()["probability"] is None
