"""What a participant has deleted is gone from every file, or it is said what is not; files are their owner's alone."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest
from sqlalchemy import func, select

from mixlab.study import backups
from mixlab.study.backups import Backups
from mixlab.study.database import Database, Participant, Rating, Request
from mixlab.study.exporting import export_study
from mixlab.study.sessions import LOG_STAYS, REMEMBERED

SECRET = "Die Stimme ist zu leise"


def holding(study, text):
    """Names of the files of a study in which a text stands."""
    return sorted(
        path.name for path in study.folder.path.rglob("*") if path.is_file() and text.encode() in path.read_bytes()
    )


@pytest.fixture
def told(join, study):
    """A participant who has written a secret, and changed their mind about it, and a backup of that."""
    person = join().ready()
    person.answer(1, comment=SECRET)
    person.lock(2)
    for number in range(3):
        person.send("PUT", "/trials/2/comment", text=f"{SECRET} {number}")
    person.kept = study.backups.make()
    assert holding(study, SECRET)
    assert person.kept.name in holding(study, person.link)
    return person


def deleted(person):
    answer = person.client.delete(person.base)
    assert answer.status_code == 200
    return answer.json()["stays"]


def test_no_file_holds_a_word_of_somebody_who_had_it_deleted(join, told, study):
    other = join().ready()
    other.answer(1, comment="I stay")
    later = study.backups.make()
    assert deleted(told) == ""
    assert holding(study, SECRET) == holding(study, told.link) == []
    for path in (told.kept, later):
        copy = Database(f"sqlite:///{path}")
        with copy.reading() as db:
            assert list(db.scalars(select(Participant.link))) == ([other.link] if path == later else [])
            assert db.scalar(select(func.count(Rating.id))) == (3 if path == later else 0)
        copy.close()
    assert later.name in holding(study, "I stay")
    assert told.client.get(told.base).status_code == 404


def test_who_reads_at_the_time_delays_it_and_that_is_said(told, study, monkeypatch):
    monkeypatch.setattr("mixlab.study.database.CLEAR_S", 0.1)
    with study.database.reading() as db:
        db.scalar(select(func.count(Rating.id)))
        assert deleted(told) == LOG_STAYS
    # The same request again, whose link nobody has any more, clears the rest.
    assert deleted(told) == ""
    assert holding(study, SECRET) == holding(study, told.link) == []


def test_a_backup_that_cannot_be_cleared_is_named(told, study):
    broken = study.backups.folder / "000099_broken.sqlite"
    broken.write_bytes(told.kept.read_bytes()[:8192])
    assert broken.name in deleted(told)
    assert told.kept.name not in holding(study, told.link)


def test_a_backup_that_is_made_while_somebody_leaves_is_cleared(told, study, monkeypatch):
    copy = Database.backup

    def slow(database, path):
        monkeypatch.undo()
        made = copy(database, path)
        told.client.delete(told.base)
        return made

    monkeypatch.setattr(Database, "backup", slow)
    # Of another process: within one, who leaves waits for the backup.
    Backups(study.database, study.backups.folder).make()
    assert holding(study, SECRET) == holding(study, told.link) == []


def test_what_a_killed_backup_left_is_removed(told, study):
    left = study.backups.folder / f".tmp-{os.uname().nodename}-999999999-000007.sqlite"
    shutil.copy(told.kept, left)
    deleted(told)
    assert not left.exists()


def test_a_link_that_never_was_is_unknown_and_nothing_is_noted(client, study):
    assert client.delete(f"/api/p/{secrets.token_urlsafe(24)}").status_code == 404
    with closing(sqlite3.connect(study.database.engine.url.database)) as connection:
        assert connection.execute("SELECT count(*) FROM deletions").fetchone() == (0,)


@pytest.mark.parametrize("is_sqlite", [True, False])
def test_the_page_says_what_deleting_reaches(join, client, study, monkeypatch, is_sqlite):
    person = join()
    monkeypatch.setattr(study.database, "is_sqlite", is_sqlite)
    page = " ".join(client.get(f"/p/{person.link}/information").text.split())
    assert ("from the study's database and its backups." in page) == is_sqlite
    assert ("or as a backup, is not reached" in page) != is_sqlite
    assert "for their analysis" in page


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_files_are_readable_for_their_owner_alone(told, study, tmp_path):
    assert os.umask(0o022) == 0o022
    files = {name: mode for name, mode in modes(study.folder.path).items() if name.startswith("study.sqlite")}
    assert len(files) == 3
    assert set(files.values()) == {0o600}
    assert stat.S_IMODE(study.backups.folder.stat().st_mode) == 0o700
    assert set(modes(study.backups.folder).values()) == {0o600}
    elsewhere = study.database.backup(tmp_path / "mine.sqlite")
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
    export_study(study.folder, study.database, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert set(modes(tmp_path / "out").values()) == {0o600}


def test_a_database_that_others_could_read_becomes_private(study):
    study.database.close()
    path = study.folder.path / "study.sqlite"
    path.chmod(0o644)
    Database(study.folder.database_url).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_folder_of_a_study_is_its_owner_s(built):
    assert stat.S_IMODE(built.stat().st_mode) == 0o700


def test_of_a_comment_that_is_changed_without_end_little_is_kept(join, study):
    person = join().ready()
    person.trial(1)
    sent = [(f"{number} {SECRET} {'x' * 3900}", secrets.token_urlsafe(16)) for number in range(3 * REMEMBERED)]
    for text, key in sent:
        assert person.send("PUT", "/trials/1/comment", text=text, key=key).status_code == 200
        assert person.rate(1, "actionability", 3).status_code == 200
    with study.database.reading() as db:
        kept = list(db.scalars(select(Request.content).where(Request.content.startswith("comment"))))
        assert db.scalar(select(func.count()).select_from(Request)) <= 2 * REMEMBERED + 2
    assert len(kept) == REMEMBERED
    assert max(map(len, kept)) < 100
    study.database.clear_log()
    assert (study.folder.path / "study.sqlite").stat().st_size < 200_000
    assert study.folder.path.joinpath("study.sqlite").read_bytes().count(SECRET.encode()) == 1
    # The last ones come again without effect, also under a key that was used for another text.
    for text, key in sent[-REMEMBERED:]:
        assert person.send("PUT", "/trials/1/comment", text=text, key=key).status_code == 200
    assert person.trial(1).json()["comment"] == sent[-1][0]
    assert person.send("PUT", "/trials/1/comment", text="other", key=sent[-1][1]).status_code == 409


def grow(study, count=1):
    """Let something change in a study; an invitation is no answer."""
    study.invite(count)


def test_a_backup_that_holds_nothing_new_is_not_made(join, study):
    join().ready()
    first = study.backups.make()
    assert study.backups.make() == first
    grow(study)
    second = study.backups.make()
    assert [path.name for path in sorted(study.backups.folder.iterdir())] == [first.name, second.name]


@pytest.fixture
def few(monkeypatch):
    """So many of the latest, and of the fullest backups are kept."""
    monkeypatch.setattr(backups, "KEPT", 4)
    return 4


def test_a_clock_that_is_set_back_costs_no_backup(study, monkeypatch, few):
    names = []
    for year in (2099, *range(2001, 2001 + 2 * few + 3)):
        monkeypatch.setattr(backups, "datetime", FixedClock(year))
        grow(study)
        names.append(study.backups.make().name)
    left = sorted(path.name for path in study.backups.folder.iterdir())
    assert left == names[-2 * few :]
    assert names == sorted(names)


class FixedClock:
    def __init__(self, year):
        self.year = year

    def now(self, zone):
        from datetime import datetime

        return datetime(self.year, 1, 1, tzinfo=zone)


def test_an_empty_database_drives_out_no_backup_of_the_lost_one(join, told, study, few):
    other = join().ready()
    other.answer(1, comment="I stay")
    full = study.backups.make()
    study.database.close()
    for path in study.folder.path.glob("study.sqlite*"):
        path.unlink()
    lost = type(study)(study.folder, Database(study.folder.database_url))
    for _ in range(3 * few):
        grow(lost)
        latest = lost.backups.make()
    left = sorted(lost.backups.folder.iterdir())
    assert len(left) == 2 * few
    assert {told.kept, full, latest} <= set(left)
    lost.database.close()
