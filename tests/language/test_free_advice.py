"""Free advice as engineers and language models write it, read as people label it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixlab.language.advice import Direction
from mixlab.language.parse import Reading, parse
from mixlab.multitrack.roles import role_of

DATA = Path(__file__).parent / "data"
UNREAD = {
    "The vocals are just about right, maybe half a dB hot, I'd leave them.": "a fault and no move",
    "\u8bf7\u5c06\u4eba\u58f0\u63d0\u9ad83\u5206\u8d1d\u3002": "no English",
    "The vocal gets lost whenever the guitars come in, so I'd pull those down by 2 dB.": "those could be either",
    "1.5 dB into the vocal.": "no verb",
    "Action - lower\nStem - vocals\nAmount - 3 dB": "a record without colons",
    "A little compression and more bass.": "more what of the bass",
    "Turn the vocals up by 2 dB, which is common in pop.": "speaks of a custom",
    "The vocals need a lift of 3 dB, no more.": "no more than that, or nothing else",
    "Current level of the drums: -6 dB. It should be -9 dB.": "levels that do not follow 'at'",
    "You raised the drums too far: bring them back down by 3 dB.": "tells what was done in the same clause",
    "I turned the vocals up by 2 dB and it sounds better, so do that.": "tells what was done",
    "The bass has too much going on; reduce its level by 3 dB.": "too much of something else",
    "The low end guy is too loud: bass down 3 dB.": "the low end is a band of frequencies",
}
"""Labels that are not met since nothing is read, with what stands in the way."""
MISREAD = {
    "The verse vocals feel too quiet; automate them up by 2 dB.": "the amount belongs to an automation",
    "Two dB up on vocals, two down on drums.": "the second number lacks its unit",
    "Once the drums come in the vocals need 2 dB more.": "no comma between two clauses",
    "A bass weighs 3 kg more than a trout.": "a fish",
}
"""Labels in whose place something else is read: the known errors, each with its cause."""
OTHER_OUTCOME = ["Lower the price of the bass boat by 3 dollars."]
"""What speaks of no sound at all, and reads as speaking of other sound than level."""


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def said(text: str) -> dict[str, float] | None:
    advice = parse(text).advice
    return None if advice is None else {move.stem: move.gain_db for move in advice.moves}


def directions(gains_db: dict[str, float] | None) -> dict[str, Direction] | None:
    return None if gains_db is None else {stem: Direction.of(gain_db) for stem, gain_db in gains_db.items()}


ALL_ROWS = [row for name in ("free_advice", "free_advice_more", "free_advice_kinds") for row in rows(f"{name}.jsonl")]


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row["text"][:40])
def test_free_advice_reads_as_its_label(row: dict[str, Any]) -> None:
    text, label = row["text"], row["moves"]
    if text in MISREAD:
        assert said(text) not in (None, label)
    elif text in UNREAD:
        assert said(text) is None
        assert label is not None
    elif row.get("sized", True):
        assert said(text) == label
    else:
        assert directions(said(text)) == directions(label)


@pytest.mark.parametrize(("name", "least_right", "most_misread"), [("second", 196, 0), ("third", 168, 0)])
def test_sets_that_were_held_out_once_are_read_no_worse_than_before(
    name: str, least_right: int, most_misread: int
) -> None:
    held_out = rows(f"free_advice_{name}.jsonl")
    found = [(directions(said(row["text"])), directions(row["moves"])) for row in held_out]
    right = sum(read == label for read, label in found)
    misread = sum(read is not None and read != label for read, label in found)
    assert len(held_out) == 200
    assert right >= least_right
    assert misread <= most_misread


def test_what_is_read_otherwise_than_labelled_stays_rare_and_in_the_lists() -> None:
    texts = {row["text"] for row in ALL_ROWS}
    assert texts >= UNREAD.keys() | MISREAD.keys()
    more = {row["text"] for row in rows("free_advice_more.jsonl")}
    assert (len(more), len(more & UNREAD.keys()), len(more & MISREAD.keys())) == (200, 2, 0)


def test_a_text_without_advice_is_told_apart_by_what_it_speaks_of() -> None:
    labelled = [row for row in rows("free_advice_more.jsonl") if "outcome" in row]
    others = [row["text"] for row in labelled if str(parse(row["text"]).reading) != row["outcome"]]
    assert others == OTHER_OUTCOME


OTHER_KINDS: dict[str, dict[str, float] | None] = {
    # A gerund or a noun, and whom it is good for.
    "Dropping the snare by 1.5 dB lets the voice come forward.": {"drums": -1.5},
    "A 3 dB cut on the drums would let the bass come through.": {"drums": -3},
    "I suggest pulling the keys down 3 dB, which would leave more space for the vocals.": {"other": -3},
    # A verb around its objects.
    "Take the vocals and the drums down 2 dB.": {"vocals": -2, "drums": -2},
    "Pull the bass and the kick back by 1 dB.": {"bass": -1, "drums": -1},
    "Add 2 dB to each of the drums and the vocals.": {"drums": 2, "vocals": 2},
    # All but one.
    "Raise everything except the drums by 3 dB.": {"bass": 3, "vocals": 3, "other": 3},
    "All tracks apart from the vocals should be turned down 2 dB.": {"bass": -2, "drums": -2, "other": -2},
    "Everything but the vocals is in place; vocals up 2 dB.": {"vocals": 2},
    # Numbers.
    "Give the bass a dB and a half more.": {"bass": 1.5},
    "Take three quarters of a dB off the snare.": {"drums": -0.75},
    "Raise the drums by 1 1/2 dB.": {"drums": 1.5},
    "Bass minus 2, vocals plus 1.": {"bass": -2, "vocals": 1},
    "Raise the vocals from -10 dB to -7 dB.": {"vocals": 3},
    "Double the volume of the vocals.": {"vocals": 6},
    # Told of a stem, and so a fault: what it is louder than is not where it should go.
    "Our bass is 3 dB louder than theirs. Match it.": {"bass": -3},
    "The snare comes out 4 dB hotter than in the demo.": {"drums": -4},
    "The drums are further back than they should be.": {"drums": 3},
    "Make the vocal come out 2 dB louder than it is.": {"vocals": 2},
    # Where a stem should stand.
    "I'd put the snare 2 dB behind where it is now.": {"drums": -2},
    "The strings are three dB south of where I want them.": {"other": 3},
    "The guitar is 2 dB above where I'd like it.": {"other": -2},
    # Questions that ask for a move, or complain.
    "Can the bass come down a bit?": {"bass": -2},
    "Could the singer be louder?": {"vocals": 3},
    "Why is the piano so loud?": {"other": -3},
    "Where has the kick gone?": {"drums": 3},
    "How's the bass? It needs 2 dB more.": {"bass": 2},
    # What is fine is said of that stem alone, and what stays is no move.
    "The bass is well balanced and nicely placed in the mix. Lower the drums by 3 dB.": {"drums": -3},
    "Hands off the bass, drums down 2 dB.": {"drums": -2},
    "Keep all the levels but raise the bass 2 dB.": {"bass": 2},
    "Don't touch the bass, it's the drums that should come down 2 dB.": {"drums": -2},
    "Please keep all levels where they are.": {},
    "Strings too shy, kick too bossy.": {"other": 3, "drums": -3},
    "Take 2 out of the kit and put 1 into the vocals.": {"drums": -2, "vocals": 1},
    # Lists.
    "| Track | Advice |\n| --- | --- |\n| Drums | lower by 4 dB |\n| Vocals | leave |\n": {"drums": -4},
    "Vocals: sits well, no change.\nDrums: a bit loud, take 2 dB off.\nOther: ok.": {"drums": -2},
    "### Drums\nToo loud. Lower by 3 dB.\n\n### Vocals\nFine as they are.": {"drums": -3},
    "Drums: 0 dB\nVocals: 0 dB\nOther: 0 dB": {},
    "Stem: vocals\nAnchor: bass\nDirection: raise\nAmount: 3 dB": {"vocals": 3},
    "Direction: up\nAmount: 2 dB\nStem: drums\n\nDirection: down\nAmount: 1 dB\nStem: vocals": {
        "drums": 2,
        "vocals": -1,
    },
    # Other things than level beside it.
    "The vocals are too dry and too quiet: add reverb and raise them by 3 dB.": {"vocals": 3},
    "Compress the drums and lower them by 2 dB.": {"drums": -2},
    "Cut 300 Hz on the guitars, and bring the vocals up 2 dB.": {"vocals": 2},
    "Give the drums more punch by raising them 3 dB.": {"drums": 3},
    "Lower the distorted guitars by 2 dB.": {"other": -2},
    # What depends on a condition comes after what is certain.
    "Raise the vocals by 2 dB. If they are still too quiet, add another 1 dB.": {"vocals": 2},
    "If the vocals were 2 dB louder, they would sit right.": {"vocals": 2},
    "The drums are loud, but not too loud. The vocals are too quiet: +2 dB.": {"vocals": 2},
    "Raise the vocals by 3 dB or so.": {"vocals": 3},
}

ASIDE = [
    "Cut the guitars by 3 dB around 300 Hz.",
    "At 250 Hz, cut the bass by 3 dB.",
    "Lower the threshold of the vocal compressor by 4 dB.",
    "Add a compressor to the vocals, taking the peaks down by 3 dB.",
    "Too much reverb on the vocals.",
    "Increase the width of the synths.",
    "Reduce the sibilance of the vocals by 3 dB.",
    "Pan the guitars hard left and right.",
    "The guitars need some more bite.",
    "The vocals lack clarity.",
    "A vocal minority raised concerns about the bass fishing quota.",
]

NOT_CERTAIN = [
    "",
    "Raise the drums 3 dB or lower the vocals 3 dB.",
    "The drums or the bass should come down 2 dB.",
    "Raise the vocals by 3 dB. Alternatively, lower the guitars by 3 dB.",
    "Lower the drums by 2 dB, or if you prefer, raise the bass by 2 dB.",
    "I don't have access to the audio, but typically vocals should be raised by 2 dB.",
    "It is impossible to say whether the drums are too loud.",
    "If you want a more aggressive sound, raise the drums by 2 dB.",
    "The balance is fine. If you like, raise the vocals by 1 dB.",
    "Kick up 1 dB, snare down 1 dB.",
    "The drums were turned down by 3 dB yesterday.",
    "The listener claims that the drums are too loud.",
    "Lower the the vocals by by 3 dB dB.",
    "The vocals is lower the drums by 3 raise dB the mix.",
    "Lower by the drums 3 is vocals dB the of.",
    "The drums are too quiet and the singer is shouting over everyone.",
    "The strings are a mess. The bass is too loud.",
    "I'd put the kit 3 dB to the left of where it is.",
    "The drummer's away.",
    "The bassist is back on Monday.",
    "The drums are up 3 dB in this version.",
    "Their vocals are 2 dB louder than ours.",
    "I love this track, what key is it in?",
    "All good with you?",
    "Where did the bass go wrong?",
    "Why are vocals loud in pop?",
    "Is the bass too loud or the drums? Lower it 2 dB.",
    "Lower the drums by the vocals by 3 dB.",
]


@pytest.mark.parametrize(("text", "gains_db"), OTHER_KINDS.items())
def test_other_free_advice_reads_as_a_person_would_read_it(text: str, gains_db: dict[str, float]) -> None:
    assert said(text) == gains_db
    assert parse(text).reading is Reading.READ


@pytest.mark.parametrize("text", ASIDE)
def test_sound_in_other_terms_than_level_is_no_advice_and_is_told_apart(text: str) -> None:
    parsed = parse(text)
    assert (parsed.advice, parsed.reading) == (None, Reading.NOT_ABOUT_LEVEL)
    assert parsed.reason == "speaks of other things than level"


@pytest.mark.parametrize("text", NOT_CERTAIN)
def test_what_is_not_certain_is_not_read(text: str) -> None:
    parsed = parse(text)
    assert (parsed.advice, parsed.reading) == (None, Reading.NOT_READABLE)


@pytest.mark.parametrize(
    ("text", "gains_db"),
    [
        ('{"vocals": 3, "drums": -2, "other": 0}', {"vocals": 3, "drums": -2}),
        ('Here it is:\n```json\n{"drums": "lower by 3 dB", "vocals": "leave"}\n```', {"drums": -3}),
        ('{"stem": "vocals", "direction": "raise", "amount_db": 4, "confidence": 0.9}', {"vocals": 4}),
        ('{"moves": [{"stem": "vocals", "gain_db": 3}, {"stem": "drums", "gain_db": -2}]}', {"vocals": 3, "drums": -2}),
        ('{"vocals": {"gain_db": -2}, "drums": {"gain_db": 0}}', {"vocals": -2}),
        ('{"bass": 0, "drums": 0, "vocals": 0, "other": 0}', {}),
        ('{"stem": "drums", "gain_db": 1e9}', None),
        ('{"stem": "drums", "confidence": 3}', None),
        ("[" * 5000, None),
        ('{"a":' * 5000, None),
    ],
)
def test_data_is_read_as_words_are(text: str, gains_db: dict[str, float] | None) -> None:
    assert said(text) == gains_db


@pytest.mark.parametrize(
    "name",
    [
        *("kick", "snare", "hi-hat", "floor tom", "overheads", "tambourine", "cajon", "bass drum", "steel drums"),
        *("horns", "organ", "rhodes", "cello", "trumpet", "pads", "synth bass", "upright bass", "bass guitar"),
        *("lead vocals", "choir", "vox", "singer", "mandolin", "bass clarinet"),
    ],
)
def test_an_instrument_has_the_role_in_advice_that_it_has_in_the_name_of_a_file(name: str) -> None:
    assert said(f"Raise the {name} by 3 dB.") == {role_of(name): 3.0}
