"""The notebooks run, and their two forms say the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = ("explore", "listen", "train", "compare")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_no_outputs_and_says_what_its_text_says(name):
    jupytext = pytest.importorskip("jupytext")
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())
    cells = notebook["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    text = jupytext.read(NOTEBOOKS / f"{name}.py")
    assert ["".join(cell["source"]) for cell in cells] == [cell["source"] for cell in text.cells]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name):
    pytest.importorskip("nbmake")
    command = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=600", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(NOTEBOOKS / f"{name}.ipynb")], capture_output=True, text=True, timeout=700, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
