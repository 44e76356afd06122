"""The commands of mixlab as a user calls them, in a folder of the test's own."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


def command(folder, *words, **environment):
    """Arguments of the process that runs ``mixlab WORDS`` in a folder, with the songs' cache there."""
    settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MIXLAB_CACHE": str(folder / "cache")}
    known = {key: value for key, value in os.environ.items() if key != "WANDB_API_KEY"}
    return {
        "args": [sys.executable, "-m", "mixlab", *words],
        "cwd": folder,
        "env": known | settings | {"PYTHONPATH": str(CHECKOUT)} | environment,
        "text": True,
    }


def run(folder, *words, timeout_s=500, **environment):
    """The command, run to its end."""
    called = command(folder, *words, **environment)
    return subprocess.run(**called, capture_output=True, timeout=timeout_s, check=False)
