"""`mixlab judge`, as a user calls it, against a scripted HTTP server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixlab.scoring import write_predictions
from tests.calling.scripted_server import Scripted, ScriptedServer
from tests.commands import refused

from .conftest import _answered

CHECKOUT = Path(__file__).parents[2]
KEY = "a-key-that-nobody-may-see"


def command(folder, *overrides):
    path = f"{CHECKOUT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = os.environ | {"PYTHONPATH": path, "OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "mixlab", "judge", *overrides],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def judge(folder, *overrides, timeout_s=300):
    process = command(folder, *overrides)
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def by_length(body, number):
    """A judge whose scores follow from what it is shown, and who often forgets the form at first."""
    text = body["messages"][1]["content"]
    size = len(text)
    if size % 3 == 0 and len(body["messages"]) == 2:
        return Scripted("I like it.", delay_s=0.05)
    if "Advice A:" in text:
        letters = "ABC" if size % 2 else "CBA"
        ranks = {key: list(letters) for key in ("technical_accuracy", "helpfulness", "fluency")}
        return Scripted(json.dumps({"reason": "", **ranks}), delay_s=0.05)
    if "The second advice" in text:
        return Scripted(json.dumps({"reason": "", "better": ("first", "second", "tie")[size % 3]}), delay_s=0.05)
    criteria = ("effectiveness", "actionability", "conventions", "musicality", "helpfulness")
    scores = {name: 1 + (size + place) % 5 for place, name in enumerate(criteria)}
    return Scripted(json.dumps({"reason": "", **scores}), delay_s=0.05)


@pytest.fixture
def run(tmp_path):
    """A run folder with six answers, four of them to mixes with an error, and an opponent's."""
    errors = [[], [("vocals", -6.0)], [("drums", 5.0)], [("vocals", 4.0)], [("other", -8.0)], []]
    for name, text in (("run", "Raise the vocals by 3 dB."), ("other", "Lower the drums.")):
        made = [_answered(*error, item=f"song{i}/0", text=text) for i, error in enumerate(errors)]
        write_predictions(tmp_path / name / "predictions.jsonl", made)
    return tmp_path


def keys_in(cache):
    """The calls in the log of answers, whole lines only; none where there is no log yet."""
    lines = [line for path in (cache / "judge").glob("*.jsonl") for line in path.read_text().splitlines(keepends=True)]
    return [json.loads(line)["key"] for line in lines if line.endswith("\n")]


def results(folder):
    (path,) = folder.glob("judge/*/judge.json")
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_judge_killed_in_the_middle_goes_on_without_repeating_or_losing_a_call(run):
    server = ScriptedServer(by_length)
    base = ["predictions=run", "opponent=other", f"endpoint={server.url}", "model=m", "concurrency=2", "draws=1"]
    code, out, err = judge(run, *base, "cache=whole", "outputs=whole")
    assert code == 0, err
    whole = len(server.requests)
    assert "(0 are answered already)" in out
    assert set(server.keys) == {f"Bearer {KEY}"}

    killed = command(run, *base, "cache=torn", "outputs=killed")
    while len(server.requests) < whole + whole // 2:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = keys_in(run / "torn")
    assert 0 < len(before) < whole
    code, out, err = judge(run, *base, "cache=torn", "outputs=resumed")
    assert code == 0, err
    after = keys_in(run / "torn")
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == whole
    assert set(after) == set(keys_in(run / "whole"))
    # Only the two calls in flight at the kill can have been made twice.
    assert whole <= len(server.requests) - whole <= whole + 2
    assert results(run / "resumed") == results(run / "whole")

    asked = len(server.requests)
    code, out, err = judge(run, *base, "cache=torn", "outputs=again")
    assert (code, len(server.requests)) == (0, asked), err
    assert "To ask: 0 calls" in out
    found = results(run / "again")
    assert found == results(run / "whole")
    assert {"score/model/effectiveness", "auc/wrong_stem/helpfulness", "preference/model_over_opponent/wins"} <= set(
        found
    )
    written = [path for path in run.rglob("*") if path.is_file()]
    assert not any(KEY in path.read_text(errors="replace") for path in written)
    assert KEY not in out + err
    server.close()


