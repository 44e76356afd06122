"""The main job with backbones that are joined from parts, through the command line as a user calls it."""

import json

import pytest
import torch

from tests.commands import run

SONGS = ("dataset=demo_small", "dataset.train_songs=3", "dataset.validation_songs=2", "dataset.test_songs=2")
SONGS += ("dataset.shifted_songs=0", "dataset.duration_s=12", "data.prepare_workers=1", "data.workers=0")
FAST = ("+experiment=bass_anchor", "debug=fast", *SONGS, "controls=[]", "trainer.max_steps=2")
FAST += ("evaluation.baselines=[chance]", "evaluation.items_per_song=2", "evaluation.validation_items_per_song=2")
FAST += (
    "name=joined",
    "data.examples_per_epoch=16",
    "data.batch_size=8",
    "callbacks.progress_bar=false",
    "model.max_new_tokens=8",
)
LISTENER = ("audio_encoder", "language_model")


@pytest.mark.slow
def test_a_codebook_is_fitted_and_a_model_trains_and_advises_with_its_codes(tmp_path):
    missing = run(tmp_path, "train", *FAST, "model=unified", "name=missing")
    assert missing.returncode == 2
    assert "make a codebook with mixlab codebook" in missing.stderr
    fitted = run(tmp_path, "codebook", *SONGS, "codes=64", "examples=40")
    assert fitted.returncode == 0, fitted.stderr[-3000:]
    assert "64 codes" in fitted.stdout
    check_run(tmp_path, "model=unified")


@pytest.mark.slow
def test_a_cascade_of_tiny_parts_trains_and_advises(tmp_path):
    parts = [f"model.arguments.{part}=listener" for part in LISTENER]
    check_run(tmp_path, "model=cascade", "model.arguments.dtype=float32", *parts)


def check_run(workplace, *overrides):
    done = run(workplace, "train", *FAST, *overrides)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (workplace / "outputs" / "joined").iterdir()
    assert "test/joint_accuracy" in json.loads((folder / "metrics.json").read_text())
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    kinds = ("lora_", "multi_modal_projector.modules_to_save", "_head.")
    assert all(any(kind in name for kind in kinds) for name in state)
    assert any("multi_modal_projector" in name for name in state)
