"""Which W&B run belongs to a folder, whether it goes to the network, and that none is left open."""

import pytest

from mixlab.errors import InputFileError
from mixlab.runs.axes import axes_of
from mixlab.runs.wandb import (
    IDENTITY_FILE,
    closing_runs,
    has_wandb_key,
    open_run,
    open_run_of,
    read_identity,
    settle_identity,
    sync_line,
    wandb_mode,
)
from tests.conftest import train_settings


def test_a_run_that_goes_on_from_a_checkpoint_keeps_the_id_of_the_run_it_came_from(tmp_path):
    first = settle_identity(tmp_path / "first", "mixlab", "group", None)
    checkpoint = tmp_path / "first" / "checkpoints" / "last.ckpt"
    assert settle_identity(tmp_path / "second", "other", "other", checkpoint) == first
    assert read_identity(tmp_path / "second") == first
    assert settle_identity(tmp_path / "third", "mixlab", "group", None).run_id != first.run_id


def test_a_folder_that_is_started_again_keeps_its_id(tmp_path):
    first = settle_identity(tmp_path, "mixlab", "group", None)
    assert settle_identity(tmp_path, "mixlab", "group", None) == first


def test_a_broken_identity_is_named(tmp_path):
    (tmp_path / IDENTITY_FILE).write_text("{")
    with pytest.raises(InputFileError, match=IDENTITY_FILE):
        read_identity(tmp_path)


def test_without_a_key_runs_are_offline_and_with_one_online(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert not has_wandb_key()
    assert wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert wandb_mode() == "offline"


def test_no_run_is_left_open_after_an_error(offline):
    def fail():
        with closing_runs():
            open_run(offline, settle_identity(offline, "mixlab", "g", None), name="r")
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        fail()
    assert open_run_of(offline) is None
    assert "offline-run-" in sync_line(offline, read_identity(offline).run_id)


def test_a_control_is_a_run_beside_that_of_the_model(offline):
    with closing_runs():
        model = open_run(offline, settle_identity(offline, "mixlab", "g", None), name="model")
        control = offline / "controls" / "x"
        control.mkdir(parents=True)
        beside = open_run(control, settle_identity(control, "mixlab", "g", None), name="control", beside=True)
        assert beside.id != model.id
        assert beside.group == model.group == "g"
        beside.finish()
        assert open_run_of(offline) is model


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("default", "3 to 12 dB"),
        ("several", "3 to 12 dB, up to 3 stems"),
        ("relative", "relative, 3 to 6 dB"),
    ],
)
def test_a_run_stands_on_the_axes_where_its_configuration_says(error, words):
    settings = train_settings(f"error={error}", "prompt=no_claims", "adapter.r=8")
    found = {"anchor": "bass", "error_range": words, "prompts": "advice seeking, audio only", "rank": 8}
    assert axes_of(settings) == found
