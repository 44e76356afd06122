"""What is exported: every rating once, a codebook for every column, and agreement of coders."""

from __future__ import annotations

import csv

import pytest
from sqlalchemy import func, select

from mixlab.errors import InputFileError
from mixlab.study.coding import code, coded, comments, kappas
from mixlab.study.database import Rating, Trial
from mixlab.study.exporting import RATINGS, WEBMUSHRA, export_study
from mixlab.study.sessions import Refused


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def exported_study(join, study, tmp_path):
    person = join().ready()
    for number in range(1, 10):
        person.answer(number, rating=1 + number % 5, comment="=1+1" if number == 2 else "")
    person.send("POST", "/finish")
    join()
    export_study(study.folder, study.database, tmp_path / "out")
    return tmp_path / "out"


def test_every_rating_beside_training_is_exported_once_with_its_trial(exported_study, study):
    found = rows(exported_study / "ratings.csv")
    assert tuple(found[0]) == RATINGS
    assert len({(r["participant"], r["trial"], r["criterion"]) for r in found}) == len(found) == 3 * 7
    assert all(int(r["rating"]) == 1 + int(r["trial"]) % 5 and r["locked_at"] for r in found)
    assert {r["system"] for r in found if r["is_instructed"] == "0"} == set(study.folder.manifest.systems)
    (instructed,) = {(r["system"], r["instructed_answer"]) for r in found if r["is_instructed"] == "1"}
    assert instructed == ("", "2")
    assert sum(r["is_repeat"] == "1" for r in found) == 3
    assert {(r["session_part"], r["playback"]) for r in found} == {("main", "loudspeakers")}


def test_people_have_names_that_say_nothing_and_the_link_is_nowhere(exported_study, study):
    found = rows(exported_study / "participants.csv")
    assert [r["participant"] for r in found] == ["p0001", "p0002"]
    assert (found[0]["years"], found[0]["genres"], found[0]["simulated"]) == ("7", "Rock;Jazz", "0")
    assert found[0]["finished"]
    assert not found[1]["finished"]
    text = "".join(path.read_text(encoding="utf-8") for path in exported_study.iterdir())
    with study.database.reading() as db:
        from mixlab.study.database import Participant

        assert not any(link in text for link in db.scalars(select(Participant.link)))


def test_a_comment_is_no_formula_and_a_pair_names_both_systems(exported_study, study):
    (comment,) = rows(exported_study / "comments.csv")
    assert comment["comment"] == "'=1+1"
    (pair,) = rows(exported_study / "preferences.csv")
    assert pair["preferred"] == pair["system_b"] != pair["system_a"]
    assert len(rows(exported_study / "items.csv")) == 7 * 5


def test_in_webmushra_s_form_every_rating_of_a_system_is_a_score_with_its_time_and_comment(exported_study, study):
    found = rows(exported_study / "webmushra.csv")
    assert tuple(found[0]) == WEBMUSHRA
    # Five trials and a repeat by three criteria; who was told what to choose rated no system.
    assert len(found) == 3 * 6
    assert {r["rating_stimulus"] for r in found} == set(study.folder.manifest.systems)
    assert sum(r["trial_id"].endswith("/repeat") for r in found) == 3
    assert {int(r["rating_score"]) for r in found} <= {0, 25, 50, 75, 100}
    assert all(int(r["rating_time"]) >= 0 for r in found)
    assert [r["rating_comment"] for r in found if r["rating_comment"]] in ([], ["'=1+1"] * 3)


def test_a_comment_on_a_comparison_is_exported_and_can_be_coded(join, study, tmp_path):
    person = join().ready()
    for number in range(1, 10):
        person.answer(number, comment="A is shorter" if number == 9 else "")
    ((trial, text),) = comments(study.database)
    code(study.database, trial, "anna", ["tone"], set(study.instrument.codes))
    export_study(study.folder, study.database, tmp_path / "out")
    (comment,) = rows(tmp_path / "out" / "comments.csv")
    (pair,) = rows(tmp_path / "out" / "preferences.csv")
    assert comment["comment"] == text == "A is shorter"
    assert (comment["session_part"], comment["system"]) == ("pair", f"{pair['system_a']};{pair['system_b']}")
    assert {r["code"] for r in rows(tmp_path / "out" / "codes.csv")} == {"", "tone"}


def test_the_codebook_names_every_column_and_scale(exported_study):
    text = (exported_study / "codebook.md").read_text()
    assert not [name for name in RATINGS if name not in text]
    assert "1 Much worse" in text
    assert "<" not in text


def test_an_export_replaces_none(exported_study, study):
    with pytest.raises(InputFileError, match="not an empty folder"):
        export_study(study.folder, study.database, exported_study)


def test_coders_agree_as_cohen_says_and_nobody_sees_the_other_s_codes(join, study, client):
    person = join().ready()
    person.answer(1)
    for number in (2, 3, 4, 5):
        person.answer(number, comment=f"comment {number}")
    found = comments(study.database)
    assert [text for _, text in found] == [f"comment {n}" for n in (2, 3, 4, 5)]
    known = set(study.instrument.codes)
    for (trial, _), anna, ben in zip(found, (1, 1, 0, 0), (1, 0, 0, 0), strict=True):
        code(study.database, trial, "anna", ["vague"] * anna, known)
        code(study.database, trial, "ben", ["vague"] * ben, known)
    agreement = kappas(coded(study.database), ["vague", "tone"])
    assert agreement["vague"] == (4, pytest.approx(0.5))
    assert agreement["tone"] == (4, None)
    auth = ("x", "a pass word: with a colon")
    page = client.get("/monitor/coding", params={"coder": "ben"}, auth=auth).text
    assert page.count(" checked>") == 1
    assert client.get("/monitor", auth=auth).status_code == 200


def test_a_comment_coded_again_keeps_the_later_codes(join, study):
    person = join().ready()
    person.answer(1)
    person.answer(2, comment="hm")
    ((trial, _),) = comments(study.database)
    for codes in (["vague", "tone"], ["tone"], []):
        code(study.database, trial, "anna", codes, set(study.instrument.codes))
        assert coded(study.database)["anna"][trial] == set(codes)
    with pytest.raises(Refused):
        code(study.database, 10**6, "anna", [], set())


def test_nothing_is_written_twice(exported_study, study):
    with study.database.reading() as db:
        assert db.scalar(select(func.count(Rating.id)).join(Trial).where(Trial.kind == "main")) == 21
