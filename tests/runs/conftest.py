"""W&B without a network."""

import pytest


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """W&B without a network: what it would stage outside a run folder lies beside the test's files."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))
    return tmp_path
