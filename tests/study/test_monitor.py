"""The monitor opens to its password alone, and no other site, frame or cache gets anything out of a study."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from mixlab.study.app import create_app
from mixlab.study.database import Trial

from .conftest import PASSWORD, SQL, counts, monitor


def test_the_monitor_is_shut_without_its_password(client):
    for path in ("", "/coding"):
        assert client.get(f"/monitor{path}").status_code == 401
    assert client.put("/monitor/coding/1", json={"coder": "anna", "codes": []}).status_code == 401
    for header in ("Basic", "Basic !!!", "Bearer x", "Basic " + "A" * 9999):
        assert client.get("/monitor", headers={"Authorization": header}).status_code in (401, 429)


def test_passwords_cannot_be_tried_without_end(client):
    assert monitor(client).status_code == 200
    assert [monitor(client, password=f"guess {n}").status_code for n in range(5)] == [401, 401, 401, 429, 429]
    # Not even the right one, which would tell the guesser that it is right.
    assert monitor(client).status_code == 429


@pytest.mark.parametrize("password", ["", "gehe\u00efm \u592a\u54cd"])
def test_a_password_opens_the_monitor_whole_and_exact_alone(study, password):
    right = password or PASSWORD
    near = [right[:-1], right + " ", right + "\x00", right.upper(), right[::-1], "", *SQL]
    with TestClient(create_app(study, right, attempts_per_minute=1000)) as client:
        assert monitor(client, password=right.encode()).status_code == 200
        for guess in near:
            assert monitor(client, password=guess.encode()).status_code == 401, guess
        assert client.get("/monitor", auth=(right.encode(), b"")).status_code == 401
        assert client.get(f"/monitor?password={PASSWORD}").status_code == 401


def test_a_page_of_another_site_cannot_use_the_password_that_a_browser_remembers(client, join, study):
    person = join().ready()
    person.answer(1)
    person.answer(2, comment="hm")
    with study.database.reading() as db:
        trial = db.scalar(select(Trial.id).where(Trial.comment == "hm"))
    path, auth = f"/monitor/coding/{trial}", ("x", PASSWORD)
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    body = '{"coder": "eve", "codes": ["vague"]}'
    # What a form can send without asking first: three types, and no method but GET and POST.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        for method in ("POST", "PUT"):
            headers = {**elsewhere, "Content-Type": kind}
            assert client.request(method, path, content=body, headers=headers, auth=auth).status_code == 415
    asked = {**elsewhere, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    answer = client.options(path, headers=asked)
    assert answer.status_code >= 400
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert counts(study)[-1] == 0


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/monitor", "/static/study.css", "/i/none", "/p/{link}", "/api/p/{link}", "/p/{link}/audio/x"],
)
def test_every_answer_forbids_foreign_scripts_frames_and_guessing_of_types(client, join, path):
    person = join().ready()
    headers = client.get(path.format(link=person.link)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.lower().startswith(("access-control-", "set-cookie", "server"))]


def test_nothing_that_a_participant_said_stays_in_a_cache(client, join):
    person = join().ready()
    person.trial(1)
    for path in (person.base, f"{person.base}/trials/1", f"/p/{person.link}/trials/1", f"/p/{person.link}/information"):
        assert client.get(path).headers["cache-control"] == "no-store", path
    assert monitor(client, "/coding").headers["cache-control"] == "no-store"


def test_without_a_password_there_is_no_monitor(study):
    with TestClient(create_app(study, None)) as client:
        assert client.get("/monitor", auth=("x", "")).status_code == 403
