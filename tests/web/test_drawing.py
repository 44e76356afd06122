"""The advice as a part of the page and as data, with what the segments do not agree on."""

from mixlab.advising.summary import SegmentAnswer, summarise
from mixlab.advising.words import summary_text
from mixlab.language.said import Said
from mixlab.web.drawing import results
from mixlab.web.work import Advised, Work, as_json

STEMS = ("bass", "drums", "vocals")
SAID = ("Raise the drums by 4 dB.", "Raise the drums by 4 dB and the vocals by 11 dB.", "Raise the other stem by 2 dB.")


def work():
    answers = [
        SegmentAnswer.read(10.0 * i, 10.0 * i + 10, STEMS, Said(said), False, ("other",)) for i, said in enumerate(SAID)
    ]
    summary = summarise(answers, "bass", ("drums", "vocals"))
    made = Work()
    made.advised = Advised(summary, summary, summary_text(summary, False), (), {"drums": -1.0, "vocals": 2.0}, 0.0)
    return made


def test_a_stem_without_advice_is_shown_as_such_and_moved_by_nobody():
    page = " ".join(results(work(), 0.0).split())
    assert '<td>raise</td> <td class="mx-number">+4.0</td> <td class="mx-number">100 % of 2</td>' in page
    assert '<th scope="row">vocals</th> <td>no advice</td><td></td><td></td> <td>not known</td>' in page
    assert "No advice on the vocals: the segments disagree" in page
    assert as_json(work(), 0.0)["advice"][1]["gain_db"] is None
    assert work().advised.gains_db(0.0) == {"drums": 4.0}


def test_a_section_without_advice_says_why():
    page = " ".join(results(work(), 0.0).split())
    assert "Raise the other stem by 2 dB. (advice on a stem that is not heard there)" in page
