"""`mixlab score`, from a file of answers to a table and figures."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mixlab.cli.commands import run_verb
from mixlab.language.advice import Advice, Move
from mixlab.scoring import Prediction, write_predictions
from mixlab.synthesis.problem import GainError, Problem, PromptCategory

ROWS = [
    {
        "global_uid": f"test_track{number:03}_chunk001_a-bass_t-{stem}_e-{category}",
        "instruction": "Use bass as a reference and examine the mix balance.",
        "ground_truth": right,
        "generated": said,
        "target_stem": stem,
        "error_category": category,
        "intended_gain_db": gain_db,
        "expected_magnitude_min_db": low_db,
        "expected_magnitude_max_db": high_db,
    }
    for number, (stem, category, gain_db, low_db, high_db, right, said) in enumerate(
        [
            ("vocals", "very_quiet", -10.1, 6.0, 12.0,
             "The vocals is difficult to hear. Increase the vocals level by 6 to 12 dB to balance the mix.",
             "The vocals is too quiet. Raise the vocals level by 6 to 12 dB to balance the mix."),
            ("drums", "loud", 4.0, 3.0, 6.0,
             "The drums needs to be slightly quieter. Lower the drums by 3 to 6 dB to achieve proper balance.",
             "The vocals is a bit too high. Reduce the vocals gain between 3 and 6 dB for proper balance."),
            ("drums", "no_error", 0.0, None, None,
             "The mix is correctly balanced with all stems at proper levels. No changes are needed.",
             "I cannot say."),
        ]
    )
]  # fmt: skip


@pytest.fixture
def score(monkeypatch, capsys, tmp_path):
    """A function that runs the command as a user would; returns what it printed and its exit code."""

    def run(*overrides: str) -> tuple[str, int]:
        monkeypatch.setattr(sys, "argv", ["mixlab", "score", "resamples=50", *overrides])
        monkeypatch.chdir(tmp_path)
        code = 0
        try:
            run_verb(sys.argv[1:])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = capsys.readouterr()
        return printed.out + printed.err, code

    return run


@pytest.fixture
def answers(tmp_path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_the_predecessors_files_are_scored_with_their_reference_texts(score, answers, tmp_path):
    shown, code = score(f"predictions={answers}", "format=mixingbuddy", f"out={tmp_path / 'scores.json'}")
    assert code == 0, shown
    figures = json.loads((tmp_path / "scores.json").read_text())
    assert figures["test/items"] == figures["test/songs"] == 3
    assert figures["test/joint_accuracy"] == pytest.approx(1 / 3)
    assert figures["test/parse_rate"] == pytest.approx(2 / 3)
    assert figures["test/error_category=very_quiet/gain_mae_db"] == pytest.approx(1.1)
    assert figures["reference/joint_accuracy"] == figures["reference/read_back"] == 1.0
    assert figures["baselines/shuffled_answers/joint_accuracy"] == 0
    assert figures["mixingbuddy/overall/all_items/both"] == pytest.approx(1 / 3)
    assert {"closed_loop/residual_db", "reference/closed_loop/residual_db"} <= figures.keys()
    assert [figures[f"test/{name}"] for name in ("read", "not_about_level", "not_readable")] == pytest.approx(
        [2 / 3, 0, 1 / 3]
    )
    assert "Of 3 answers read: 2, not about level: 0, not readable: 1." in shown
    assert "read exactly as their labels: 3 of 3" in shown
    assert "two stems are left for an item" in " ".join(shown.split())
    assert "By target stem" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "scores.json"]


def test_any_fields_can_be_named_on_the_command_line(score, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"answer": "Lower the drums by 4 dB.", "label": {"stem": "drums", "error": 4}}\n')
    shown, code = score(
        f"predictions={path}", "format=fields", "format.text=answer", "format.target=label.stem",
        "format.gain_db=label.error", "out=scores.json",
    )  # fmt: skip
    assert code == 0, shown
    figures = json.loads((tmp_path / "scores.json").read_text())
    assert (figures["test/joint_accuracy"], figures["test/gain_mae_db"]) == (1.0, 0.0)
    assert not any(key.startswith(("reference/", "mixingbuddy/")) for key in figures)


def own(item: str, prompt: PromptCategory) -> Prediction:
    problem = Problem(
        item, "song", "test", "rock", 0.0, 10.0, "bass", ("bass", "drums", "vocals"),
        (GainError("drums", 4.0, "loud"),), "loud", prompt, None, 0.0, 0.0, 0,
    )  # fmt: skip
    return Prediction(
        problem, "Lower the drums by 4 dB.", Advice((Move.of("drums", -4.0),)), "", "Lower the drums by 4 dB."
    )


def test_a_runs_own_predictions_need_no_format(score, tmp_path):
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, [own("a", PromptCategory.AUDIO_ONLY)])
    shown, code = score(f"predictions={path}")
    assert code == 0, shown
    assert "1 items of 1 songs" in shown
    assert "reference texts" in shown


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["predictions=nowhere.jsonl"], "cannot read predictions from nowhere.jsonl"),
        (["predictions=answers.jsonl"], "choose another format"),
        (["predictions=answers.jsonl", "format=mixingbuddy", "format.text=answer"], "no field 'answer' (format.text)"),
        (["predictions=answers.jsonl", "format=mixingbuddy", "out=."], "out is '.', which is a folder"),
        (
            ["predictions=answers.jsonl", "format=mixingbuddy", "format.stems=[bass,drums]"],
            "none of the stems bass, drums",
        ),
        (["predictions=broken.jsonl", "format=mixingbuddy"], "broken.jsonl, line 2 is not JSON"),
        (["predictions=empty.jsonl", "format=mixingbuddy"], "empty.jsonl holds no predictions"),
        (["predictions=claims.jsonl"], "has claims in all of its prompts"),
        (["predictions=other.jsonl", "format=mixingbuddy"], "set format.protocol=null"),
        (["predictions=answers.jsonl", "format=nonsense"], "nonsense"),
        (["format=mixingbuddy"], "'predictions' has no value"),
    ],
)
def test_what_cannot_be_scored_gets_one_sentence(score, answers, tmp_path, overrides, words):
    (tmp_path / "broken.jsonl").write_text(f"{json.dumps(ROWS[0])}\n{{\n")
    (tmp_path / "empty.jsonl").write_text("")
    write_predictions(tmp_path / "claims.jsonl", [own("a", PromptCategory.CORRECT_DESCRIPTION)])
    (tmp_path / "other.jsonl").write_text(json.dumps(ROWS[0] | {"target_stem": "other"}) + "\n")
    shown, code = score(*overrides)
    assert code == 2, shown
    assert words in shown
    assert "Traceback" not in shown
    assert shown.startswith("error: ")
    assert len(shown.strip().splitlines()) == 1


@pytest.mark.skipif(
    "MIXLAB_PREDECESSOR" not in os.environ, reason="MIXLAB_PREDECESSOR does not name the folder of its predictions"
)
def test_every_reference_text_of_the_predecessors_files_reads_back(score, tmp_path):
    files = sorted(Path(os.environ["MIXLAB_PREDECESSOR"]).glob("*.jsonl"))
    assert files
    for path in files:
        shown, code = score(f"predictions={path}", "format=mixingbuddy", "out=scores.json")
        figures = json.loads((tmp_path / "scores.json").read_text())
        assert code == 0, shown
        assert figures["reference/items"] == 100
        assert figures["reference/read_back"] == figures["reference/joint_accuracy"] == 1.0, path
