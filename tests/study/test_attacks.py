"""What must not work: guessed links, second ratings, values out of range, scripts, SQL, paths, guessed passwords."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import select

from mixlab.study.database import Rating, Trial

from .conftest import PASSWORD, SQL, counts, monitor


@pytest.mark.parametrize("guess", ["1", "p0001", "a" * 32, "%2e%2e%2f" * 4, "%00", "x" * 5000, *SQL])
def test_a_guessed_link_is_unknown_everywhere(client, join, study, guess):
    join().ready()
    before = counts(study)
    for path in (f"/p/{guess}", f"/p/{guess}/trials/1", f"/i/{guess}", f"/api/p/{guess}", f"/api/p/{guess}/trials/1"):
        assert client.get(path).status_code in (404, 405), path
    assert client.delete(f"/api/p/{guess}").status_code in (404, 405)
    body = {"invitation": guess, "consent": True, "key": secrets.token_urlsafe(16)}
    assert client.post("/api/join", json=body).status_code in (404, 422)
    assert counts(study) == before


def test_links_are_long_and_drawn_by_the_machine_s_own_randomness(join):
    links = {join().link for _ in range(5)}
    assert len(links) == 5
    assert min(map(len, links)) >= 32


def test_one_participant_s_link_does_not_open_another_one_s_sound(join, study):
    person, other = join().ready(), join().ready()
    person.lock(1)
    after = person.trial(1).json()["versions"][1]
    assert person.hear(after).status_code == 200
    assert other.hear(after).status_code == 403


def test_a_trial_cannot_be_rated_twice(join, study):
    person = join().ready()
    person.answer(1, rating=4)
    before = counts(study)
    for criterion in ("actionability", "conventions", "effectiveness"):
        answer = person.rate(1, criterion, 1)
        assert (answer.status_code, answer.json()["error"]) == (409, "This trial is final.")
    assert person.send("PUT", "/trials/1/comment", text="late").status_code == 409
    assert person.send("POST", "/trials/1/finish").status_code == 409
    with study.database.reading() as db:
        assert set(db.scalars(select(Rating.rating))) == {4}
    assert counts(study) == before


@pytest.mark.parametrize("rating", [0, 6, -1, 10**30, 3.5, "4", True, None, [4], {"$gt": 0}])
def test_a_rating_out_of_range_is_refused(join, study, rating):
    person = join().ready()
    person.trial(1)
    assert person.rate(1, "actionability", rating).status_code == 422
    assert counts(study)[3] == 0


def test_numbers_that_json_does_not_have_are_refused(join, client, study):
    person = join().ready()
    person.trial(1)
    for value in ("NaN", "Infinity", "1e999"):
        answer = client.put(
            f"{person.base}/trials/1/ratings/actionability",
            content=f'{{"rating": {value}, "key": "{"k" * 20}"}}',
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422
    assert counts(study)[3] == 0


@pytest.mark.parametrize("number", ["0", "-1", "99", "1e3", "1;--", "٣", "9" * 40])
def test_a_trial_that_is_not_there_is_refused(join, number):
    person = join().ready()
    assert person.client.get(f"{person.base}/trials/{number}").status_code in (404, 422)
    assert person.rate(number, "actionability", 3).status_code in (404, 422)


@pytest.mark.parametrize("preferred", [-1, 3, 10**30, 0.5, "1", True, None, [0]])
def test_a_preference_out_of_range_is_refused(join, study, preferred):
    person = join().ready()
    for number in range(1, 9):
        person.answer(number)
    person.trial(9)
    assert person.send("PUT", "/trials/9/preference", preferred=preferred).status_code == 422
    assert person.send("POST", "/trials/9/finish").status_code == 409


@pytest.mark.parametrize("tones", [[0] * 6, [4] * 6, [1] * 5, [1] * 7, [1.5] * 6, [True] * 6, "111111", None])
def test_answers_to_the_headphone_check_that_cannot_be_are_refused(join, tones):
    person = join()
    person.send("POST", "/background", answers={"years": 7, "role": "Producer", "genres": ["Rock"]})
    assert person.send("POST", "/sound", playback="headphones", tones=tones).status_code == 422
    assert person.client.get(person.base).json()["step"] == "sound"


@pytest.mark.parametrize(
    "answers",
    [
        {}, {"years": 7}, {"years": -1, "role": "Producer", "genres": ["Rock"]},
        {"years": True, "role": "Producer", "genres": ["Rock"]}, {"years": 7, "role": "Pope", "genres": ["Rock"]},
        {"years": 7, "role": "Producer", "genres": []}, {"years": 7, "role": ["Producer"], "genres": ["Rock"]},
        {"years": 7, "role": "Producer", "genres": ["Rock"], "name": "Ann"},
    ],
)  # fmt: skip
def test_answers_that_were_not_offered_are_refused(join, study, answers):
    person = join()
    assert person.send("POST", "/background", answers=answers).status_code == 422
    assert person.client.get(person.base).json()["step"] == "background"


def test_a_script_in_a_comment_is_shown_as_text(join, client):
    person = join().ready()
    person.answer(1)
    script = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'--></textarea>{{ 7 * 7 }}"
    person.lock(2)
    assert person.send("PUT", "/trials/2/comment", text=script).status_code == 200
    own = client.get(f"/p/{person.link}/trials/2").text
    coding = monitor(client, "/coding", params={"coder": "anna"}).text
    for page in (own, coding):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "{{ 7 * 7 }}" in page
    assert person.trial(2).json()["comment"] == script


@pytest.mark.parametrize("text", SQL)
def test_sql_in_any_field_is_text_or_refused(join, client, study, text):
    person = join().ready()
    person.answer(1)
    person.lock(2)
    before = counts(study)
    person.send("PUT", "/trials/2/comment", text=text)
    assert person.trial(2).json()["comment"] == text
    assert person.rate(2, text, 3).status_code in (404, 422)
    assert person.rate(2, "effectiveness", text).status_code == 422
    assert person.rate(2, "effectiveness", 3, key=text).status_code == 422
    assert person.send("PUT", "/trials/2/preference", preferred=text).status_code == 422
    assert person.hear({"file": text}).status_code == 404
    stranger = join()
    assert stranger.send("POST", "/background", answers={text: text}).status_code == 422
    assert (
        stranger.send("POST", "/background", answers={"years": text, "role": text, "genres": [text]}).status_code == 422
    )
    assert stranger.send("POST", "/sound", playback=text, tones=[]).status_code == 422
    assert stranger.send("POST", "/sound", playback="headphones", tones=[text] * 6).status_code == 422
    assert stranger.send("POST", text, rating=3).status_code in (404, 405)
    assert client.get(person.base, params={"trial": text}).json()["current"] == 2
    (token,) = study.invite(1)
    for body in ({"invitation": token, "consent": text, "key": "k" * 20}, {"invitation": text, "consent": True}):
        assert client.post("/api/join", json=body).status_code == 422
    assert monitor(client, "/coding", params={"coder": text}).status_code == 422
    auth = ("x", PASSWORD)
    with study.database.reading() as db:
        trial = db.scalar(select(Trial.id).where(Trial.comment == text))
    for body in ({"coder": text, "codes": []}, {"coder": "anna", "codes": [text]}):
        assert client.put(f"/monitor/coding/{trial}", json=body, auth=auth).status_code == 422
    after = counts(study)
    assert after[3:] == before[3:]
    assert after[0] == before[0] + 1


@pytest.mark.parametrize("text", ["a\x00b", "x" * 4001])
def test_a_comment_that_no_database_holds_is_refused(join, text):
    person = join().ready()
    person.trial(1)
    assert person.send("PUT", "/trials/1/comment", text=text).status_code == 422


def test_half_of_a_character_is_refused(join, client):
    person = join().ready()
    person.trial(1)
    answer = client.put(
        f"{person.base}/trials/1/comment",
        content='{"text": "\\ud800", "key": "%s"}' % ("k" * 20),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_a_comment_in_any_script_is_kept(join):
    person = join().ready()
    person.trial(1)
    text = "Zu laut 🥁, 太响了, \u202eright to left\n\ttab"
    assert person.send("PUT", "/trials/1/comment", text=text).status_code == 200
    assert person.trial(1).json()["comment"] == text


@pytest.mark.parametrize(
    "name",
    ["../study.json", "..%2f..%2fstudy.json", "%2e%2e/study.json", "....//study.json", "/etc/passwd", "study.sqlite"],
)
def test_no_path_leads_out_of_the_stimuli(join, client, name):
    person = join().ready()
    for path in (f"/p/{person.link}/audio/{name}", f"/static/{name}", f"/audio/{name}"):
        answer = client.get(path)
        assert answer.status_code in (303, 404, 405), path
        assert b"instrument" not in answer.content
        assert b"root:" not in answer.content


def test_forms_of_other_sites_and_large_bodies_are_refused(client, join):
    person = join().ready()
    form = client.post(f"{person.base}/finish", data={"key": "k" * 20})
    assert form.status_code == 415
    plain = client.post(f"{person.base}/finish", content="{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    assert person.send("PUT", "/trials/1/comment", text="x" * 70_000).status_code == 413
    chunks = client.post(f"{person.base}/finish", content=iter([b"{}"]), headers={"Content-Type": "application/json"})
    assert chunks.status_code == 413


def test_there_is_no_generated_documentation(client):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
