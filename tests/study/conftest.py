"""For the tests of the study: a tiny study on demo songs, a client, and a participant who answers whatever is asked."""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from itertools import cycle
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, write_predictions
from mixlab.storage import config_folder
from mixlab.study.answers import checked
from mixlab.study.raters import Raters, latin
from mixlab.study.settings import BuildSettings, Truth
from mixlab.synthesis.problem import GainError, Problem, PromptCategory

PASSWORD = "a pass word: with a colon"
SQL = ["' OR '1'='1", "x'; DROP TABLE ratings; --", '" OR ""="', "1; DELETE FROM participants", "%' UNION SELECT link"]
ERRORS = ((), (("vocals", 6.0),), (("drums", -5.0),), (("other", -8.0),), (("vocals", -4.0),), (("drums", 7.0),))


def counts(study):
    """The rows of participants, invitations, trials, ratings and codes."""
    from sqlalchemy import func, select

    from mixlab.study.database import Code, Invitation, Participant, Rating, Trial

    with study.database.reading() as db:
        tables = (Participant, Invitation, Trial, Rating, Code)
        return [db.scalar(select(func.count()).select_from(table)) for table in tables]


def monitor(client, path="", password=PASSWORD, **others):
    """What the monitor answers to somebody with a password."""
    return client.get(f"/monitor{path}", auth=("anybody", password), **others)


def conf(name):
    """A file of the study's configuration, as values."""
    return yaml.safe_load((config_folder() / "study" / f"{name}.yaml").read_text(encoding="utf-8"))


def truth(effects, **others):
    """What is planted: effects, and how raters are assumed to be unless told otherwise."""
    return Truth(effects=effects, **(conf("truth/usual") | others))


def simulated_answers(truth, raters, items, trials, seed, repeats=3):
    """Answers of a whole study without a server: main trials, the first of them again, two instructed items each."""
    population, systems = Raters(truth, seed), truth.systems
    rows: list[dict[str, object]] = []
    common = {"session_part": "main", "true_gain_db": "", "advised_gain_db": ""}

    def add(rater: str, item: str, system: str, criterion: str, rating: int, again: int, asked: int | str) -> None:
        rows.append(
            {"participant": rater, "item": item, "system": system, "criterion": criterion, "rating": rating,
             "is_repeat": again, "is_instructed": int(asked != ""), "instructed_answer": asked,
             "playback": ("headphones", "loudspeakers")[int(rater[-1]) % 2], **common}
        )  # fmt: skip

    done = Counter[int]()
    for number, item_number, system_number in latin(raters, items, len(systems), trials):
        rater, item, system = f"p{number:03d}", f"item{item_number:03d}", systems[system_number]
        for criterion in truth.effects:
            add(rater, item, system, criterion, population.rate(rater, item, system, criterion), 0, "")
            if done[number] < repeats:
                add(rater, item, system, criterion, population.rate(rater, item, system, criterion, True), 1, "")
            if done[number] == 0:
                for asked in (2, 4):
                    point = population.follow(rater, f"{item}{asked}", criterion, asked)
                    add(rater, item, "", criterion, point, 0, asked)
        done[number] += 1
    participants = pd.DataFrame({"participant": [f"p{number:03d}" for number in range(raters)], "simulated": 1})
    preferences = pd.DataFrame(columns=["participant", "item", "system_a", "system_b", "preferred"])
    return checked(pd.DataFrame(rows), participants, preferences, Path("simulated"))


def instrument(**session):
    asked = conf("instrument/mixing")
    asked["session"] |= {"trials": 5, "repeats": 1, "instructed": [2], "pairs": 1} | session
    return asked


def problem(index, song, errors):
    categories = list(PromptCategory)
    return Problem(
        item_id=f"{song}-{index}", song_id=song, split="test", genre="rock", start_s=1.0, duration_s=4.0, anchor="bass",
        stems=("bass", "drums", "other", "vocals"), errors=tuple(GainError(stem, db) for stem, db in errors),
        error_category="loud" if errors else "no_error", prompt_category=categories[index % 4], claim=None,
        headroom_gain_db=-10.0, master_gain_db=0.0, wording_seed=index,
    )  # fmt: skip


@pytest.fixture(scope="session")
def study_problems(demo_source):
    songs = cycle(entry.song_id for entry in demo_source.entries() if entry.split == "test")
    return [problem(index, next(songs), errors) for index, errors in enumerate(ERRORS * 2)]