def test_systems_are_ranked_and_two_judges_stand_beside_each_other(run):
    server = ScriptedServer(by_length)
    base = ["predictions=run", "systems={other: other}", f"endpoint={server.url}", "draws=1", "items=4", "cache=c"]
    folders = {}
    for name, others in (("one", ()), ("two", (f"judges=[{run}/one]",))):
        code, _, err = judge(run, *base, f"model={name}", f"hydra.run.dir={name}", *others)
        assert code == 0, err
        folders[name] = json.loads((run / name / "judge.json").read_text())
    # The texts are the same and so are both judges.
    found = folders["two"]
    assert found["judges/effectiveness/alpha"] == found["judges/rank_fluency/alpha"] == pytest.approx(1.0)
    assert not any(key.startswith("judges/") for key in folders["one"])
    assert {"rank/other/fluency", "rank_wins/right/helpfulness", "rank_first_place/fluency"} <= set(found)
    assert {"truth/effectiveness/explained", "rank_truth/technical_accuracy/explained"} <= set(found)
    assert (found["missing/other/asked"], found["missing/other/unanswered"]) == (4.0, 0.0)
    page = (run / "two" / "judge.md").read_text()
    for title in ("Mean rank", "Agreement of 2 judges", "Do scores say more than the given truth?", "empty texts"):
        assert title in page
    rankings = [json.loads(line) for line in (run / "two" / "rankings.jsonl").read_text().splitlines()]
    assert len(rankings) == 4
    assert all(set(row["shown"]) == {"model", "right", "other"} for row in rankings)
    assert "# A ranking" in (run / "two" / "questions.md").read_text()
    server.close()


def test_cost_is_told_and_nothing_asked_in_a_dry_run(run):
    server = ScriptedServer(by_length)
    code, out, err = judge(
        run, "predictions=run/predictions.jsonl", f"endpoint={server.url}", "model=m", "items=3", "dry_run=true",
        "price={input: 1.0, output: 2.0}",
    )  # fmt: skip
    assert code == 0, err
    assert "tokens in and at most" in out
    assert "cost at most about 0.0" in out
    assert server.requests == []
    assert not list(run.glob("outputs/judge/*/judge.json"))
    server.close()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["predictions=run", "endpoint=x", "model=m"], "The key 'endpoint' is 'x': it is no URL"),
        (["predictions=run", "model=m"], "The key 'endpoint' has no value"),
        (["predictions=nowhere", "endpoint=http://h/v1", "model=m"], "cannot read predictions from nowhere"),
        (
            ["predictions=run", "endpoint='http://me:hush@h/v1'", "model=m"],
            "The key 'endpoint' holds a user name, password or query",
        ),
        (["predictions=run", "endpoint=http://h", "model=m", "request.temperature=0"], "so that all draws are alike"),
        (["predictions=run", "endpoint=http://h", "model=m", "+request.n=3"], "mixlab sets 'n' by itself"),
        (["predictions=run", "endpoint=http://h", "model=m", "systems={right: other}"], "give the system another name"),
        (["predictions=run", "endpoint=http://h", "model=m", "judges=[other]"], "holds neither scores.jsonl nor"),
        (
            ["predictions=run", "endpoint=http://h", "model=m", "+rubric.criteria.musicality.points.6=best"],
            "The key 'rubric.criteria.musicality.points.6'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_in_one_sentence_before_anything_is_asked(run, overrides, says):
    said = refused(run, "judge", *overrides)
    assert says in said
    assert "hush" not in said
    assert not any("hush" in path.read_text(errors="replace") for path in run.rglob("*") if path.is_file())
