"""Answering is shared among the devices of a trainer, and comes to the same texts as on one."""

import pytest

from tests.commands import run

FEW = (
    "checkpoint=null", "dataset=demo_small", "data.prepare_workers=1", "evaluation.items_per_song=1",
    "evaluation.validation_items_per_song=1", "evaluation.baselines=[chance]", "evaluation.tuning_items=40",
    "evaluation.resamples=20", "evaluation.audio_examples=0", "model.max_new_tokens=12",
)  # fmt: skip
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2")


@pytest.mark.slow
def test_two_processes_evaluate_to_the_predictions_of_one(tmp_path):
    texts = {}
    for name, devices in (("one", ()), ("two", TWO)):
        done = run(tmp_path, "evaluate", *FEW, *devices, f"out={name}")
        assert done.returncode == 0, done.stderr[-3000:]
        texts[name] = (tmp_path / name / "predictions.jsonl").read_text().splitlines()
    assert len(texts["one"]) == 12
    assert texts["one"] == texts["two"]