@pytest.fixture(scope="session")
def runs(study_problems, tmp_path_factory):
    """Two runs on the same items: one always right, and a baseline without words that always lowers the drums."""
    folder = tmp_path_factory.mktemp("runs")
    right = [
        Prediction(
            p, f"Item {p.item_id}: <b>so</b>", Advice(tuple(Move.of(s, g) for s, g in p.needed_gains_db.items()))
        )
        for p in study_problems
    ]
    rule = [Prediction(p, "", Advice((Move.of("drums", -3.0),))) for p in study_problems]
    write_predictions(folder / "right" / "predictions.jsonl", right)
    write_predictions(folder / "rule" / "predictions.jsonl", rule)
    return {"fine_tuned": str(folder / "right"), "loudness_rule": str(folder / "rule")}


@pytest.fixture(scope="session")
def request_of(runs):
    """A function that makes the request for a study; what differs from the usual is given by name."""

    def make(out, **others):
        values = {
            "instrument": instrument(), "mode": "rate", "runs": runs, "human": None,
            "controls": ["do_nothing", "low_anchor", "original"], "dataset": None, "items": 6, "target_lufs": -23.0,
            "seed": 1, "out": str(out),
        }  # fmt: skip
        return BuildSettings.model_validate(values | others)

    return make


@pytest.fixture(scope="session")
def built(request_of, demo_source, tmp_path_factory):
    """A study with five systems and six items, which tests read and do not write into."""
    from mixlab.study.build import build

    out = tmp_path_factory.mktemp("study") / "built"
    build(request_of(out), demo_source)
    return out


@pytest.fixture
def study(built, tmp_path):
    """A copy of the study of its own, open for participants."""
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.sessions import Sessions

    folder = StudyFolder(shutil.copytree(built, tmp_path / "study"))
    database = Database(folder.database_url)
    yield Sessions(folder, database)
    database.close()


@pytest.fixture
def client(study):
    """A client of the application."""
    from fastapi.testclient import TestClient

    from mixlab.study.app import create_app

    with TestClient(create_app(study, PASSWORD, attempts_per_minute=3), raise_server_exceptions=True) as client:
        yield client


class Person:
    """A participant who speaks JSON."""

    def __init__(self, client, link):
        self.client, self.link, self.base = client, link, f"/api/p/{link}"

    def send(self, method, path, **body):
        return self.client.request(method, self.base + path, json={"key": secrets.token_urlsafe(16)} | body)

    def trial(self, number):
        return self.client.get(f"{self.base}/trials/{number}")

    def ready(self, playback="loudspeakers", tones=()):
        answers = {"years": 7, "role": "Producer", "genres": ["Rock", "Jazz"]}
        assert self.send("POST", "/background", answers=answers).status_code == 200
        assert self.send("POST", "/sound", playback=playback, tones=list(tones)).status_code == 200
        return self

    def rate(self, number, criterion, rating, **others):
        return self.send("PUT", f"/trials/{number}/ratings/{criterion}", rating=rating, **others)

    def lock(self, number, rating=4):
        assert self.trial(number).status_code == 200
        for criterion in ("actionability", "conventions"):
            assert self.rate(number, criterion, rating).status_code == 200
        return self.send("POST", f"/trials/{number}/lock")

    def answer(self, number, rating=4, comment=""):
        """Do a whole trial."""
        if self.trial(number).json()["stage"] == "pair":
            self.send("PUT", f"/trials/{number}/preference", preferred=1)
        else:
            assert self.lock(number, rating).status_code == 200
            assert self.rate(number, "effectiveness", rating).status_code == 200
        if comment:
            assert self.send("PUT", f"/trials/{number}/comment", text=comment).status_code == 200
        return self.send("POST", f"/trials/{number}/finish")

    def hear(self, version):
        return self.client.get(f"/p/{self.link}/audio/{version['file']}")


@pytest.fixture
def join(client, study):
    """A function that lets a new participant in."""

    def enter():
        (token,) = study.invite(1)
        body = {"invitation": token, "consent": True, "key": secrets.token_urlsafe(16)}
        answer = client.post("/api/join", json=body)
        assert answer.status_code == 200, answer.text
        return Person(client, answer.json()["link"])

    return enter
