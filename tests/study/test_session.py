"""A session over HTTP: what is allowed when, and that an acknowledged answer is stored once."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from mixlab.study.database import Database, Invitation, Participant, Rating, Trial
from mixlab.study.settings import Quota

TRIALS = 1 + 5 + 1 + 1 + 1
"""Training, main, a repeat, an instructed one, a pair."""


def stored(study, query):
    with study.database.reading() as db:
        return db.scalar(query)


def test_a_whole_session_is_stored_as_it_was_given(join, study):
    person = join().ready()
    state = person.client.get(person.base).json()
    assert (state["step"], state["current"], len(state["trials"])) == ("trials", 1, TRIALS)
    for number in range(1, TRIALS + 1):
        assert person.answer(number, rating=1 + number % 5).status_code == 200
    assert person.send("POST", "/finish").status_code == 200
    assert person.client.get(person.base).json()["step"] == "done"
    assert stored(study, select(func.count(Rating.id))) == 3 * (TRIALS - 1)
    with study.database.reading() as db:
        ratings = db.execute(select(Trial.position, Rating.rating).join(Rating)).all()
    assert Counter(ratings) == {(n, 1 + n % 5): 3 for n in range(1, TRIALS)}


def test_after_is_served_only_once_the_advice_is_rated_and_locked(join):
    person = join().ready()
    view = person.trial(1).json()
    assert [v["label"] for v in view["versions"]] == ["Mix as it is", "Bass alone"]
    assert {c["name"] for c in view["criteria"]} == {"actionability", "conventions"}
    assert person.rate(1, "effectiveness", 3).status_code == 409
    assert person.send("POST", "/trials/1/lock").status_code == 409
    assert person.send("POST", "/trials/1/finish").status_code == 409
    assert person.lock(1).status_code == 200
    view = person.trial(1).json()
    assert [v["label"] for v in view["versions"]] == ["Mix as it is", "Mix after the advice", "Bass alone"]
    assert person.rate(1, "actionability", 1).status_code == 409
    assert {c["name"]: c["rating"] for c in view["criteria"]} == {
        "actionability": 4, "conventions": 4, "effectiveness": None,
    }  # fmt: skip
    for version in view["versions"]:
        answer = person.hear(version)
        assert answer.status_code == 200
        assert answer.content[:4] == b"fLaC"


def test_the_file_of_after_is_refused_before_the_lock_though_its_name_is_known(join, study):
    person = join().ready()
    person.trial(1)
    for item in study.folder.manifest.items:
        for said in item.systems.values():
            assert person.hear({"file": said.after}).status_code == 403


def test_a_rating_may_be_changed_until_it_is_locked_and_is_there_once(join, study):
    person = join().ready()
    person.trial(1)
    for rating in (1, 5, 2):
        assert person.rate(1, "actionability", rating).status_code == 200
    assert stored(study, select(func.count(Rating.id))) == 1
    assert stored(study, select(Rating.rating)) == 2


def test_a_request_that_comes_again_under_its_key_changes_nothing(join, study):
    person, key = join().ready(), secrets.token_urlsafe(16)
    person.trial(1)
    assert person.rate(1, "actionability", 1, key=key).status_code == 200
    assert person.rate(1, "actionability", 5).status_code == 200
    assert person.rate(1, "actionability", 1, key=key).status_code == 200
    assert stored(study, select(Rating.rating)) == 5
    assert person.rate(1, "actionability", 3, key=key).status_code == 409


def test_the_lock_and_the_end_of_a_trial_are_acknowledged_again(join):
    person = join().ready()
    key, other = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    assert person.lock(1).status_code == 200
    assert person.send("POST", "/trials/1/lock", key=key).status_code == 200
    person.rate(1, "effectiveness", 3)
    for _ in range(2):
        assert person.send("POST", "/trials/1/finish", key=other).status_code == 200


def test_joining_again_with_the_same_key_gives_the_same_link(client, study):
    (token,) = study.invite(1)
    body = {"invitation": token, "consent": True, "key": secrets.token_urlsafe(16)}
    first, again = (client.post("/api/join", json=body).json()["link"] for _ in range(2))
    assert first == again
    assert stored(study, select(func.count(Participant.id))) == 1
    assert client.post("/api/join", json=body | {"key": secrets.token_urlsafe(16)}).status_code == 409
    assert client.get(f"/i/{token}").status_code == 409


def test_nobody_is_stored_who_has_not_consented(client, study):
    (token,) = study.invite(1)
    key = secrets.token_urlsafe(16)
    for consent in (False, "yes", 1):
        body = {"invitation": token, "consent": consent, "key": key}
        assert client.post("/api/join", json=body).status_code == 422
    page = client.get(f"/i/{token}").text
    assert "Information for participants" in page
    assert stored(study, select(func.count(Participant.id))) == 0


def test_trials_can_be_put_off_and_come_back_to_until_they_are_final(join):
    person = join().ready()
    assert person.trial(2).status_code == 409
    person.answer(1)
    assert person.trial(3).status_code == 409
    assert person.trial(2).json()["stage"] == "advice"
    assert person.answer(3).status_code == 200
    person.rate(2, "actionability", 2)
    assert person.client.get(person.base).json()["current"] == 2
    assert person.answer(2).status_code == 200
    assert person.trial(2).json()["stage"] == "final"
    assert person.trial(TRIALS).status_code == 409


def test_a_session_ends_only_when_all_trials_are_final(join):
    person = join().ready()
    person.answer(1)
    assert person.send("POST", "/finish").status_code == 409


def test_five_of_six_tones_pass_and_four_fail(join, study):
    right = [tone.quietest for tone in study.folder.manifest.tones]
    wrong = [n % 3 + 1 for n in right]
    for share, passed in ((5, True), (4, False)):
        person = join().ready("headphones", right[:share] + wrong[share:])
        with study.database.reading() as db:
            found = db.scalar(select(Participant).where(Participant.link == person.link))
            assert (found.tones_right, found.headphone_check_passed) == (share, passed)


def test_quotas_close_the_study_and_a_way_to_listen(client, study, join):
    study.instrument = study.instrument.model_copy(
        update={"quota": Quota(participants=2, headphones=None, loudspeakers=1)}
    )
    join().ready()
    late = join()
    late.send("POST", "/background", answers={"years": 1, "role": "Producer", "genres": ["Rock"]})
    assert late.send("POST", "/sound", playback="loudspeakers", tones=[]).status_code == 409
    (token,) = study.invite(1)
    body = {"invitation": token, "consent": True, "key": secrets.token_urlsafe(16)}
    assert client.post("/api/join", json=body).json()["error"].startswith("Enough people")


def test_deletion_leaves_nothing_of_a_participant(join, study, client):
    person, other = join().ready(), join().ready()
    for one in (person, other):
        one.answer(1, comment="Remember me")
    assert person.client.delete(person.base).status_code == 200
    assert client.get(person.base).status_code == 404
    assert stored(study, select(func.count(Participant.id))) == 1
    assert stored(study, select(func.count(Rating.id))) == 3
    assert stored(study, select(func.count(Trial.id))) == TRIALS
    assert other.client.get(other.base).json()["current"] == 2
    # The next one does not get the order of the one who left.
    join()
    assert stored(study, select(func.max(Participant.id))) == 3


def test_no_name_of_a_system_and_no_truth_reaches_the_page_or_its_json(join, study):
    person = join().ready()
    secret = [*study.folder.manifest.systems, "true_gain", "advised", "is_repeat", "demo-test"]
    texts = [person.client.get(person.base).text]
    for number in range(1, TRIALS + 1):
        texts.append(person.trial(number).text)
        if number < TRIALS:
            person.lock(number)
        texts += [person.trial(number).text, person.client.get(f"/p/{person.link}/trials/{number}").text]
        person.answer(number) if number == TRIALS else (
            person.rate(number, "effectiveness", 3), person.send("POST", f"/trials/{number}/finish")
        )  # fmt: skip
    # The fixture's texts name their items, as no real system does.
    shown = "".join(texts).replace("Item demo-test", "")
    assert not [word for word in secret if word in shown]


@pytest.mark.parametrize("path", ["", "/information", "/trials/1"])
def test_pages_load_nothing_from_elsewhere(join, path):
    person = join().ready()
    answer = person.client.get(f"/p/{person.link}{path}")
    assert answer.status_code == 200
    outside = answer.text.replace("http://testserver/p/", "")
    assert "http://" not in outside
    assert "https://" not in outside
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_backup_taken_while_answers_come_holds_all_that_were_acknowledged(join, study, tmp_path):
    person = join().ready()
    person.answer(1)
    copy = Database(f"sqlite:///{study.database.backup(tmp_path / 'copies' / 'one.sqlite')}")
    with copy.reading() as db:
        assert db.scalar(select(func.count(Rating.id))) == 3
    copy.close()


def test_writers_who_come_at_once_wait_for_each_other_instead_of_giving_up(study, tmp_path, monkeypatch):
    """Each holds the database for a while, all together longer than SQLite lets anybody wait."""
    monkeypatch.setattr("mixlab.study.database.BUSY_S", 0.2)
    database = Database(f"sqlite:///{tmp_path / 'busy.sqlite'}")

    def write(number):
        with database.writing() as db:
            db.add(Invitation(token=f"token {number}", created=""))
            db.flush()
            time.sleep(0.1)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(12)))
    with database.reading() as db:
        assert db.scalar(select(func.count(Invitation.token))) == 12
    database.close()


def test_the_database_is_the_last_to_refuse_a_second_rating(join, study):
    from sqlalchemy.exc import IntegrityError

    person = join().ready()
    person.answer(1)
    with pytest.raises(IntegrityError), study.database.writing() as db:
        db.add(Rating(trial_id=db.scalar(select(Rating.trial_id)), criterion="actionability", rating=1, at=""))


def test_experts_write_advice_of_their_own_in_the_other_study(request_of, demo_source, tmp_path):
    from fastapi.testclient import TestClient

    from mixlab.judging.annotations import read_annotations
    from mixlab.study.app import create_app
    from mixlab.study.build import build
    from mixlab.study.exporting import export_study
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.sessions import Sessions

    from .conftest import Person, instrument

    made = build(request_of(tmp_path / "s", mode="annotate", instrument=instrument(trials=2), items=2), demo_source)
    assert all(not item.systems for item in made.items)
    folder = StudyFolder(tmp_path / "s")
    study = Sessions(folder, Database(folder.database_url))
    with TestClient(create_app(study, None)) as client:
        (token,) = study.invite(1)
        body = {"invitation": token, "consent": True, "key": secrets.token_urlsafe(16)}
        person = Person(client, client.post("/api/join", json=body).json()["link"]).ready()
        for number in (1, 2, 3):
            view = person.trial(number).json()
            assert (view["stage"], view["advice"], view["criteria"]) == ("annotate", [], [])
            assert "What would you change" in client.get(f"/p/{person.link}/trials/{number}").text
            assert person.send("POST", f"/trials/{number}/finish").status_code == 409
            person.send("PUT", f"/trials/{number}/comment", text=f"Lower the drums by {number} dB.")
            assert person.send("POST", f"/trials/{number}/finish").status_code == 200
    export_study(folder, study.database, tmp_path / "out")
    found = read_annotations(tmp_path / "out" / "annotations.jsonl")
    assert [a.text for a in found] == ["Lower the drums by 2 dB.", "Lower the drums by 3 dB."]
    assert {a.item for a in found} == {item.item for item in made.items[:2]}
    assert json.loads((tmp_path / "out" / "annotations.jsonl").read_text().splitlines()[0])["annotator"] == "p0001"
