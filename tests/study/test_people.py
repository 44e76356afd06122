"""A human baseline: what experts write is scored like a model's answers, on the same items."""

from __future__ import annotations

import copy
import json
import secrets
import stat

import numpy as np
import pytest

from mixlab.errors import InputFileError
from mixlab.judging.annotations import Annotation
from mixlab.language.advice import Advice, Move
from mixlab.language.templates import render_response
from mixlab.scoring import read_predictions
from mixlab.study.database import Database
from mixlab.study.exporting import export_study
from mixlab.study.manifest import StudyFolder
from mixlab.study.people import as_predictions
from tests.commands import run

from .conftest import Person, instrument

EXPERTS = 3
ITEMS = 10


def heard_by(expert, prediction):
    """What a simulated expert writes: the first is always right, the second turns things the wrong way, the third talks
    of something else."""
    needed = prediction.problem.needed_gains_db
    if expert == 2:
        return "Nice song, I would play it louder in the car."
    signs = {stem: gain_db if expert == 0 else -gain_db for stem, gain_db in needed.items()}
    advice = Advice(tuple(Move.of(stem, gain_db) for stem, gain_db in signs.items()))
    return render_response(advice, prediction.problem.anchor, None, np.random.default_rng(expert))


@pytest.fixture(scope="module")
def annotated(request_of, demo_source, tmp_path_factory):
    """The export of a study in which three simulated experts wrote on ten items through the server."""
    from fastapi.testclient import TestClient

    from mixlab.study.app import create_app
    from mixlab.study.build import build
    from mixlab.study.sessions import Sessions

    place = tmp_path_factory.mktemp("annotated")
    asked = instrument(trials=ITEMS, repeats=0, instructed=[], pairs=0)
    build(request_of(place / "study", mode="annotate", instrument=asked, items=ITEMS), demo_source)
    folder = StudyFolder(place / "study")
    items = {p.problem.item_id: p for p in read_predictions(place / "study" / "predictions" / "fine_tuned.jsonl")}
    study = Sessions(folder, Database(folder.database_url))
    with TestClient(create_app(study, None)) as client:
        for expert, token in enumerate(study.invite(EXPERTS)):
            body = {"invitation": token, "consent": True, "key": secrets.token_urlsafe(16)}
            person = Person(client, client.post("/api/join", json=body).json()["link"]).ready()
            for number, planned in enumerate(folder.plan(expert), start=1):
                said = heard_by(expert, items[folder.manifest.items[planned.item].item])
                assert person.trial(number).status_code == 200
                assert person.send("PUT", f"/trials/{number}/comment", text=said).status_code == 200
                assert person.send("POST", f"/trials/{number}/finish").status_code == 200
    export_study(folder, study.database, place / "out")
    study.database.close()
    return folder, place / "out" / "predictions"


def test_each_expert_is_scored_on_what_they_wrote(annotated):
    folder, out = annotated
    trained = folder.manifest.items[-1].item
    found = [read_predictions(out / "people" / f"p000{number}.jsonl") for number in (1, 2, 3)]
    for answers in found:
        assert len(answers) == ITEMS
        assert trained not in {prediction.problem.item_id for prediction in answers}
    right, wrong, chatting = found
    assert all(prediction.is_right for prediction in right)
    assert [p.is_right for p in wrong] == [not p.needed for p in wrong]
    assert any(prediction.needed for prediction in wrong)
    assert all(prediction.advice is None for prediction in chatting)


def test_the_human_baseline_answers_each_item_once_and_the_runs_the_same_items(annotated):
    _, out = annotated
    human, model = (read_predictions(out / f"{name}.jsonl") for name in ("human", "fine_tuned"))
    assert [p.problem for p in human] == [p.problem for p in model]
    assert len({p.problem.item_id for p in human}) == ITEMS
    written = {
        (p.problem.item_id, p.text): path.stem for path in (out / "people").iterdir() for p in read_predictions(path)
    }
    assert len({written[p.problem.item_id, p.text] for p in human}) > 1


def test_an_export_is_the_owners_alone(annotated):
    _, out = annotated
    for path in (out.parent, *out.parent.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_score_and_compare_take_people_as_they_take_a_model(annotated, tmp_path):
    _, out = annotated
    human, model = out / "human.jsonl", out / "fine_tuned.jsonl"
    scored = run(tmp_path, "score", f"predictions='{human}'", "out=scores.json")
    assert scored.returncode == 0, scored.stderr
    figures = json.loads((tmp_path / "scores.json").read_text())
    headline = [p for p in read_predictions(human) if not p.problem.prompt_category.has_claim]
    assert figures["test/joint_accuracy"] == pytest.approx(np.mean([p.is_right for p in headline]))
    compared = run(
        tmp_path, "compare", f"runs=['{human}','{model}']", "out=compared", "resamples=50", "permutations=99"
    )
    assert compared.returncode == 0, compared.stderr
    pair = json.loads((tmp_path / "compared" / "comparisons.json").read_text())[0]
    assert {pair["a"], pair["b"]} == {"human", "fine_tuned"}


def test_a_study_without_what_its_runs_say_cannot_tell_what_was_asked(annotated, tmp_path):
    folder = copy.copy(annotated[0])
    folder.path = tmp_path
    said = [Annotation(item=folder.manifest.items[0].item, annotator="p0001", text="Lower the drums.")]
    with pytest.raises(InputFileError, match="holds no predictions, which say what the items are"):
        as_predictions(folder, said)
    assert as_predictions(folder, []) == {}
